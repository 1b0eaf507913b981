//! Cures of what is wrong with backups, and of what a restore warns of.

use std::fs;
use std::path::{Path, PathBuf};

use boltkey::finding::Code;

use super::ground::{Ground, model_of, names_of, tokens_of};
use crate::fixtures::{fixture, operator_token};
use crate::scene::{SEVERAL, text};
use crate::support::sandbox::Ran;

/// A store at schema 20, with plaintext tokens and one more of them in a telegraf configuration.
const BEFORE: &str = "downgraded-20";

pub fn tried(ground: &mut Ground, code: Code) -> bool {
    match code {
        Code::FileMissing | Code::FileDamaged => file(ground),
        Code::TargetUnread => target(ground),
        Code::BackupResidue => residue(ground),
        Code::NoManifest => manifest(ground),
        // Nothing has to be done.
        Code::NoSqlite => {
            let backup = exported(ground, SEVERAL, "backup", &[]);
            assert!(is_told(ground, &backup));
        }
        Code::HashMigrates => migrates(ground),
        Code::HashEmbedded => {
            let (_, told) = restored(ground, &["--hash"]);
            assert!(told.stderr.contains("telegraf configurations"), "{told:?}");
        }
        _ => return false,
    }
    true
}

/// Whether `backup inspect` finds it.
#[track_caller]
fn is_told(ground: &Ground, backup: &Path) -> bool {
    let arguments = ["backup", "inspect", text(backup), "--json"];
    let ran = ground.scene.sandbox.run(arguments);
    assert!([0, 3].contains(&ran.code), "{ran:?}");
    names_of(&ran.json()).contains(ground.code.name())
}

fn exported(ground: &Ground, store: &str, name: &str, extra: &[&str]) -> PathBuf {
    let (database, out) = (ground.path("source.bolt"), ground.path(name));
    fs::write(&database, fixture(store)).unwrap();
    let extra = [&["--out", text(&out)], extra].concat();
    let ran = ground.run(&["backup", "export"], &database, &extra);
    assert_eq!(ran.code, 0, "{ran:?}");
    out
}

fn file(ground: &mut Ground) {
    let sql = ground.path("influxd.sqlite");
    let connection = rusqlite::Connection::open(&sql).unwrap();
    connection.execute("create table t (a)", []).unwrap();
    drop(connection);
    let extra = ["--sqlite-path", text(&sql)];
    let backup = exported(ground, SEVERAL, "backup", &extra);
    assert!(!is_told(ground, &backup));
    let mut entries = fs::read_dir(&backup).unwrap().map(|e| e.unwrap().path());
    let packed = entries.find(|path| text(path).ends_with(".sqlite.gz"));
    let packed = packed.unwrap();
    if ground.code == Code::FileMissing {
        fs::remove_file(&packed).unwrap();
    } else {
        let mut bytes = fs::read(&packed).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::write(&packed, bytes).unwrap();
    }
    assert!(is_told(ground, &backup));
}

/// A restore of [`BEFORE`]; the target and what was said.
#[track_caller]
fn restored(ground: &mut Ground, extra: &[&str]) -> (PathBuf, Ran) {
    let backup = exported(ground, BEFORE, "backup", &[]);
    let (target, token) = (ground.path("restored.bolt"), ground.path("operator"));
    fs::write(&token, operator_token(BEFORE)).unwrap();
    let command = ["backup", "restore", text(&backup), "--to", text(&target)];
    let token = ["--operator-token-file", text(&token), "--yes"];
    let ran = ground
        .scene
        .sandbox
        .run([&command[..], &token, extra].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    (target, ran)
}

fn target(ground: &mut Ground) {
    let target = ground.path("restored.bolt");
    let there = vec![7; 8192];
    fs::write(&target, &there).unwrap();
    let (_, told) = restored(ground, &["--force"]);
    assert!(told.stderr.contains("can't be read"), "{told:?}");
    // What stood there is kept under a dated name.
    let names = ground.scene.names();
    let kept = names.iter().filter(|name| {
        name.starts_with("restored.bolt") && fs::read(ground.path(name)).unwrap() == there
    });
    assert_eq!(kept.count(), 1, "{names:?}");
}

fn residue(ground: &mut Ground) {
    let raw = ground.path("raw.bolt");
    fs::write(&raw, fixture(SEVERAL)).unwrap();
    assert!(is_told(ground, &raw));
    let out = ground.path("recovered");
    ground.cure("residue recover", &raw, &["--out", text(&out)]);
    let clean = ground.path("clean");
    ground.cure("backup export", &raw, &["--out", text(&clean)]);
    assert!(!is_told(ground, &clean));
}

fn manifest(ground: &mut Ground) {
    let backup = exported(ground, SEVERAL, "backup", &[]);
    assert!(is_told(ground, &backup));
    let database = ground.path("source.bolt");
    let out = ground.path("with-manifest");
    let extra = ["--influx-manifest", "--out", text(&out)];
    ground.cure("backup export", &database, &extra);
    assert!(!is_told(ground, &out));
}

fn migrates(ground: &mut Ground) {
    let (target, told) = restored(ground, &["--hash"]);
    assert!(told.stderr.contains("schema 21"), "{told:?}");
    let source = ground.path("source.bolt");
    let capture = ground.path("capture");
    ground.cure("capture", &source, &["--out", text(&capture)]);
    let extra = ["--tokens", text(&capture), "--yes"];
    ground.cure("downgrade prepare", &target, &extra);
    ground.cure("downgrade apply", &target, &["--to", "2.7", "--yes"]);
    let schema = ground.run(&["status", "--json"], &target, &[]).json();
    assert_eq!(schema["schema"]["migrations"], 20, "{schema}");
    let (before, after) = (model_of(&source), model_of(&target));
    assert_eq!(tokens_of(&before).len(), tokens_of(&after).len());
}
