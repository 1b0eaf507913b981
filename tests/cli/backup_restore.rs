//! `backup restore`: it verifies the operator token before it writes, and keeps the files that it
//! replaces.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Ran;
use crate::fixtures::{facts, operator_token, store_names, token_of};
use crate::scene::{Scene, hold_the_same, is_sound, mode, text};

const LIVED: &str = "lived-2.9.1";

fn sqlite(path: &Path, note: &str) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("CREATE TABLE migrations(name TEXT); CREATE TABLE notebooks(id TEXT);")
        .unwrap();
    connection
        .execute("INSERT INTO notebooks VALUES (?1)", [note])
        .unwrap();
    connection.close().unwrap();
}

fn note(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .query_row("SELECT id FROM notebooks", [], |row| row.get(0))
        .unwrap()
}

/// A backup of a store, with an SQLite file, in the sandbox.
fn backup(scene: &Scene, name: &str) -> PathBuf {
    let source = Scene::new();
    let database = source.store(name);
    sqlite(&source.path("influxd.sqlite"), name);
    let out = source.path("backup");
    let extra = ["--out", text(&out), "--influx-manifest"];
    source.run(&["backup", "export"], &database, &extra).ok();
    let kept = scene.sandbox.path("work/backup");
    fs::create_dir(&kept).unwrap();
    for entry in fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, kept.join(path.file_name().unwrap())).unwrap();
    }
    kept
}

#[track_caller]
fn restore(scene: &Scene, from: &Path, to: &Path, token: &str, extra: &[&str]) -> Ran {
    let mut arguments = vec!["backup", "restore", text(from), "--to", text(to), "--json"];
    if !extra.contains(&"--new-operator") {
        arguments.extend(["--operator-token-file", "-"]);
    }
    arguments.extend(extra);
    scene.sandbox.run_with(arguments, token.as_bytes())
}

#[test]
fn what_is_restored_is_what_was_exported() {
    for name in store_names() {
        let scene = Scene::new();
        let from = backup(&scene, &name);
        let database = scene.sandbox.store(&name);
        let token = operator_token(&name);
        for to in ["influxd.bolt", "store.redb"] {
            let to = scene.path(to);
            let _ = fs::remove_file(scene.path("influxd.sqlite"));
            let ran = restore(&scene, &from, &to, &token, &[]);
            if token.is_empty() || ran.code == 3 {
                // Of a store whose tokens a downgrade took.
                assert!(name.contains("hashed"), "{name}: {ran:?}");
                assert_eq!(scene.names().len(), 0);
                continue;
            }
            let report = ran.ok().json();
            assert_eq!(report["changed"], true);
            assert_eq!(report["sqlite"], text(&scene.path("influxd.sqlite")));
            assert_eq!(report["database"]["path"], text(&to));
            assert_eq!(report["kept"], json!([]));
            assert_eq!(mode(&to), 0o600);
            assert_eq!(note(&scene.path("influxd.sqlite")), name);
            hold_the_same(&scene, &database, &to);
            is_sound(&scene, &to);
        }
    }
}

#[test]
fn a_wrong_operator_token_leaves_the_target_untouched() {
    for name in [LIVED, "lived-2.9.1-plaintext"] {
        let scene = Scene::new();
        let from = backup(&scene, name);
        let to = scene.path("influxd.bolt");
        let cases = [
            (String::from("wrong"), "no authorization"),
            (String::new(), "is empty"),
            (token_of(name, "all access one"), "an all-access token"),
            (token_of(name, "switched off"), "not an operator token"),
            (token_of(name, "of the leaver"), "not an operator token"),
        ];
        for stands in [false, true] {
            if stands {
                fs::write(&to, "what stands there").unwrap();
            }
            for (token, why) in &cases {
                for force in [&[][..], &["--force", "-y"]] {
                    let ran = restore(&scene, &from, &to, token, force).code(3);
                    let report = ran.json();
                    assert_eq!(report["changed"], false);
                    assert_eq!(report["operatorToken"]["matches"], false);
                    let reason = report["operatorToken"]["reason"].as_str().unwrap();
                    assert!(reason.contains(why), "{reason}");
                    assert_eq!(scene.names().len(), usize::from(stands));
                }
            }
        }
        assert_eq!(fs::read_to_string(&to).unwrap(), "what stands there");
        let arguments = ["backup", "restore", text(&from), "--to", text(&to)];
        // What is refused is refused before the token is asked for.
        let ran = scene.sandbox.run(arguments).code(1);
        ran.tells(&["exists already", "nothing was changed"]);
        let forced = [&arguments[..], &["--force"]].concat();
        let ran = scene.sandbox.run(forced).code(6);
        ran.tells(&["operator token", "--new-operator", "BOLTKEY_OPERATOR_TOKEN"]);
        let arguments = [&arguments[..], &["--operator-token", "wrong"]].concat();
        let ran = scene.sandbox.run(arguments).code(3);
        assert!(ran.stdout.contains("does not open the backup"), "{ran:?}");
        assert!(ran.stdout.contains("nothing was changed"), "{ran:?}");
    }
}

#[test]
fn a_new_operator_token_instead_of_one_of_the_backup() {
    for (name, storage) in [
        (LIVED, "hashed"),
        ("lived-2.7.12", "plaintext"),
        ("downgraded-20-hashed", "plaintext"),
    ] {
        let scene = Scene::new();
        let from = backup(&scene, name);
        let (to, kept) = (scene.path("influxd.bolt"), scene.path("token"));
        let nobody = restore(&scene, &from, &to, "", &["--new-operator"]).code(6);
        nobody.tells(&["alice", "sleeper (inactive)", "--user NAME"]);
        let alice = ["--new-operator", "--user", "alice"];
        let nobody = restore(&scene, &from, &to, "", &alice).code(6);
        nobody.tells(&["several organizations", "--org NAME"]);
        let owner = ["--user", "alice", "--org", "acme"];
        let extra = [&["--new-operator", "--token-out", text(&kept)], &owner[..]].concat();
        let dry = restore(&scene, &from, &to, "", &[&extra[..], &["-n"]].concat());
        let dry = dry.code(0).json();
        assert_eq!(
            (&dry["dryRun"], &dry["changed"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(dry["authorization"]["token"], Value::Null);
        assert_eq!(scene.names().len(), 0);
        let report = restore(&scene, &from, &to, "", &extra).ok().json();
        let token = report["authorization"]["token"].as_str().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), format!("{token}\n"));
        assert_eq!(report["operatorToken"]["storage"], storage);
        assert_eq!(report["operatorToken"]["id"], report["authorization"]["id"]);
        assert!(scene.is_operator(&to, token), "{name}");
        is_sound(&scene, &to);
    }
    let scene = Scene::new();
    for extra in [
        &["--new-operator", "--operator-token", "x"][..],
        &["--token-out", "x"],
        &["--user", "x"],
        &["--org", "x"],
        &["--keep-shards"],
    ] {
        let arguments = [&["backup", "restore", "x", "--to", "y"][..], extra].concat();
        scene.sandbox.run(arguments).code(2);
    }
    let arguments = [
        "backup",
        "restore",
        "-",
        "--to",
        "y",
        "--operator-token-file",
        "-",
    ];
    scene.sandbox.run(arguments).code(2);
}

#[test]
fn tokens_are_hashed_on_the_way() {
    for (name, code) in [
        ("lived-2.9.1-plaintext", 0),
        ("mixed-2.9.1", 0),
        (LIVED, 0),
        ("lived-2.7.12", 0),
        ("downgraded-18", 1),
    ] {
        for to in ["influxd.bolt", "store.redb"] {
            let scene = Scene::new();
            let from = backup(&scene, name);
            let token = operator_token(name);
            let to = scene.path(to);
            let dry = restore(&scene, &from, &to, &token, &["--hash", "-n"]).code(code);
            assert_eq!(scene.names().len(), 0);
            let ran = restore(&scene, &from, &to, &token, &["--hash"]).code(code);
            if code != 0 {
                ran.tells(&["schema 18", "nothing was changed"]);
                assert_eq!(scene.names().len(), 0);
                continue;
            }
            let report = ran.json();
            assert_eq!(report["hashed"], dry.json()["hashed"]);
            assert_eq!(report["operatorToken"]["storage"], "hashed");
            let status = scene.run(&["status", "--json"], &to, &[]).ok().json();
            assert_eq!(status["tokens"]["plaintext"], 0);
            assert_eq!(status["residue"]["plaintextTokens"], 0);
            assert!(scene.is_operator(&to, &token), "{name}");
            is_sound(&scene, &to);
            let bytes = fs::read(&to).unwrap();
            assert!(memchr::memmem::find(&bytes, token.as_bytes()).is_none());
            if name == "lived-2.7.12" {
                ran.tells(&["schema 21", "do not start on it"]);
            }
            // A new one is hashed with all others.
            let (again, sqlite) = (scene.path("again.bolt"), scene.path("again.sqlite"));
            let owner = ["--new-operator", "--user", "alice", "--org", "acme"];
            let extra = [&["--hash", "--sqlite-path", text(&sqlite)], &owner[..]].concat();
            let report = restore(&scene, &from, &again, "", &extra).code(0).json();
            assert_eq!(report["authorization"]["storage"], "hashed");
            let token = report["authorization"]["token"].as_str().unwrap();
            assert!(scene.is_operator(&again, token), "{name}");
        }
    }
}

#[test]
fn what_stands_there_is_refused_or_kept() {
    let scene = Scene::new();
    let from = backup(&scene, LIVED);
    let token = operator_token(LIVED);
    let to = scene.store("fresh-2.9.1");
    let old = fs::read(&to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o640)).unwrap();
    restore(&scene, &from, &to, &token, &[])
        .code(1)
        .tells(&["influxd.bolt exists", "--force"]);
    fs::remove_file(&to).unwrap();
    for name in [
        "influxd.sqlite",
        "influxd.sqlite-journal",
        "influxd.sqlite-wal",
    ] {
        fs::write(scene.path(name), "theirs").unwrap();
        let ran = restore(&scene, &from, &to, &token, &[]).code(1);
        ran.tells(&[name, "exists already", "nothing was changed"]);
        fs::remove_file(scene.path(name)).unwrap();
    }
    symlink("elsewhere", &to).unwrap();
    for force in [&[][..], &["--force", "-y"]] {
        let ran = restore(&scene, &from, &to, &token, force);
        assert!([1].contains(&ran.code), "{ran:?}");
        assert_eq!(scene.names(), ["influxd.bolt"]);
    }
    fs::remove_file(&to).unwrap();

    fs::write(&to, &old).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o640)).unwrap();
    sqlite(&scene.path("influxd.sqlite"), "old");
    fs::write(scene.path("influxd.sqlite-journal"), "hot").unwrap();
    // Nobody to be asked: nothing happens.
    let names = scene.names();
    let ran = restore(&scene, &from, &to, &token, &["--force"]).code(6);
    ran.tells(&["Replace", "influxd.bolt", "--yes"]);
    let dry = restore(&scene, &from, &to, &token, &["--force", "-n"])
        .ok()
        .json();
    assert_eq!(dry["changed"], false);
    assert_eq!(scene.names(), names);
    // Somebody holds it.
    let holder = fs::File::open(&to).unwrap();
    holder.lock().unwrap();
    let ran = restore(&scene, &from, &to, &token, &["--force", "-y"]).code(4);
    ran.tells(&["is held by", "nothing was changed"]);
    // A program that was just started may share the descriptor, so unlock it.
    holder.unlock().unwrap();
    assert_eq!(scene.names(), names);

    let inode = fs::metadata(&to).unwrap().ino();
    let report = restore(&scene, &from, &to, &token, &["--force", "-y"])
        .ok()
        .json();
    let kept: Vec<&str> = report["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k.as_str().unwrap())
        .collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert_eq!(scene.names().len(), 5);
    let find = |start: &str| {
        let start = text(&scene.path(start)).to_owned();
        PathBuf::from(kept.iter().find(|name| name.starts_with(&start)).unwrap())
    };
    let database = find("influxd.bolt.before-restore-");
    assert_eq!(fs::metadata(&database).unwrap().ino(), inode);
    assert!(fs::read(&database).unwrap() == old);
    assert_eq!(note(&find("influxd.sqlite.before-restore-")), "old");
    let journal = fs::read_to_string(find("influxd.sqlite-journal.before-restore-"));
    assert_eq!(journal.unwrap(), "hot");
    assert_eq!(mode(&to), 0o640);
    assert_eq!(note(&scene.path("influxd.sqlite")), LIVED);
    assert!(scene.is_operator(&to, &token));
    is_sound(&scene, &to);
}

/// A run that was killed when only the SQLite file was in place is finished by the next one.
#[test]
fn a_restore_that_was_interrupted_is_finished() {
    let scene = Scene::new();
    let from = backup(&scene, LIVED);
    let token = operator_token(LIVED);
    let to = scene.store("fresh-2.9.1");
    sqlite(&scene.path("influxd.sqlite"), "old");
    let dated = |name: &str| scene.path(&format!("{name}.before-restore-20260101T000000Z"));
    fs::hard_link(&to, dated("influxd.bolt")).unwrap();
    fs::rename(scene.path("influxd.sqlite"), dated("influxd.sqlite")).unwrap();
    sqlite(&scene.path("influxd.sqlite"), "half restored");
    let ran = restore(&scene, &from, &to, &token, &[]).code(1);
    ran.tells(&["was interrupted", text(&dated("influxd.bolt"))]);
    let report = restore(&scene, &from, &to, &token, &["--force", "-y"])
        .ok()
        .json();
    let kept = report["kept"].to_string();
    for name in ["influxd.bolt", "influxd.sqlite"] {
        assert!(kept.contains(text(&dated(name))), "{kept}");
    }
    assert_eq!(note(&dated("influxd.sqlite")), "old");
    assert_eq!(note(&scene.path("influxd.sqlite")), LIVED);
    assert!(scene.is_operator(&to, &token));
}

#[test]
fn shards_are_not_mixed_up() {
    let scene = Scene::new();
    let from = backup(&scene, LIVED);
    let token = operator_token(LIVED);
    let to = scene.path("influxd.bolt");
    let bucket = facts(LIVED)["buckets"]["metrics"]
        .as_str()
        .unwrap()
        .to_owned();
    let shard = |bucket: &str, number: &str| {
        fs::create_dir_all(scene.path(&format!("engine/data/{bucket}/autogen/{number}"))).unwrap();
    };
    shard(&bucket, "1");
    shard("00000000deadbeef", "1");
    let ran = restore(&scene, &from, &to, &token, &[]).code(1);
    ran.tells(&[
        "shard 1",
        "00000000deadbeef",
        "--engine-path",
        "nothing was changed",
    ]);
    // Beside another folder there is nothing against it.
    let elsewhere = scene.path("elsewhere");
    restore(
        &scene,
        &from,
        &to,
        &token,
        &["--engine-path", text(&elsewhere)],
    )
    .ok();
    for name in ["influxd.bolt", "influxd.sqlite"] {
        fs::remove_file(scene.path(name)).unwrap();
    }
    fs::rename(
        scene.path("engine/data/00000000deadbeef/autogen/1"),
        scene.path("engine/data/00000000deadbeef/autogen/41"),
    )
    .unwrap();
    restore(&scene, &from, &to, &token, &[]).ok();
    is_sound(&scene, &to);
    // The number that the server would give out next lies in the time-series metadata.
    let copy = scene.path("copy");
    scene.run(&["compact"], &to, &["--out", text(&copy)]).ok();
    let bytes = fs::read(&copy).unwrap();
    assert!(memchr::memmem::find(&bytes, &[0x48, 41]).is_some());
    // What the old metadata know and the new ones do not is asked about.
    let fresh = Scene::new();
    let other = fresh.sandbox.store("fresh-2.9.1");
    let ran = restore(
        &scene,
        &other,
        &to,
        &operator_token("fresh-2.9.1"),
        &["--force"],
    )
    .code(6);
    ran.tells(&["1 shard of the old metadata", "1 of metrics"]);
    let extra = ["--force", "-y"];
    let ran = restore(&scene, &other, &to, &operator_token("fresh-2.9.1"), &extra).code(0);
    ran.tells(&["has no SQLite file", "is not replaced"]);
    assert_eq!(ran.json()["lostShards"][0]["bucket"], "metrics");
    let kept = scene.names();
    assert!(kept.contains(&String::from("influxd.sqlite")));
}

#[test]
fn other_forms_and_what_is_none() {
    let scene = Scene::new();
    let from = backup(&scene, LIVED);
    let token = operator_token(LIVED);
    let to = scene.path("influxd.bolt");
    // One stream, one packed file, a damaged target.
    let database = scene.sandbox.store(LIVED);
    let mut command = scene
        .sandbox
        .command(["backup", "export", "--out", "-", "-q"]);
    command.arg("--db").arg(&database);
    let tar = command.output().unwrap().stdout;
    let extra = [
        "backup",
        "restore",
        "-",
        "--to",
        text(&to),
        "--operator-token",
        &token,
    ];
    scene.sandbox.run_with(extra, &tar).code(0);
    assert_eq!(scene.names(), ["influxd.bolt"]);
    fs::write(&to, "no database at all").unwrap();
    let ran = restore(&scene, &database, &to, &token, &["--force", "-y"]).code(0);
    ran.tells(&["can't be read"]);
    assert!(scene.is_operator(&to, &token));
    fs::remove_dir_all(scene.folder.path()).unwrap();
    let ran = restore(&scene, &from, &to, &token, &[]).code(1);
    ran.tells(&["does not exist", "nothing was changed"]);
    fs::create_dir(scene.folder.path()).unwrap();
    let damaged = scene.sandbox.path("work/damaged");
    fs::create_dir(&damaged).unwrap();
    for entry in fs::read_dir(&from).unwrap() {
        let path = entry.unwrap().path();
        let mut content = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let middle = content.len() / 2;
            content[middle] ^= 1;
        }
        fs::write(damaged.join(path.file_name().unwrap()), content).unwrap();
    }
    let text_file = scene.sandbox.file("work/text", "no backup");
    for (from, word) in [(&damaged, "is damaged"), (&text_file, "text")] {
        for extra in [&[][..], &["--new-operator"], &["-n"]] {
            let ran = restore(&scene, from, &to, &token, extra).code(5);
            ran.tells(&[word, "nothing was changed"]);
            assert_eq!(scene.names().len(), 0);
        }
    }
}
