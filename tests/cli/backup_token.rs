//! `backup token`: an operator token in a copy of a backup.

use std::fs;

use serde_json::Value;

use crate::Sandbox;
use crate::backup_export::{exported, inspect, names};
use crate::fixtures::fixture;
use crate::fixtures::token_of;
use crate::scene::{SEVERAL, Scene, mode, text};

#[test]
fn a_token_is_put_into_a_copy() {
    for (name, extra) in [
        (SEVERAL, &["--influx-manifest"][..]),
        ("mixed-2.9.1", &["--influx-manifest"]),
        (
            "lived-2.7.12",
            &["--influx-manifest", "--compression", "none"],
        ),
        ("downgraded-15", &["--influx-manifest"]),
    ] {
        let scene = Scene::new();
        let backup = exported(&scene, name, extra);
        fs::write(backup.join("20200101T000000Z.1.tar.gz"), "a shard").unwrap();
        let before: Vec<_> = names(&backup)
            .into_iter()
            .map(|name| (fs::read(backup.join(&name)).unwrap(), name))
            .collect();
        let (copy, kept) = (scene.path("copy"), scene.path("token"));
        let arguments = [
            "backup",
            "token",
            text(&backup),
            "--out",
            text(&copy),
            "--generate",
            "--json",
            "--token-out",
            text(&kept),
        ];
        let dry = scene
            .sandbox
            .run([&arguments[..], &["-n"]].concat())
            .ok()
            .json();
        assert_eq!(dry["authorization"]["token"], Value::Null);
        assert!(!copy.exists() && !kept.exists());
        let report = scene.sandbox.run(arguments).ok().json();
        let token = report["authorization"]["token"].as_str().unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), format!("{token}\n"));
        assert_eq!((mode(&kept), mode(&copy)), (0o600, 0o700));
        assert_eq!(report["fullRestore"]["cliBefore28"], "ok");
        assert_eq!(report["authorization"]["storage"], "plaintext");
        assert_eq!(report["authorization"]["kind"], "operator");
        let inspected = inspect(
            &scene.sandbox,
            &copy,
            &["--operator-token", token, "--json"],
        );
        let inspected = inspected.ok().json();
        assert_eq!(inspected["complete"], true);
        assert_eq!(
            inspected["operatorToken"]["id"],
            report["authorization"]["id"]
        );
        let first = &inspected["operatorTokens"][0];
        assert_eq!(first["id"], report["authorization"]["id"]);
        for (content, name) in before {
            assert!(fs::read(backup.join(&name)).unwrap() == content, "{name}");
        }
        let shard = copy.join("20200101T000000Z.1.tar.gz");
        assert_eq!(fs::read_to_string(shard).unwrap(), "a shard");
        // Neither folder nor file is overwritten.
        let ran = scene.sandbox.run(arguments).code(1);
        ran.tells(&["exists already", "nothing was changed"]);
        let left = scene.names();
        let other = scene.path("other");
        let mut again = arguments;
        again[4] = text(&other);
        scene.sandbox.run(again).code(1).tells(&["exists already"]);
        assert_eq!(scene.names(), left);
    }
}

#[test]
fn a_token_of_the_backup_itself_is_uncovered_or_refused() {
    let scene = Scene::new();
    let name = "lived-2.9.1";
    let backup = exported(&scene, name, &["--influx-manifest"]);
    let run = |token: &str, out: &str| {
        let out = scene.path(out);
        let arguments = [
            "backup",
            "token",
            text(&backup),
            "--token-file",
            "-",
            "--json",
            "--out",
            text(&out),
        ];
        scene.sandbox.run_with(arguments, token.as_bytes())
    };
    let first = token_of(name, "alice's Token");
    let report = run(&first, "first").ok().json();
    assert_eq!(report["existing"], true);
    assert_eq!(report["authorization"]["storage"], "plaintext");
    let ran = inspect(&scene.sandbox, &scene.path("first"), &["--json"])
        .ok()
        .json();
    assert_eq!(ran["fullRestore"]["cliBefore28"], "ok");
    assert_eq!(ran["tokens"]["plaintext"], 1);
    assert_eq!(ran["tokens"]["total"].as_u64().unwrap(), facts_total(name));
    for (token, why) in [
        (token_of(name, "second operator"), "comes first"),
        (token_of(name, "switched off"), "does not work"),
        (token_of(name, "all access one"), "all-access"),
        (String::new(), "is empty"),
        (String::from("a\tb\n\n"), "no HTTP header can carry it"),
    ] {
        run(&token, "out")
            .code(1)
            .tells(&[why, "nothing was changed"]);
    }
    assert!(!scene.path("out").exists());
    for name in names(&backup) {
        if name.ends_with(".manifest") {
            fs::remove_file(backup.join(name)).unwrap();
        }
    }
    run("another", "none")
        .code(0)
        .tells(&["has no .manifest", "--influx-manifest"]);
    let report = run("chosen by hand", "chosen").code(0).json();
    assert_eq!(report["authorization"]["token"], "chosen by hand");
    for arguments in [
        &["backup", "token", "x", "--out", "y"][..],
        &["backup", "token", "-", "--out", "y", "--generate"],
        &[
            "backup",
            "token",
            "x",
            "--out",
            "y",
            "--generate",
            "--token-file",
            "z",
        ],
    ] {
        scene.sandbox.run(arguments).code(2);
    }
    let bare = scene.sandbox.store(name);
    let arguments = ["backup", "token", text(&bare), "--out", "y", "--generate"];
    scene
        .sandbox
        .run(arguments)
        .code(1)
        .tells(&["is not a folder", "boltkey recover operator"]);
}

fn facts_total(name: &str) -> u64 {
    let database = fixture(name);
    let sandbox = Sandbox::new();
    let path = sandbox.file("work/db", database);
    let status = sandbox
        .run(["status", "--json", "--db", text(&path)])
        .ok()
        .json();
    status["tokens"]["total"].as_u64().unwrap()
}
