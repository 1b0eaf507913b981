//! `convert` and `compact`, which make a new database, and unsound redb stores.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::json;

use crate::fixtures::damaged;
use crate::scene::{FOR_ALICE, ONE, RECOVER, SEVERAL, Scene, hold_the_same, is_sound, mode, text};

#[test]
fn a_copy_holds_the_same_in_either_engine() {
    for name in [SEVERAL, "lived-2.7.12", "mixed-2.9.1", "downgraded-15"] {
        let scene = Scene::new();
        let database = scene.sandbox.store(name);
        let mut from = database.clone();
        // Each is made of the one before.
        let steps: [(&[&str], &str); 6] = [
            (&["compact"], "bolt"),
            (&["convert"], "redb"),
            (&["compact"], "redb"),
            (&["convert", "--engine", "redb"], "redb"),
            (&["convert"], "bolt"),
            (&["convert", "--engine", "bolt"], "bolt"),
        ];
        for (step, (command, engine)) in steps.into_iter().enumerate() {
            let out = scene.path(&format!("copy-{step}"));
            let extra = ["--out", text(&out), "--json"];
            let report = scene.run(command, &from, &extra).ok().json();
            let left = report["recoverableLeft"].as_u64().unwrap();
            assert_eq!(
                report,
                json!({
                    "out": text(&out), "engine": engine, "recoverableLeft": left, "changed": false,
                    "sizeBytes": out.metadata().unwrap().len(),
                })
            );
            assert_eq!(left == 35, name == SEVERAL && step == 0, "{name} {step}");
            assert_eq!(mode(&out), 0o600);
            hold_the_same(&scene, &database, &out);
            let status = scene.run(&["status", "--json"], &out, &[]).ok().json();
            assert_eq!(status["database"]["engine"], engine);
            assert_eq!(status["residue"]["plaintextTokens"], 0);
            if engine == "bolt" {
                let check = scene.run(&["check", "--json"], &out, &[]).ok().json();
                assert_eq!(check["pages"]["free"], 0);
            }
            is_sound(&scene, &out);
            from = out;
        }
    }
}

#[test]
fn a_copy_takes_no_other_file_s_place() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let before = fs::read(&database).unwrap();
    fs::hard_link(&database, scene.path("hard")).unwrap();
    symlink("influxd.bolt", scene.path("soft")).unwrap();
    symlink("nowhere", scene.path("dangling")).unwrap();
    fs::write(scene.path("file"), "theirs").unwrap();
    let names = scene.names();
    for command in ["convert", "compact"] {
        for name in [
            "influxd.bolt",
            "./influxd.bolt",
            "hard",
            "soft",
            "dangling",
            "file",
            ".",
        ] {
            for dry in [&[][..], &["-n"]] {
                let out = scene.path(name);
                let extra = [&["--out", text(&out)], dry].concat();
                let ran = scene.run(&[command], &database, &extra).code(1);
                ran.tells(&[text(&out), "nothing was changed"]);
                assert!(!ran.stderr.contains("standard output"), "{ran:?}");
            }
        }
        let missing = scene.path("missing/out");
        let ran = scene
            .run(&[command], &database, &["--out", text(&missing)])
            .code(1);
        ran.tells(&[
            "No such file",
            "the folder must exist",
            "nothing was changed",
        ]);
        let ran = scene.run(&[command], &database, &["--out", "-"]).code(2);
        ran.tells(&["standard output"]);
    }
    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(fs::read_to_string(scene.path("file")).unwrap(), "theirs");
    assert_eq!(scene.names(), names);
    // A dry run makes nothing where there is room.
    let out = scene.path("out");
    let extra = ["--out", text(&out), "-n", "--json"];
    let report = scene.run(&["convert"], &database, &extra).ok().json();
    assert_eq!(report["dryRun"], true);
    // One of the 36 is also in a live record.
    assert_eq!(report["recoverableLeft"], 35);
    assert_eq!(scene.names(), names);
}

#[test]
fn a_copy_is_never_open_to_more_than_its_source() {
    for source in [0o600, 0o644, 0o440, 0o400] {
        let scene = Scene::new();
        let database = scene.store(ONE);
        fs::set_permissions(&database, fs::Permissions::from_mode(source)).unwrap();
        for command in ["convert", "compact"] {
            let out = scene.path(command);
            scene
                .run(&[command], &database, &["--out", text(&out)])
                .ok();
            assert_eq!(mode(&out), 0o600);
            assert_eq!(mode(&database), source);
        }
    }
}

#[test]
fn what_redb_can_not_hold_is_refused_by_name() {
    let scene = Scene::new();
    let nested = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bbolt");
    let nested = nested.join("tiny-4096-array-136.bolt");
    let out = scene.path("out");
    for dry in [&[][..], &["-n"]] {
        let extra = [&["--out", text(&out)], dry].concat();
        let ran = scene.run(&["convert"], &nested, &extra).code(1);
        ran.tells(&[
            "bucket \"big\"",
            "a bucket inside another one",
            "boltkey compact",
        ]);
        ran.tells(&["nothing was changed"]);
        assert_eq!(scene.names().len(), 0);
    }
    scene
        .run(&["compact"], &nested, &["--out", text(&out)])
        .ok();
}

#[test]
fn of_a_damaged_source_no_copy_is_left() {
    let scene = Scene::new();
    for name in [
        "page-shared",
        "page-missing",
        "key-order",
        "element-bounds",
        "inline-page",
    ] {
        let database = scene.sandbox.file("work/damaged.bolt", damaged(name));
        for command in ["convert", "compact"] {
            for dry in [&[][..], &["-n"]] {
                let out = scene.path("out");
                let extra = [&["--out", text(&out)], dry].concat();
                let ran = scene.run(&[command], &database, &extra);
                // What is nested comes before what is broken.
                if ran.stderr.contains("inside another one") {
                    ran.code(1);
                } else {
                    let ran = ran.code(5);
                    ran.tells(&["page ", "nothing was changed", "boltkey check"]);
                }
                assert_eq!(scene.names().len(), 0, "{name} {command}");
            }
        }
    }
}

#[test]
fn a_redb_store_that_is_not_sound_is_told_not_suffered() {
    let scene = Scene::new();
    let sound = fs::read(scene.redb(SEVERAL)).unwrap();
    let commands: [&[&str]; 5] = [
        &["status"],
        &["check"],
        &["convert", "--out", "out"],
        &["compact", "--out", "out"],
        &["recover", "operator", "--user", "alice", "--org", "acme"],
    ];
    let mut damaged = vec![("empty", Vec::new())];
    for pages in [1, 2, 5, 20] {
        damaged.push(("cut", sound[..pages * 4096].to_vec()));
    }
    let mut scattered = sound.clone();
    let mut at = 600;
    while at < scattered.len() {
        scattered[at] ^= 0x55;
        at += 97;
    }
    damaged.push(("scattered", scattered));
    damaged.push(("magic alone", sound[..9].to_vec()));
    let mut zeroed = sound.clone();
    zeroed[64..].fill(0);
    damaged.push(("zeroed", zeroed));
    for (name, content) in damaged {
        let database = scene.sandbox.file("work/store.redb", content);
        for command in commands {
            let ran = scene.run(command, &database, &[]);
            assert_eq!(ran.code, 5, "{name} {command:?}: {ran:?}");
            ran.tells(&["store.redb", "nothing was changed", "hint: "]);
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        }
    }
    // Left by a process that was killed: read as it is, repaired by what changes it.
    let mut unclean = sound;
    unclean[9] |= 2;
    let database = scene.sandbox.file("work/store.redb", &unclean);
    for command in commands.into_iter().take(2) {
        let ran = scene.run(command, &database, &[]).code(0);
        ran.tells(&["was not closed properly", "the file stays as it is"]);
    }
    let copy = scene.path("copy.redb");
    scene
        .run(&["compact"], &database, &["--out", text(&copy)])
        .code(0);
    scene.run(&["status"], &copy, &[]).ok();
    let database = scene.path("unclean.redb");
    fs::write(&database, unclean).unwrap();
    scene.run(RECOVER, &database, FOR_ALICE).code(0);
    scene.run(&["status"], &database, &[]).ok();
    is_sound(&scene, &database);
}
