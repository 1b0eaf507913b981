//! Findings about files, backups and ways in. Each is caused here at least once.

use std::fs;
use std::path::Path;

use boltkey::finding::Code;
use serde_json::Value;

use crate::support::fixtures::{content, fixtures};
use crate::support::sandbox::Ran;
use crate::support::scene::{ONE, SEVERAL, Scene, text};

/// The findings of a report are or contain this one.
#[track_caller]
fn has(report: &Value, code: Code) {
    let findings = report["findings"].as_array().unwrap();
    let found = findings
        .iter()
        .any(|finding| finding["code"] == code.name());
    assert!(found, "{code}: {report}");
}

fn inspect(scene: &Scene, path: &Path) -> Ran {
    let arguments = ["backup", "inspect", text(path), "--json"];
    scene.sandbox.run(arguments)
}

fn exported(scene: &Scene, store: &str) -> std::path::PathBuf {
    let database = scene.store(store);
    let out = scene.path("backup");
    scene
        .run(&["backup", "export"], &database, &["--out", text(&out)])
        .ok();
    out
}

fn file_of(folder: &Path, suffix: &str) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| text(path).ends_with(suffix)).unwrap()
}

#[test]
fn what_is_wrong_with_a_backup() {
    let scene = Scene::new();
    let out = exported(&scene, SEVERAL);
    let whole = inspect(&scene, &out).ok().json();
    has(&whole, Code::NoManifest);
    has(&whole, Code::NoSqlite);
    let raw = scene.store(SEVERAL);
    has(
        &inspect(&scene, &raw).answered().json(),
        Code::BackupResidue,
    );
}

#[test]
fn a_file_of_a_backup_that_is_damaged_or_gone() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    let sql = scene.path("influxd.sqlite");
    let connection = rusqlite::Connection::open(&sql).unwrap();
    connection.execute("create table t (a)", []).unwrap();
    drop(connection);
    let out = scene.path("backup");
    let extra = ["--out", text(&out), "--sqlite-path", text(&sql)];
    scene.run(&["backup", "export"], &database, &extra).ok();
    let packed = file_of(&out, ".sqlite.gz");
    let mut bytes = fs::read(&packed).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&packed, &bytes).unwrap();
    has(&inspect(&scene, &out).code(3).json(), Code::FileDamaged);
    fs::remove_file(&packed).unwrap();
    has(&inspect(&scene, &out).code(3).json(), Code::FileMissing);
}

/// A state that people reported (influxdb#27361): influxd ends at every start.
#[test]
fn a_task_of_a_deleted_organization() {
    let scene = Scene::new();
    let database = scene.path("influxd.bolt");
    let field = fixtures().join("field/2-27361-task-of-deleted-org.bolt.gz");
    fs::write(&database, content(&field)).unwrap();
    let report = scene.run(&["check"], &database, &["--json"]).code(3).json();
    has(&report, Code::TaskOrgGone);
    let ran = scene.run(&["check"], &database, &[]).code(3);
    assert!(ran.stdout.contains("\"_tasks\" not found"), "{ran:?}");
    let report = scene.run(&["status"], &database, &["--json"]).ok().json();
    has(&report, Code::TaskOrgGone);
}

#[test]
fn nobody_gets_in() {
    let scene = Scene::new();
    let database = scene.store(ONE);
    let listed = scene.run(&["auth", "list"], &database, &["--json"]).json();
    for token in listed["authorizations"].as_array().unwrap() {
        let id = token["id"].as_str().unwrap().to_owned();
        scene.run(&["auth", "delete", &id], &database, &["-y"]).ok();
    }
    let users = scene.run(&["user", "list"], &database, &["--json"]).json();
    for user in users["users"].as_array().unwrap() {
        let id = user["id"].as_str().unwrap().to_owned();
        scene
            .run(&["user", "delete", "--id", &id], &database, &["-y"])
            .ok();
    }
    has(
        &scene.run(&["status"], &database, &["--json"]).ok().json(),
        Code::NobodyGetsIn,
    );
}

#[test]
fn last_copies_and_files_that_cannot_be_read() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    fs::write(scene.path("influxd.bolt.old.gz"), b"\x1f\x8b broken").unwrap();
    let status = scene.run(&["status"], &database, &["--json"]).ok().json();
    has(&status, Code::LastCopies);
    has(&status, Code::SiblingUnread);
}

#[test]
fn a_table_of_somebody_else() {
    let scene = Scene::new();
    let database = scene.redb(ONE);
    {
        let store = redb::Database::open(&database).unwrap();
        let write = store.begin_write().unwrap();
        let table: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("somebody's");
        write.open_table(table).unwrap().insert(1, 1).unwrap();
        write.commit().unwrap();
    }
    let check = scene.run(&["check"], &database, &["--json"]).answered();
    has(&check.json(), Code::ForeignTable);
}

/// A restore reports these on standard error, as text: `Code::HashMigrates`, `Code::HashEmbedded`
/// and `Code::TargetUnread`.
#[test]
fn what_a_restore_warns_of() {
    let scene = Scene::new();
    let database = scene.store("downgraded-20");
    let extra = [
        "--kind", "operator", "--status", "active", "--reveal", "--json",
    ];
    let listed = scene.run(&["auth", "list"], &database, &extra).ok().json();
    let tokens = listed["authorizations"].as_array().unwrap();
    let usable = tokens.iter().find(|token| token["usable"] == true).unwrap();
    let token = scene.path("token");
    fs::write(&token, usable["token"].as_str().unwrap()).unwrap();
    let plain = exported(&scene, "downgraded-20");
    let target = scene.path("restored.bolt");
    fs::write(&target, vec![7; 8192]).unwrap();
    let arguments = [
        &["backup", "restore", text(&plain), "--to", text(&target)][..],
        &[
            "--operator-token-file",
            text(&token),
            "--hash",
            "--force",
            "-n",
        ],
    ];
    let ran = scene.sandbox.run(arguments.concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    for told in ["schema 21", "telegraf", "can't be read"] {
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
}
