//! `--previous`, and the reports about a store whose last transaction lost a page.

use std::fs;

use serde_json::Value;

use crate::support::fixtures::{content, fixtures};
use crate::support::scene::{Scene, text};

/// A store with a sound structure and 3 of 36 tokens; the transaction before has them all.
fn lost(scene: &Scene) -> std::path::PathBuf {
    let bytes = content(&fixtures().join("field/bolt-fullok-2-113.bolt.gz"));
    let path = scene.path("lost.bolt");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn the_transaction_before_is_told_and_read() {
    let scene = Scene::new();
    let database = lost(&scene);
    for command in [&["check"], &["status"]] {
        let ran = scene.run(command, &database, &["--json"]);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["previous"]["readable"], true, "{command:?}");
        assert_eq!(report["previous"]["tokens"], 36, "{command:?}");
    }
    let count = |extra: &[&str]| {
        let extra = [&["--json"], extra].concat();
        let ran = scene.run(&["auth", "list"], &database, &extra).code(0);
        let list: Value = serde_json::from_str(&ran.stdout).unwrap();
        list["authorizations"].as_array().unwrap().len()
    };
    assert_eq!((count(&[]), count(&["--previous"])), (3, 36));

    let compact = scene.path("compact.bolt");
    let out = ["--previous", "--out", text(&compact)];
    scene.run(&["compact"], &database, &out).code(0);
    scene.run(&["check"], &compact, &[]).code(0);
    let backup = scene.path("backup");
    let out = ["--previous", "--out", text(&backup)];
    scene.run(&["backup", "export"], &database, &out).code(0);
}

#[test]
fn writers_refuse_it_and_name_what_helps() {
    let scene = Scene::new();
    let database = lost(&scene);
    let before = fs::read(&database).unwrap();
    for (command, extra) in [
        (&["hash"][..], &["--no-capture", "--yes"][..]),
        (&["residue", "scrub"], &["--yes"]),
        (
            &["recover", "operator"],
            &["--user", "alice", "--org", "acme"],
        ),
    ] {
        let ran = scene.run(command, &database, extra).code(5);
        ran.tells(&[
            "nothing was changed",
            "boltkey check",
            "boltkey salvage",
            "boltkey capture",
            "boltkey residue recover",
            "is complete and holds 36 tokens",
            "boltkey compact --previous --out",
        ]);
        let previous = [extra, &["--previous"]].concat();
        scene.run(command, &database, &previous).code(2);
    }
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[test]
fn one_that_is_not_whole_is_not_read() {
    let scene = Scene::new();
    let bytes = content(&fixtures().join("field/bolt-hotnone-25.bolt.gz"));
    let database = scene.path("torn.bolt");
    fs::write(&database, bytes).unwrap();
    let ran = scene.run(&["status"], &database, &["--previous"]).code(5);
    ran.tells(&["the previous transaction", "can't be read"]);
    // Damaged, and no empty file from a wrong path.
    let ran = scene.run(&["status"], &database, &[]).code(5);
    ran.tells(&[
        "is damaged",
        "the previous transaction can't be read either",
    ]);
    assert!(
        !ran.stderr.contains("no InfluxDB metadata store"),
        "{ran:?}"
    );
    scene.run(&["check"], &database, &[]).code(3);
}
