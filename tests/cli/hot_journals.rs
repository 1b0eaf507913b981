//! A journal that SQLite left when its server was killed. It would roll back any file of that name,
//! so it is moved away before the restored file gets its name.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::fixtures::token_of;
use crate::scene::{Scene, text};

const LIVED: &str = "lived-2.9.1";

fn note(path: &Path) -> rusqlite::Result<String> {
    let connection = Connection::open(path)?;
    connection.query_row("SELECT id FROM notebooks", [], |row| row.get(0))
}

/// An SQLite file with a note, and rows that fill pages.
fn sqlite(path: &Path, note: &str, mode: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = {mode}; PRAGMA cache_size = 2; PRAGMA synchronous = FULL;
             CREATE TABLE migrations(name TEXT); CREATE TABLE notebooks(id TEXT);
             CREATE TABLE more(content BLOB);
             INSERT INTO notebooks VALUES ('{note}');
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
             INSERT INTO more SELECT zeroblob(3000) FROM n;"
        ))
        .unwrap();
    connection
}

/// A server was killed in the middle of a change: the file as it is then, and its journal, hot.
fn killed(path: &Path, mode: &str) {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("influxd.sqlite");
    let connection = sqlite(&live, "old", mode);
    let begin =
        "BEGIN; UPDATE notebooks SET id = 'half'; UPDATE more SET content = randomblob(3000);";
    connection.execute_batch(begin).unwrap();
    if mode == "WAL" {
        connection
            .execute_batch("COMMIT; BEGIN; UPDATE more SET content = randomblob(3000);")
            .unwrap();
    }
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let from = folder.path().join(format!("influxd.sqlite{suffix}"));
        if from.exists() {
            fs::copy(from, format!("{}{suffix}", text(path))).unwrap();
        }
    }
}

#[test]
fn a_hot_journal_does_not_roll_the_new_file_back() {
    for (mode, suffix, after) in [("DELETE", "-journal", "old"), ("WAL", "-wal", "half")] {
        let scene = Scene::new();
        // What is backed up: of the same make, so that a journal fits.
        let database = scene.sandbox.store(LIVED);
        let pages = scene.sandbox.path("work/influxd.sqlite");
        drop(sqlite(&pages, "restored", mode));
        let out = scene.path("backup");
        let extra = ["--out", text(&out), "--sqlite-path", text(&pages)];
        scene.run(&["backup", "export"], &database, &extra).ok();

        // That the journal is hot, and what it does to a file that is put beside it.
        let by_hand = scene.path("by-hand.sqlite");
        killed(&by_hand, mode);
        assert_eq!(note(&by_hand).unwrap(), after, "{mode}: not hot");
        killed(&by_hand, mode);
        fs::copy(&pages, &by_hand).unwrap();
        let spoiled = note(&by_hand);
        let is_spoiled = spoiled.as_ref().map_or(true, |note| note != "restored");
        assert!(
            is_spoiled,
            "{mode}: nothing goes wrong by hand, so this proves nothing"
        );

        let to = scene.path("influxd.bolt");
        let sql = scene.path("influxd.sqlite");
        killed(&sql, mode);
        let token = token_of(LIVED, "alice's Token");
        let restore = |extra: &[&str]| {
            let mut arguments = vec!["backup", "restore", text(&out), "--to", text(&to)];
            arguments.extend(["--operator-token-file", "-", "--json"]);
            arguments.extend(extra);
            scene.sandbox.run_with(arguments, token.as_bytes())
        };
        restore(&[])
            .code(1)
            .tells(&["influxd.sqlite", "nothing was changed"]);
        // The journal alone is refused too.
        let away = scene.path("away");
        fs::rename(&sql, &away).unwrap();
        let journal = format!("influxd.sqlite{suffix}");
        restore(&[])
            .code(1)
            .tells(&[&journal, "nothing was changed"]);
        fs::rename(&away, &sql).unwrap();

        let report = restore(&["--force", "-y"]).code(0).json();
        assert_eq!(note(&sql).unwrap(), "restored", "{mode}");
        assert!(!scene.path(&journal).exists(), "{mode}");
        // The old file is whole with its journal, under their dated names.
        let kept = report["kept"].as_array().unwrap();
        let dated = |start: &str| {
            let start = format!("{start}.before-restore-");
            let mut found = kept.iter().map(|path| path.as_str().unwrap());
            found
                .find(|path| path.starts_with(text(&scene.path(&start))))
                .unwrap()
                .to_owned()
        };
        let old = scene.path("old.sqlite");
        fs::copy(dated("influxd.sqlite"), &old).unwrap();
        fs::copy(dated(&journal), scene.path(&format!("old.sqlite{suffix}"))).unwrap();
        assert_eq!(note(&old).unwrap(), after, "{mode}: what was kept");
    }
}
