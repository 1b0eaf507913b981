//! Cures of what is wrong around the records: locks, other engines, unused parts, lost pages and
//! other files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boltkey::finding::Code;

use super::ground::{Ground, model_of, names_of, tokens_of};
use crate::downgrade::sqlite;
use crate::fixtures::{content, fixture, fixtures};
use crate::scene::{FOR_ALICE, ONE, RECOVER, SEVERAL, text};
use crate::support::engine_folder::shard;

pub fn tried(ground: &mut Ground, code: Code) -> bool {
    match code {
        Code::Unlocked => without_locks(ground),
        Code::Unclean => unclean(ground),
        // Nothing has to be done. A scrub that finds no token leaves the table where it is.
        Code::UnfinishedScrub => {
            let database = table(ground, "%filler");
            assert!(ground.is_found(&database));
        }
        Code::ForeignTable => {
            let database = table(ground, "somebody's");
            assert!(ground.is_found(&database));
        }
        Code::NobodyGetsIn => nobody(ground),
        Code::LastCopies => last_copies(ground),
        Code::LostRecords => lost(ground),
        Code::SiblingUnread => sibling(ground),
        Code::LeftOver => left_over(ground),
        Code::SqliteUnusable => {
            sqlite_file(ground, |path| fs::write(path, "not a database").unwrap())
        }
        Code::SqliteSchema => sqlite_file(ground, |path| sqlite(path, 7, "")),
        Code::SqliteForeign => sqlite_file(ground, |path| {
            let rows = "CREATE TABLE notebooks(org_id TEXT);
                        INSERT INTO notebooks VALUES ('00000000000000aa');";
            sqlite(path, 8, rows);
        }),
        Code::EngineOld => engine_folder(ground, "_series"),
        Code::EngineForeign => {
            engine_folder(ground, "data/00000000000000aa/autogen/7000");
            adopted(ground);
        }
        Code::EngineEmpty => engine_folder(ground, "data"),
        _ => return false,
    }
    true
}

/// The codes that `status` finds.
fn status(ground: &Ground, database: &Path) -> Vec<String> {
    let report = ground.run(&["status", "--json"], database, &[]).json();
    names_of(&report).into_iter().collect()
}

#[track_caller]
fn told(ground: &Ground, database: &Path, is_told: bool) {
    let codes = status(ground, database);
    let name = ground.code.name().to_owned();
    assert_eq!(codes.contains(&name), is_told, "{name}: {codes:?}");
}

/// A library that takes the place of the system's locks, as on a file system without them.
fn no_locks(ground: &Ground) -> PathBuf {
    let (source, library) = (ground.path("nolock.c"), ground.path("nolock.so"));
    let code = "#include <errno.h>\nint flock(int fd, int how) { errno = ENOLCK; return -1; }\n";
    fs::write(&source, code).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]);
    compiler.args([&library, &source]);
    assert!(compiler.status().unwrap().success());
    library
}

fn without_locks(ground: &mut Ground) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let library = no_locks(ground);
    let database = ground.scene.store(SEVERAL);
    let run = |arguments: &[&str]| {
        let mut command = ground.scene.sandbox.command(arguments);
        command.env("LD_PRELOAD", &library);
        ground.scene.sandbox.finish(command)
    };
    let ran = run(&["check", "--json", "--db", text(&database)]).code(0);
    assert!(
        names_of(&ran.json()).contains(ground.code.name()),
        "{ran:?}"
    );
    ran.tells(&["has no locks"]);
    // Changing has to be asked for, and works then.
    let recover = [RECOVER, &["--db", text(&database)], FOR_ALICE].concat();
    run(&recover)
        .code(1)
        .tells(&["--no-lock", "nothing was changed"]);
    let asked = [&recover[..], &["--no-lock"]].concat();
    run(&asked).code(6).tells(&["can't be locked"]);
    let before = tokens_of(&model_of(&database)).len();
    run(&[&asked[..], &["--yes"]].concat()).code(0);
    assert_eq!(tokens_of(&model_of(&database)).len(), before + 1);
}

fn unclean(ground: &mut Ground) {
    let database = ground.scene.redb(SEVERAL);
    let mut bytes = fs::read(&database).unwrap();
    bytes[9] |= 2;
    let database = ground.store("unclean.redb", &bytes);
    let before = tokens_of(&model_of(&database));
    let to_repair = ground.store("to-repair.redb", &bytes);
    ground.repaired(&to_repair);
    let ran = ground.run(RECOVER, &database, FOR_ALICE);
    assert_eq!(ran.code, 0, "{ran:?}");
    ground.is_gone(&database);
    assert_eq!(tokens_of(&model_of(&database)).len(), before.len() + 1);
}

/// A redb store with one more table.
fn table(ground: &Ground, name: &str) -> PathBuf {
    let database = ground.scene.redb(ONE);
    let store = redb::Database::open(&database).unwrap();
    let write = store.begin_write().unwrap();
    let definition: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new(name);
    {
        let mut table = write.open_table(definition).unwrap();
        table.insert(1, &b"filler"[..]).unwrap();
    }
    write.commit().unwrap();
    database
}

fn nobody(ground: &mut Ground) {
    let database = ground.scene.store(ONE);
    let everything = ["--all", "--yes"];
    let deleted = ground.run(&["auth", "delete"], &database, &everything);
    if deleted.code != 0 {
        delete_each(ground, &database);
    }
    let users = ground
        .run(&["user", "list", "--json"], &database, &[])
        .json();
    for user in users["users"].as_array().unwrap() {
        let id = ["--id", user["id"].as_str().unwrap(), "--yes"];
        assert_eq!(ground.run(&["user", "delete"], &database, &id).code, 0);
    }
    told(ground, &database, true);
    ground.cure("user create", &database, &["--name", "admin"]);
    ground.cure("recover operator", &database, &[]);
    told(ground, &database, false);
}

fn delete_each(ground: &Ground, database: &Path) {
    let listed = ground
        .run(&["auth", "list", "--json"], database, &[])
        .json();
    for token in listed["authorizations"].as_array().unwrap() {
        let id = [token["id"].as_str().unwrap(), "--yes"];
        assert_eq!(ground.run(&["auth", "delete"], database, &id).code, 0);
    }
}

fn last_copies(ground: &mut Ground) {
    let database = ground.scene.store(SEVERAL);
    told(ground, &database, true);
    let out = ground.path("recovered");
    ground.cure("residue recover", &database, &["--out", text(&out)]);
    let saved: serde_json::Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    assert_eq!(saved["tokens"].as_array().unwrap().len(), 36);
    let before = model_of(&database);
    ground.cure("residue scrub", &database, &["--yes"]);
    told(ground, &database, false);
    assert!(model_of(&database) == before);
}

fn lost(ground: &mut Ground) {
    let bytes = content(&fixtures().join("field/bolt-fullok-2-113.bolt.gz"));
    let database = ground.store("lost.bolt", &bytes);
    ground.checked(&database);
    for command in ["capture", "residue recover"] {
        let out = ground.path(&command.replace(' ', "-"));
        ground.cure(command, &database, &["--out", text(&out)]);
    }
    ground.stepped_back(&database);
    let new = ground.path("salvaged.bolt");
    let extra = ["--out", text(&new)];
    let ran = ground.run(&["salvage"], &database, &extra);
    // Records of a bucket that InfluxDB does not know are lost.
    assert_eq!(ran.code, 3, "{ran:?}");
    ground.ran.push(format!("salvage --db {}", extra.join(" ")));
    ground.is_gone(&new);
    for name in ["previous.bolt", "salvaged.bolt"] {
        assert_eq!(tokens_of(&model_of(&ground.path(name))).len(), 36, "{name}");
    }
}

fn sibling(ground: &mut Ground) {
    let database = ground.scene.store(SEVERAL);
    let beside = ground.path("influxd.bolt.old");
    // A file that is there and can't be read as what it is.
    let packed = ground.path("influxd.bolt.old.gz");
    fs::write(&packed, b"\x1f\x8b broken").unwrap();
    told(ground, &database, true);
    fs::remove_file(&packed).unwrap();
    // Once it can be read, it is scanned.
    fs::write(&beside, fixture(SEVERAL)).unwrap();
    told(ground, &database, false);
    let extra = ["--files", text(&beside)];
    let ran = ground.run(&["residue", "scan"], &database, &extra).code(3);
    assert!(ran.stdout.contains("35"), "{ran:?}");
    ground.ran.push(format!("residue scan {}", extra.join(" ")));
}

/// An SQLite file that does not fit: the finding is gone with the right file, and without one.
fn sqlite_file(ground: &Ground, write: fn(&Path)) {
    let database = ground.scene.store(SEVERAL);
    let path = ground.path("influxd.sqlite");
    write(&path);
    told(ground, &database, true);
    fs::rename(&path, ground.path("moved.sqlite")).unwrap();
    told(ground, &database, false);
    sqlite(&path, 8, "");
    told(ground, &database, false);
}

/// An engine folder that does not fit: the finding is gone without it.
fn engine_folder(ground: &Ground, folder: &str) {
    let database = ground.scene.store(SEVERAL);
    let path = ground.path("engine");
    fs::create_dir_all(path.join(folder)).unwrap();
    told(ground, &database, true);
    fs::rename(&path, ground.path("moved")).unwrap();
    told(ground, &database, false);
}

/// The finding is gone when the buckets of all shards are adopted.
fn adopted(ground: &mut Ground) {
    let database = ground.scene.store(SEVERAL);
    let engine = ground.path("engine");
    shard(&engine, "00000000000000aa", 7000, (0, 5));
    told(ground, &database, true);
    let extra = ["--all", "--org", "acme", "--yes"];
    ground.run(&["bucket", "adopt"], &database, &extra).code(0);
    told(ground, &database, false);
    ground.ran.push("bucket adopt --all".into());
}

fn left_over(ground: &mut Ground) {
    let database = ground.scene.store(SEVERAL);
    // The name that an output has until it is complete.
    let left = ground.path(".boltkey-0123456789abcdef.tmp");
    fs::write(&left, b"{").unwrap();
    told(ground, &database, true);
    fs::remove_file(&left).unwrap();
    told(ground, &database, false);
}
