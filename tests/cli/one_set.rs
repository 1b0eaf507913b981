//! Database, SQLite file and engine folder that do not belong together: `status` tells, and so
//! does nobody else's server.

use std::fs;

use boltkey::finding::Code;
use serde_json::Value;

use crate::downgrade::sqlite;
use crate::support::scene::{SEVERAL, Scene};

const SETS: [Code; 6] = [
    Code::SqliteUnusable,
    Code::SqliteSchema,
    Code::SqliteForeign,
    Code::EngineOld,
    Code::EngineForeign,
    Code::EngineEmpty,
];

/// What `status` says of the set: codes with their severities, and all messages.
#[track_caller]
fn told(scene: &Scene) -> (Vec<(String, String)>, String) {
    let database = scene.path("influxd.bolt");
    let report = scene.run(&["status"], &database, &["--json"]).ok().json();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let own: Vec<&Value> = findings
        .filter(|finding| SETS.iter().any(|code| finding["code"] == code.name()))
        .collect();
    let messages: Vec<String> = own.iter().map(|found| text(found, "message")).collect();
    let codes = own
        .iter()
        .map(|found| (text(found, "code"), text(found, "severity")));
    (codes.collect(), messages.join("\n"))
}

fn is(told: &[(String, String)], code: Code, severity: &str) -> bool {
    told == [(code.name().to_owned(), severity.to_owned())]
}

fn org(scene: &Scene) -> String {
    let database = scene.path("influxd.bolt");
    let list = scene.run(&["org", "list"], &database, &["--json"]).ok();
    let list = list.json();
    list["orgs"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_sqlite_file() {
    let scene = Scene::new();
    scene.store(SEVERAL);
    let path = scene.path("influxd.sqlite");
    assert_eq!(told(&scene).0, []);

    let rows = |org: &str| {
        format!(
            "CREATE TABLE notebooks(org_id TEXT); CREATE TABLE remotes(org_id TEXT);
             INSERT INTO notebooks VALUES ('{org}'), ('00000000000000aa'), (NULL), (7);"
        )
    };
    let org = org(&scene);
    for (migrations, org, code, says) in [
        (8, &*org, None, ""),
        (0, &*org, None, ""),
        (7, &*org, Some(Code::SqliteSchema), "from an older release"),
        (
            8,
            "00000000000000bb",
            Some(Code::SqliteForeign),
            "the database has none of its 2 organizations",
        ),
    ] {
        sqlite(&path, migrations, &rows(org));
        let (told, messages) = told(&scene);
        match code {
            None => assert_eq!(told, [], "{messages}"),
            Some(code) => assert!(is(&told, code, "warning"), "{told:?}"),
        }
        assert!(messages.contains(says), "{messages}");
        fs::remove_file(&path).unwrap();
    }

    sqlite(
        &path,
        8,
        "INSERT INTO migrations(name) VALUES ('0009_new');",
    );
    let (newer, messages) = told(&scene);
    assert!(is(&newer, Code::SqliteUnusable, "error"), "{newer:?}");
    assert!(messages.contains("\"0009_new\""), "{messages}");
    fs::write(&path, "this is no database at all").unwrap();
    let (none, _) = told(&scene);
    assert!(is(&none, Code::SqliteUnusable, "error"), "{none:?}");
    // SQLite takes an empty file for an empty database.
    fs::write(&path, "").unwrap();
    assert_eq!(told(&scene).0, []);
}

#[test]
fn the_sqlite_file_of_a_newer_release() {
    let scene = Scene::new();
    scene.store("downgraded-18");
    sqlite(&scene.path("influxd.sqlite"), 8, "");
    let (told, messages) = told(&scene);
    assert!(is(&told, Code::SqliteSchema, "warning"), "{told:?}");
    assert!(messages.contains("from a newer release"), "{messages}");
}

#[test]
fn the_engine_folder() {
    let scene = Scene::new();
    scene.store(SEVERAL);
    let engine = scene.path("engine");
    // The store knows shards; a folder without any is not theirs.
    fs::create_dir(&engine).unwrap();
    let (empty, messages) = told(&scene);
    assert!(is(&empty, Code::EngineEmpty, "warning"), "{empty:?}");
    assert!(messages.contains("it contains none of the"), "{messages}");

    for number in [1, 7000] {
        let shard = format!("data/00000000000000aa/autogen/{number}");
        fs::create_dir_all(engine.join(shard)).unwrap();
        let (foreign, messages) = told(&scene);
        let codes: Vec<&str> = foreign.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(
            codes,
            [Code::EngineForeign.name(), Code::EngineEmpty.name()],
            "{messages}"
        );
        let again = messages.contains("assigns the numbers after");
        assert_eq!(again, number == 7000, "{messages}");
    }

    fs::remove_dir_all(&engine).unwrap();
    fs::create_dir_all(engine.join("_series")).unwrap();
    let (old, _) = told(&scene);
    let error = (Code::EngineOld.name().to_owned(), String::from("error"));
    assert!(old.contains(&error), "{old:?}");
    fs::remove_dir_all(&engine).unwrap();
    fs::write(&engine, "a file").unwrap();
    assert_eq!(told(&scene).0, []);
}
