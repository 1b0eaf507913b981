//! `residue scrub`: it names what it destroys, asks, and leaves nothing.

use std::fs;

use boltkey::store::Wipe;
use serde_json::json;

use crate::fixtures::damaged;
use crate::fixtures::tokens;
use crate::hash::{add, edit, finds, generated, shows};
use crate::scene::{SEVERAL, Scene, is_sound, text};

const SCRUB: &[&str] = &["residue", "scrub"];

/// One token of the store is also in a telegraf configuration.
const EMBEDDED: &str = "11af8a5134c48000";

#[test]
fn it_says_what_it_destroys() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let before = fs::read(&database).unwrap();
    for json in [&[][..], &["--json"]] {
        let ran = scene.run(SCRUB, &database, json).code(6);
        ran.tells(&[
            "last copies of 35 hashed tokens, which will be destroyed",
            "Overwrite all unused parts of",
            text(&database),
            "--yes",
            "nothing was changed",
        ]);
        assert_eq!(ran.stdout, "");
    }
    let dry = scene.run(SCRUB, &database, &["-n"]).ok();
    assert!(
        dry.stdout
            .contains("would be overwritten; they contain 35 plaintext tokens"),
        "{dry:?}"
    );
    let words = dry.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("35 of hashed tokens, 0 others"), "{dry:?}");
    let report = scene.run(SCRUB, &database, &["-n", "--json"]).ok().json();
    let numbers = |changed: bool| json!({"tokens": 35, "matching": 35, "unmatched": 0, "hashed": 36, "missing": [], "changed": changed});
    let mut expected = numbers(true);
    expected["dryRun"] = json!(true);
    assert_eq!(report, expected);
    assert!(fs::read(&database).unwrap() == before);

    let copy = scene.path("copy");
    let extra = ["--yes", "--json", "--keep-copy", text(&copy)];
    assert_eq!(
        scene.run(SCRUB, &database, &extra).code(0).json(),
        numbers(true)
    );
    assert!(fs::read(&copy).unwrap() == before);
    for (id, token) in tokens(SEVERAL) {
        assert_eq!(shows(&database, &token), id == EMBEDDED, "{id}");
        assert!(finds(&database, &token).is_none_or(|found| found == id));
    }
    is_sound(&scene, &database);

    // Once more there is nothing to ask and nothing to do.
    let bytes = fs::read(&database).unwrap();
    let ran = scene.run(SCRUB, &database, &[]).ok();
    assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
    let mut report = scene.run(SCRUB, &database, &["--json"]).ok().json();
    let missing = report["missing"].take();
    assert_eq!(
        report,
        json!({"tokens": 0, "matching": 0, "unmatched": 0, "hashed": 36, "missing": null, "changed": false})
    );
    // One is in a live record.
    assert_eq!(missing.as_array().unwrap().len(), 35);
    assert!(fs::read(&database).unwrap() == bytes);
    scene.run(&["residue", "scan"], &database, &[]).ok();
}

#[test]
fn the_other_engine_is_scrubbed_as_well() {
    let scene = Scene::new();
    let database = scene.redb("lived-2.7.12");
    let chosen = "chosen-by-me-long-ago";
    edit(&database, |changes| {
        add(changes, "0a00000000000001", chosen, "x")
    });
    let keep = ["--no-capture", "--keep-residue", "--yes"];
    scene.run(&["hash"], &database, &keep).code(0);
    let all = tokens(SEVERAL);
    assert!(
        all.iter()
            .all(|(id, token)| shows(&database, token) || id != EMBEDDED)
    );
    assert!(shows(&database, chosen));
    let ran = scene.run(SCRUB, &database, &[]).code(6);
    ran.tells(&["last copies of 3", "hashed tokens, which will be destroyed"]);
    let report = scene
        .run(SCRUB, &database, &["--yes", "--json"])
        .code(0)
        .json();
    assert!(report["matching"].as_u64() >= Some(35), "{report}");
    assert_eq!(report["changed"], true);
    for (id, token) in all {
        assert_eq!(shows(&database, &token), id == EMBEDDED, "{id}");
    }
    assert!(!shows(&database, chosen));
    assert_eq!(finds(&database, chosen).unwrap(), "0a00000000000001");
    is_sound(&scene, &database);
    let ran = scene.run(SCRUB, &database, &[]).ok();
    assert!(ran.stdout.contains("nothing to do"), "{ran:?}");
}

#[test]
fn one_is_one() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1-plaintext");
    // A token of no record is not a last copy.
    edit(&database, |changes| {
        add(changes, "0a00000000000001", &generated(1), "x");
    });
    edit(&database, |changes| {
        changes.wipe = Wipe::Nothing;
        changes.remove(b"authorizationsv1", b"0a00000000000001");
        changes.remove(b"authorizationindexv1", generated(1).as_bytes());
    });
    assert!(shows(&database, &generated(1)));
    let keep = ["--no-capture", "--keep-residue", "--yes"];
    scene.run(&["hash"], &database, &keep).code(0);
    let ran = scene.run(SCRUB, &database, &[]).code(6);
    ran.tells(&["the last copy of 1 hashed token, which will be destroyed"]);
    let report = scene.run(SCRUB, &database, &["--yes", "--json"]).code(0);
    let report = report.json();
    assert_eq!(
        (&report["matching"], &report["changed"]),
        (&json!(1), &json!(true))
    );
    assert!(!shows(&database, &generated(1)));
}

#[test]
fn what_is_not_sound_is_left_alone() {
    let scene = Scene::new();
    for name in ["page-shared", "page-missing", "truncated"] {
        let database = scene.sandbox.file("work/damaged.bolt", damaged(name));
        for extra in [&["--yes"][..], &["-n"]] {
            scene
                .run(SCRUB, &database, extra)
                .code(5)
                .tells(&["nothing was changed"]);
        }
    }
    let database = scene.store("downgraded-20");
    edit(&database, |changes| {
        changes.remove(b"migrationsv1", b"0000000000000007")
    });
    let before = fs::read(&database).unwrap();
    scene
        .run(SCRUB, &database, &["--yes"])
        .code(5)
        .tells(&["does not know the schema"]);
    assert!(fs::read(&database).unwrap() == before);
    // Every schema that is known may be scrubbed.
    for name in [
        "downgraded-15",
        "downgraded-18",
        "downgraded-20",
        "lived-2.7.12",
    ] {
        let database = scene.store(name);
        scene.run(SCRUB, &database, &["--yes"]).code(0);
        is_sound(&scene, &database);
        scene.run(&["residue", "scan"], &database, &[]).ok();
    }
}
