//! `setup`: a new store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::Ran;
use crate::scene::{Scene, arguments, is_sound, mode, text};

const PASSWORD: &str = "correct horse battery";
const ALL: [&str; 6] = [
    "--username",
    "alice",
    "--org",
    "acme",
    "--bucket",
    "metrics",
];

/// Runs `setup` with a password in the environment and this standard input.
#[track_caller]
fn setup(scene: &Scene, database: &Path, extra: &[&str], input: &str) -> Ran {
    let arguments = arguments(&["setup"], database, &[&ALL[..], extra].concat());
    let file = scene.sandbox.file("work/input", input);
    let mut command = scene.sandbox.command(arguments);
    command.env("BOLTKEY_PASSWORD", PASSWORD);
    command.stdin(fs::File::open(file).unwrap());
    let ran = scene.sandbox.finish(command);
    for output in [&ran.stdout, &ran.stderr] {
        assert!(
            !output.contains(PASSWORD) && !output.contains("$2a$"),
            "{output}"
        );
    }
    ran
}

#[test]
fn a_store_is_made_as_the_release_makes_it() {
    let scene = Scene::new();
    for (number, (release, migrations, storage, told)) in [
        ("2.7", 20, "plaintext", "don't support hashed tokens"),
        ("2.7.12", 20, "plaintext", "for InfluxDB 2.7, with user"),
        ("2.8", 21, "plaintext", "as in new stores of InfluxDB 2.8"),
        ("v2.8.0", 21, "plaintext", "for InfluxDB 2.8, with user"),
        ("2.9", 21, "hashed", "as in new stores of InfluxDB 2.9"),
        ("2.9.1", 21, "hashed", "as a bolt store, with user"),
    ]
    .into_iter()
    .enumerate()
    {
        for json in [true, false] {
            let database = scene.path(&format!("{number}-{json}.bolt"));
            let extra = ["--release", release];
            if !json {
                let ran = setup(&scene, &database, &extra, "").ok();
                assert!(ran.stdout.contains(told), "{told}: {ran:?}");
                continue;
            }
            let ran = setup(&scene, &database, &[&extra[..], &["--json"]].concat(), "").ok();
            let report = ran.json();
            assert!(
                release.contains(report["release"].as_str().unwrap()),
                "{report}"
            );
            assert_eq!(report["authorization"]["storage"], storage);
            let token = report["authorization"]["token"].as_str().unwrap();
            assert!(scene.is_operator(&database, token));
            let status = scene
                .run(&["status", "--json"], &database, &[])
                .code(0)
                .json();
            assert_eq!(status["schema"]["migrations"], migrations);
            assert_eq!(status["schema"]["known"], true);
            scene.run(&["check"], &database, &[]).ok();
        }
    }
    // A hash, or hashing, where the release knows none.
    let database = scene.path("none.bolt");
    let hash = format!("$influxdb2-sha256${}=", "A".repeat(43));
    for extra in [&["--store", "hashed"][..], &["--hashed-token", &hash]] {
        let extra = [&["--release", "2.7"][..], extra].concat();
        let ran = setup(&scene, &database, &extra, "").code(1);
        ran.tells(&["schema 20", "don't support hashed tokens"]);
    }
    for extra in [&["--store", "hashed"][..], &["--hashed-token", &hash]] {
        let database = scene.path(&format!("hashed{}.bolt", extra.len() + extra[1].len()));
        let extra = [&["--release", "2.8", "--json"][..], extra].concat();
        let report = setup(&scene, &database, &extra, "").ok().json();
        assert_eq!(report["authorization"]["storage"], "hashed");
    }
    for release in ["2.6", "2.10", "3.0", "1.8", "latest", ""] {
        let ran = setup(&scene, &database, &["--release", release], "").code(2);
        ran.tells(&["--release", "2.7, 2.8 or 2.9"]);
    }
    assert!(!database.exists());
}

#[test]
fn a_new_store_of_either_engine_is_complete() {
    let scene = Scene::new();
    for (name, engine, extra) in [
        ("influxd.bolt", "bolt", &[][..]),
        ("store", "redb", &["--retention", "30d"]),
        (
            "named.redb",
            "bolt",
            &["--engine", "bolt", "--retention", "0"],
        ),
        ("other.bolt", "redb", &["--engine", "redb"]),
    ] {
        let database = scene.path(name);
        let ran = setup(&scene, &database, &[extra, &["--json"]].concat(), "").ok();
        let report = ran.json();
        let token = report["authorization"]["token"].as_str().unwrap();
        assert_eq!(token.len(), 88);
        let authorization = &report["authorization"];
        assert_eq!(
            report,
            json!({
                "authorization": authorization, "changed": true, "shards": [], "release": "2.9",
                "database": {"path": text(&database), "engine": engine},
            })
        );
        for (field, value) in [
            ("storage", "hashed"),
            ("kind", "operator"),
            ("description", "alice's Token"),
            ("user", "alice"),
            ("org", "acme"),
        ] {
            assert_eq!(authorization[field], value);
        }
        assert_eq!(mode(&database), 0o600);
        assert!(scene.is_operator(&database, token));
        is_sound(&scene, &database);
        scene.run(&["check"], &database, &[]).ok();
        let status = scene.run(&["status", "--json"], &database, &[]).ok().json();
        assert_eq!(status["findings"], json!([]));
        assert_eq!(status["database"]["engine"], engine);
        assert_eq!(status["residue"]["plaintextTokens"], 0);
        assert_eq!(
            status["schema"],
            json!({"migrations": 21, "release": "2.8–2.9", "known": true})
        );
        assert_eq!(
            status["logins"],
            json!([{
                "user": "alice", "active": true, "operator": true, "signsIn": true,
                "because": status["logins"][0]["because"],
            }])
        );
        let buckets = scene.run(&["bucket", "list"], &database, &["--json"]).ok();
        let buckets = buckets.json()["buckets"].clone();
        let mut names: Vec<&str> = buckets
            .as_array()
            .unwrap()
            .iter()
            .map(|bucket| bucket["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["_monitoring", "_tasks", "metrics"]);
        // It can be changed like any other.
        scene
            .run(&["recover", "operator"], &database, &["--quiet"])
            .code(0);
    }
}

#[test]
fn where_the_token_comes_from_and_goes_to() {
    let scene = Scene::new();
    let database = scene.path("given.bolt");
    let extra = ["--token-file", "-", "--store", "plaintext", "--json"];
    let report = setup(&scene, &database, &extra, "chosen value\n")
        .ok()
        .json();
    assert_eq!(report["authorization"]["token"], "chosen value");
    assert_eq!(report["authorization"]["storage"], "plaintext");
    assert!(scene.is_operator(&database, "chosen value"));

    let (database, out) = (scene.path("out.bolt"), scene.path("token"));
    let ran = setup(&scene, &database, &["--token-out", text(&out)], "").ok();
    let token = fs::read_to_string(&out).unwrap();
    assert_eq!(mode(&out), 0o600);
    assert!(!ran.stdout.contains(token.trim()));
    assert!(ran.stdout.contains("the operator token is in"), "{ran:?}");
    assert!(scene.is_operator(&database, token.trim()));

    // What is not made leaves no token behind.
    let names = scene.names();
    let ran = setup(
        &scene,
        &database,
        &["--token-out", text(&scene.path("t2"))],
        "",
    )
    .code(1);
    ran.tells(&[text(&database), "exists already", "nothing was changed"]);
    let other = scene.path("other.bolt");
    let ran = setup(&scene, &other, &["--token-out", text(&out)], "").code(1);
    ran.tells(&[text(&out), "exists already", "nothing was changed"]);
    assert_eq!(scene.names(), names);
}

#[test]
fn a_dry_run_makes_nothing() {
    let scene = Scene::new();
    let database = scene.path("new.bolt");
    let out = scene.path("token");
    let extra = ["-n", "--json", "--token-out", text(&out)];
    let report = setup(&scene, &database, &extra, "").ok().json();
    assert_eq!(report["dryRun"], true);
    assert_eq!(report["authorization"]["token"], json!(null));
    let ran = setup(&scene, &database, &["-n"], "").ok();
    assert!(ran.stdout.contains("would be created") && ran.stdout.contains("nothing was changed"));
    assert_eq!(scene.names().len(), 0);
    fs::write(&database, "theirs").unwrap();
    setup(&scene, &database, &["-n"], "").code(1);
}

#[test]
fn nothing_is_ever_overwritten() {
    let scene = Scene::new();
    fs::write(scene.path("file.bolt"), "theirs").unwrap();
    fs::write(scene.path("empty.bolt"), "").unwrap();
    fs::create_dir(scene.path("folder.bolt")).unwrap();
    symlink("nowhere", scene.path("dangling.bolt")).unwrap();
    let names = scene.names();
    for name in ["file.bolt", "empty.bolt", "folder.bolt", "dangling.bolt"] {
        let ran = setup(&scene, &scene.path(name), &[], "").code(1);
        ran.tells(&[name, "exists already", "nothing was changed"]);
    }
    let ran = setup(&scene, &scene.path("missing/new.bolt"), &[], "").code(1);
    ran.tells(&["the folder must exist", "nothing was changed"]);
    setup(&scene, Path::new("-"), &[], "").code(2);
    assert_eq!(fs::read(scene.path("file.bolt")).unwrap(), b"theirs");
    assert_eq!(scene.names(), names);
}

#[test]
fn if_missing_accepts_a_store_that_is_there_and_nothing_else() {
    let scene = Scene::new();
    let database = scene.path("new.bolt");
    let ran = setup(&scene, &database, &["--if-missing", "--json"], "").ok();
    assert_eq!(ran.json()["changed"], true);
    let before = fs::read(&database).unwrap();
    let ran = setup(&scene, &database, &["--if-missing", "--json"], "").ok();
    let expected = json!({
        "changed": false,
        "database": {"path": text(&database), "engine": "bolt"},
    });
    assert_eq!(ran.json(), expected);
    let ran = setup(&scene, &database, &["--if-missing"], "").ok();
    assert!(
        ran.stdout.contains("exists; nothing was changed"),
        "{ran:?}"
    );
    // Without the option it is an error, as ever.
    setup(&scene, &database, &[], "").code(1);
    assert_eq!(fs::read(&database).unwrap(), before);
    // What is no store is not taken for one.
    fs::write(scene.path("file.bolt"), "theirs").unwrap();
    fs::write(scene.path("empty.bolt"), "").unwrap();
    fs::create_dir(scene.path("folder.bolt")).unwrap();
    symlink("nowhere", scene.path("dangling.bolt")).unwrap();
    for name in ["file.bolt", "empty.bolt", "folder.bolt", "dangling.bolt"] {
        let ran = setup(&scene, &scene.path(name), &["--if-missing"], "");
        assert!([1, 5].contains(&ran.code), "{name}: {ran:?}");
    }
    assert_eq!(fs::read(scene.path("file.bolt")).unwrap(), b"theirs");
}

#[test]
fn a_full_disk_leaves_nothing() {
    let scene = Scene::new();
    let token = scene.path("token");
    for name in ["new.bolt", "new.redb"] {
        let extra = [&ALL[..], &["--token-out", text(&token)]].concat();
        let arguments = arguments(&["setup"], &scene.path(name), &extra);
        let mut shell = std::process::Command::new("/bin/sh");
        let limited = "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"";
        shell
            .args(["-c", limited, crate::support::program::BOLTKEY])
            .args(arguments)
            .env_clear()
            .env("BOLTKEY_PASSWORD", PASSWORD)
            .current_dir(scene.path(""));
        let ran = scene.sandbox.finish(shell).code(1);
        ran.tells(&[name, "File too large", "nothing was changed"]);
        assert_eq!(scene.names().len(), 0);
    }
}

#[test]
fn shards_of_an_older_store_are_named() {
    let scene = Scene::new();
    let database = scene.path("influxd.bolt");
    let bucket = "00000000000000aa";
    for shard in ["7", "12"] {
        let folder = format!("engine/data/{bucket}/autogen/{shard}");
        fs::create_dir_all(scene.path(&folder)).unwrap();
    }
    fs::write(scene.path("influxd.sqlite"), "").unwrap();
    let elsewhere = ["-n", "--json", "--engine-path", "nowhere"];
    let ran = setup(&scene, &database, &elsewhere, "").code(0);
    assert_eq!(ran.json()["shards"], json!([]));
    let ran = setup(&scene, &database, &["--json"], "").code(0);
    ran.tells(&[
        "2 shards of an older store",
        "influxd.sqlite belongs to another store",
    ]);
    assert_eq!(
        ran.json()["shards"],
        json!([{"shard": 7, "bucket": bucket}, {"shard": 12, "bucket": bucket}])
    );
    let ran = setup(&scene, &scene.path("second.bolt"), &[], "").code(0);
    assert!(
        ran.stdout
            .contains("  bucket 00000000000000aa: shards 7, 12\nboltkey bucket adopt --all"),
        "{ran:?}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_told() {
    let scene = Scene::new();
    let database = scene.path("new.bolt");
    // No option that is needed is guessed.
    for left_out in [0, 2, 4] {
        let mut some = ALL.to_vec();
        some.drain(left_out..left_out + 2);
        let ran = scene.run(&["setup"], &database, &some).code(2);
        ran.tells(&[ALL[left_out]]);
    }
    let without = [&["setup"], &ALL[..]].concat();
    scene.sandbox.run(without).code(2).tells(&["--db"]);
    for (extra, tells) in [
        (&["--keep-copy", "copy"][..], "--keep-copy"),
        (&["--retention", "3"], "72h"),
        (&["--retention", "5m"], "one hour"),
        (
            &["--token-file", "-", "--password-file", "-"],
            "standard input",
        ),
        (&["--hashed-token", "no hash"], "not a hash"),
    ] {
        setup(&scene, &database, extra, "").code(2).tells(&[tells]);
    }
    for (password, tells) in [
        ("short", "between 8 and 72 characters"),
        (&"x".repeat(73), "between 8 and 72 characters"),
        ("", "empty"),
    ] {
        let file = scene.sandbox.file("work/password", password);
        let extra = ["--password-file", text(&file)];
        let ran = setup(&scene, &database, &extra, "").code(1);
        ran.tells(&[tells, "nothing was changed"]);
    }
    for value in [
        "a\nb",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
        "$influxdb2-sha256$abc",
    ] {
        let ran = setup(&scene, &database, &["--token-file", "-"], value).code(1);
        ran.tells(&["nothing was changed"]);
        assert!(!ran.stderr.contains(value), "{ran:?}");
    }
    let strong = arguments(&["setup"], &database, &ALL);
    let mut command = scene.sandbox.command(strong);
    command
        .env("BOLTKEY_PASSWORD", PASSWORD)
        .env("INFLUXD_STRONG_PASSWORDS", "true");
    scene
        .sandbox
        .finish(command)
        .code(1)
        .tells(&["strong-passwords"]);
    // Nobody is there to be asked for a password.
    let ran = scene.run(&["setup"], &database, &ALL).code(6);
    ran.tells(&["--password-file", "BOLTKEY_PASSWORD"]);
    assert_eq!(scene.names().len(), 0);
}
