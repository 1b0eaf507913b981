//! `recover operator`.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixtures::{fixture, gzip};
use crate::sandbox::on;
use crate::scene::{FOR_ALICE, ONE, RECOVER, SEVERAL, Scene, arguments, is_sound, text};

/// The same in the words of `influxd recovery auth create-operator`.
const ALIAS: &[&str] = &["auth", "create-operator"];

#[test]
fn the_only_user_and_organization_need_not_be_named() {
    for engine in ["bolt", "redb"] {
        for (command, json) in [(RECOVER, false), (RECOVER, true), (ALIAS, true)] {
            let scene = Scene::new();
            let database = match engine {
                "bolt" => scene.store(ONE),
                _ => scene.redb(ONE),
            };
            let before = scene.operators(&database);
            let extra: &[&str] = if json { &["--json"] } else { &[] };
            let ran = scene.run(command, &database, extra).ok();
            let token = if json {
                let report = ran.json();
                assert_eq!(report["changed"], true);
                assert!(report.get("dryRun").is_none());
                let made = &report["authorization"];
                for (field, value) in [
                    ("user", "alice"),
                    ("org", "acme"),
                    ("status", "active"),
                    ("kind", "operator"),
                    ("storage", "hashed"),
                ] {
                    assert_eq!(made[field], value, "{field}");
                }
                assert_eq!(made["usable"], true);
                assert_eq!(made["id"].as_str().unwrap().len(), 16);
                made["token"].as_str().unwrap().to_owned()
            } else {
                let line = ran.stdout.lines().find(|line| line.starts_with("Token:"));
                line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
            };
            assert_eq!(token.len(), 88);
            assert!(scene.is_operator(&database, &token));
            assert_eq!(scene.operators(&database), before + 1);
            is_sound(&scene, &database);
            assert_eq!(scene.names().len(), 1, "{:?}", scene.names());
        }
    }
}

#[test]
fn of_several_one_has_to_be_named() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    for command in [RECOVER, ALIAS] {
        for yes in [&[][..], &["--yes"]] {
            let ran = scene.run(command, &database, yes).code(6);
            ran.tells(&["several users", "\"alice\"", "\"bob\"", "--user NAME"]);
            ran.tells(&["there is no terminal to ask which", "nothing was changed"]);
            assert_eq!(ran.stdout, "");
            let alice = [yes, &["--user", "alice", "--json"]].concat();
            let ran = scene.run(command, &database, &alice).code(6);
            let failure = ran.failure();
            assert_eq!(failure["code"], "confirmation");
            let message = failure["message"].as_str().unwrap();
            assert!(message.contains("several organizations") && message.contains("\"acme\""));
            assert!(failure["hint"].as_str().unwrap().contains("--org NAME"));
        }
        for (extra, words) in [
            (
                ["--user", "nobody", "--org", "acme"],
                ["user called \"nobody\"", "\"bob\""],
            ),
            (
                ["--user", "alice", "--org", "no"],
                ["organization called \"no\"", "\"acme\""],
            ),
        ] {
            let ran = scene.run(command, &database, &extra).code(1);
            ran.tells(&words)
                .tells(&["nothing was changed", "there are: "]);
        }
    }
    let changing = Scene::new();
    let database = changing.store(SEVERAL);
    for (command, user) in [
        (RECOVER, "--user"),
        (ALIAS, "--username"),
        (ALIAS, "--user"),
    ] {
        let extra = [user, "bob", "--org", "beta & co", "--json"];
        let report = changing.run(command, &database, &extra).ok().json();
        let made = &report["authorization"];
        assert_eq!(
            (&made["user"], &made["org"]),
            (&json!("bob"), &json!("beta & co"))
        );
        assert_eq!(report["login"], "bob");
        assert_eq!(report["loginHadPower"], true);
        assert!(changing.is_operator(&database, made["token"].as_str().unwrap()));
    }
    // What can be recovered of the tokens that a server hashed is no less than before.
    let left = changing.run(&["residue", "scan", "--json"], &database, &[]);
    assert_eq!(left.code(3).json()["matching"], 35);
}

#[test]
fn a_dry_run_says_all_and_changes_nothing() {
    let scene = Scene::new();
    // In the sandbox: nothing there may change, nor come to be.
    let database = scene.sandbox.store(SEVERAL);
    let files = ["--token-out", "token", "--keep-copy", "copy"];
    for extra in [&[][..], &files] {
        let extra = [FOR_ALICE, extra, &["-n"]].concat();
        let ran = scene.run(RECOVER, &database, &extra).ok();
        assert!(
            ran.stdout
                .contains("would create a new operator token; nothing was changed"),
            "{ran:?}"
        );
        assert!(ran.stdout.contains("Token:        (not shown)"), "{ran:?}");
        let json = [&extra[..], &["--json"]].concat();
        let report = scene.run(ALIAS, &database, &json).ok().json();
        assert_eq!(report["dryRun"], true);
        assert_eq!(report["authorization"]["token"], Value::Null);
        assert_eq!(report["authorization"]["kind"], "operator");
    }
    // A file that may only be read is enough.
    fs::set_permissions(&database, fs::Permissions::from_mode(0o444)).unwrap();
    let extra = [FOR_ALICE, &["-n"]].concat();
    scene.run(RECOVER, &database, &extra).ok();
}

#[test]
fn a_token_that_can_not_be_printed_is_told_with_the_way_on() {
    for json in [false, true] {
        for to_file in [false, true] {
            for full in [false, true] {
                let scene = Scene::new();
                let database = scene.store(ONE);
                let out = scene.path("token");
                let mut extra = Vec::new();
                if json {
                    extra.push("--json");
                }
                if to_file {
                    extra.extend(["--token-out", text(&out)]);
                }
                let mut command = scene.sandbox.command(arguments(RECOVER, &database, &extra));
                if full {
                    command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
                } else {
                    let (reader, writer) = std::io::pipe().unwrap();
                    drop(reader);
                    command.stdout(writer);
                }
                let output = command.stderr(Stdio::piped()).spawn().unwrap();
                let output = output.wait_with_output().unwrap();
                let told = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(7), "{told}");
                let mut words = vec!["is stored, but", "can't write standard output"];
                if to_file {
                    words.extend(["the token is in ", text(&out)]);
                    let token = fs::read_to_string(&out).unwrap();
                    assert!(scene.is_operator(&database, &token));
                } else {
                    words.extend(["boltkey recover operator", "--token-out FILE"]);
                }
                for word in words {
                    assert!(told.contains(word), "{word}: {told}");
                }
                assert!(!told.contains("nothing was changed"), "{told}");
                if json {
                    let line: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
                    assert_eq!(line["error"]["code"], "incomplete");
                }
                assert_eq!(scene.operators(&database), 2);
            }
        }
    }
}

#[test]
fn a_database_that_was_found_is_asked_about() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let before = fs::read(&database).unwrap();
    let found = |extra: &[&str]| {
        let mut command = scene.sandbox.command([RECOVER, extra].concat());
        command.env("BOLTKEY_DB", &database);
        scene.sandbox.finish(command)
    };
    let ran = found(&[]).code(6);
    ran.tells(&[
        text(&database),
        "from BOLTKEY_DB",
        "--yes",
        "nothing was changed",
    ]);
    found(&["-n"]).code(0);
    assert_eq!(fs::read(&database).unwrap(), before);
    found(&["--yes"]).code(0);
    assert_eq!(scene.operators(&database), 2);
}

#[test]
fn a_held_database_is_waited_for_only_if_asked() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let before = fs::read(&database).unwrap();
    for shared in [false, true] {
        let server = File::open(&database).unwrap();
        if shared {
            server.lock_shared().unwrap();
        } else {
            server.lock().unwrap();
        }
        let ran = scene.run(RECOVER, &database, &["--user", "alice", "--org", "acme"]);
        ran.code(4)
            .tells(&["is held by", "nothing was changed", "--wait 10s"]);
        let extra = [FOR_ALICE, &["--json"]].concat();
        let failure = scene.run(RECOVER, &database, &extra).code(4).failure();
        assert_eq!(failure["code"], "locked");
        let started = Instant::now();
        let extra = [FOR_ALICE, &["--wait", "150ms"]].concat();
        let ran = scene.run(RECOVER, &database, &extra).code(4);
        ran.tells(&["after waiting 150ms"]);
        assert!(!ran.stderr.contains("--wait 10s"), "{ran:?}");
        assert!(started.elapsed() >= Duration::from_millis(150));
        assert_eq!(fs::read(&database).unwrap(), before);
        drop(server);
    }
    let server = File::open(&database).unwrap();
    server.lock().unwrap();
    let server = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(server);
    });
    scene.run(RECOVER, &database, &["--wait", "1m"]).ok();
    server.join().unwrap();
}

#[test]
fn a_database_that_may_only_be_read_is_not_changed() {
    let scene = Scene::new();
    let database = scene.sandbox.store(ONE);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o444)).unwrap();
    let mut command = scene.sandbox.command(on(RECOVER, &database));
    if rustix::process::geteuid().is_root() {
        // Root may write any file, so another user runs a copy.
        let mut other = Command::new(scene.sandbox.program());
        other.args(command.get_args()).env_clear();
        other.current_dir("/").uid(65534).gid(65534);
        command = other;
    }
    let ran = scene.sandbox.finish(command).code(1);
    ran.tells(&[
        text(&database),
        "ermission denied",
        "nothing was changed",
        "hint: ",
    ]);

    let packed = scene.sandbox.file("work/packed", gzip(&fixture(ONE)));
    let ran = scene.run(RECOVER, &packed, &[]).code(1);
    ran.tells(&["gzipped copy", "gunzip", "nothing was changed"]);
}

/// A server's store in which the leaf that holds most is broken.
fn broken_store() -> Vec<u8> {
    let mut store = fixture(SEVERAL);
    let page_size = 4096;
    let meta = |slot: usize| slot * page_size + 16;
    let u64_at = |store: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(store[at..at + 8].try_into().unwrap())).unwrap()
    };
    let current = usize::from(u64_at(&store, meta(1) + 48) > u64_at(&store, meta(0) + 48));
    let root = u64_at(&store, meta(current) + 16) * page_size;
    // The first leaf below the root, if the root is a branch.
    let leaf = match store[root + 8] {
        1 => u64_at(&store, root + 16 + 8) * page_size,
        _ => root,
    };
    // Its first element's key now lies outside of the node.
    store[leaf + 16 + 4..leaf + 16 + 8].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    store
}

#[test]
fn a_damaged_database_is_not_changed() {
    let scene = Scene::new();
    let database = scene.sandbox.file("work/influxd.bolt", broken_store());
    for extra in [
        &[][..],
        &["-n"],
        &["--keep-copy", "copy", "--token-out", "token"],
    ] {
        let extra = [FOR_ALICE, extra].concat();
        let ran = scene.run(RECOVER, &database, &extra).code(5);
        ran.tells(&["nothing was changed", "boltkey check"]);
        ran.tells(&[if extra.len() > FOR_ALICE.len() {
            "page "
        } else {
            "its structure is damaged"
        }]);
        assert_eq!(ran.stdout, "");
    }
    let mut cut = fixture(SEVERAL);
    cut.truncate(3 * 4096);
    let database = scene.sandbox.file("work/cut.bolt", cut);
    scene
        .run(RECOVER, &database, FOR_ALICE)
        .code(5)
        .tells(&["nothing was changed"]);
}
