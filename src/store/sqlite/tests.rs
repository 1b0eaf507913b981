//! Tests of reading SQLite files: what they tell, hostile ones, and copies in memory.

use std::io::Read;
use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use super::copy::{MAGIC, NAMES_ANOTHER, with_suffix};
use super::*;

const SCHEMA: &str = "
    CREATE TABLE migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL);
    INSERT INTO migrations(name) VALUES ('0002_b'), ('0001_a');
    CREATE TABLE remotes(id TEXT PRIMARY KEY, remote_org_id TEXT, remote_api_token TEXT);
    INSERT INTO remotes VALUES ('1', NULL, 'x'), ('2', 'o', 'y'), ('3', NULL, 'z');";

fn database(sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("influxd.sqlite");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
    (folder, path)
}

fn refused(path: &Path) -> Error {
    let Err(error) = Sqlite::open(path) else {
        panic!("{} was taken", path.display())
    };
    assert_eq!(error.effect(), crate::error::Effect::Nothing, "{error}");
    assert!(error.message().contains("influxd.sqlite"), "{error}");
    assert!(error.hint().is_some(), "{error}");
    error
}

#[test]
fn what_it_tells() {
    let (folder, path) = database(SCHEMA);
    let before = fs::read(&path).unwrap();
    let sqlite = Sqlite::open(&path).unwrap().unwrap();
    assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"]);
    assert_eq!(sqlite.rows("remotes").unwrap(), 3);
    assert_eq!(sqlite.rows("nowhere").unwrap(), 0);
    assert_eq!(sqlite.rows_without("remotes", "remote_org_id").unwrap(), 2);
    assert_eq!(sqlite.rows_without("remotes", "no_such").unwrap(), 0);
    let others = |value| sqlite.rows_other_than("remotes", "remote_org_id", value);
    assert_eq!((others("o").unwrap(), others("").unwrap()), (2, 3));
    let private = sqlite.folder.as_ref().unwrap().path().to_path_buf();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&private), 0o700);
    // What has no name is gone when the program is killed.
    assert_eq!(fs::read_dir(&private).unwrap().count(), 0);
    drop(sqlite);
    assert!(!private.exists());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_not_there_is_none_and_what_is_empty_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("influxd.sqlite");
    assert!(Sqlite::open(&path).unwrap().is_none());
    assert!(!path.exists());
    fs::write(&path, "").unwrap();
    let mut sqlite = Sqlite::open(&path).unwrap().unwrap();
    assert!(sqlite.migrations().unwrap().is_empty());
    sqlite.single_file().unwrap();
    let (_folder, path) = database("CREATE TABLE other(x);");
    let sqlite = Sqlite::open(&path).unwrap().unwrap();
    assert!(sqlite.migrations().unwrap().is_empty());
}

#[test]
fn a_single_file_holds_all_and_nothing_of_what_was_deleted() {
    let (folder, path) = database(SCHEMA);
    let connection = Connection::open(&path).unwrap();
    let marker = "a token that was deleted";
    connection
        .execute("INSERT INTO remotes VALUES ('4', 'o', ?1)", [marker])
        .unwrap();
    connection
        .execute("DELETE FROM remotes WHERE id = '4'", [])
        .unwrap();
    connection.close().unwrap();
    let shows = |bytes: &[u8]| memchr::memmem::find(bytes, marker.as_bytes()).is_some();
    assert!(shows(&fs::read(&path).unwrap()));
    for (name, mut sqlite) in [
        ("folder", Sqlite::open(&path).unwrap().unwrap()),
        ("memory", in_memory(&path).unwrap()),
    ] {
        let (mut file, length) = sqlite.single_file().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length, "{name}");
        assert!(!shows(&bytes), "{name}");
        // It can be called more than once.
        sqlite.single_file().unwrap();
        let again = folder.path().join("again.influxd.sqlite");
        fs::write(&again, bytes).unwrap();
        let sqlite = Sqlite::open(&again).unwrap().unwrap();
        assert_eq!(sqlite.rows("remotes").unwrap(), 3, "{name}");
        assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"], "{name}");
    }
}

/// The file as it is read where no folder for temporary files is.
fn in_memory(path: &Path) -> Result<Sqlite> {
    let mut copy = SqliteCopy::take(path)?.unwrap();
    let bytes = copy.in_memory()?.expect("it can be read in memory");
    Sqlite::at(Place::Memory(bytes), path.to_path_buf())
}

#[test]
fn what_it_tells_without_a_folder() {
    let (folder, path) = database(SCHEMA);
    let before = fs::read(&path).unwrap();
    let sqlite = in_memory(&path).unwrap();
    assert!(sqlite.folder.is_none());
    assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"]);
    assert_eq!(sqlite.rows_without("remotes", "remote_org_id").unwrap(), 2);
    let texts = sqlite.texts("remotes", "remote_api_token").unwrap();
    assert_eq!(texts.len(), 3);
    drop(sqlite);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // A server with a write-ahead log that was stopped leaves no log, but its format.
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection.close().unwrap();
    assert_eq!(fs::read(&path).unwrap()[18..20], [2, 2]);
    assert_eq!(in_memory(&path).unwrap().rows("remotes").unwrap(), 3);
    // Damage and code are found there as well.
    let intact = fs::read(&path).unwrap();
    let damaged = [&intact[..4096], &[0xaa; 100], &intact[4196..]].concat();
    fs::write(&path, damaged).unwrap();
    assert_eq!(in_memory(&path).err().unwrap().kind(), ErrorKind::Corrupt);
    let (_folder, path) = database("CREATE TABLE t(x); CREATE INDEX i ON t(abs(x));");
    assert_eq!(in_memory(&path).err().unwrap().kind(), ErrorKind::Corrupt);
    // An empty file is a new one.
    fs::write(&path, "").unwrap();
    let mut sqlite = in_memory(&path).unwrap();
    assert!(sqlite.migrations().unwrap().is_empty());
    sqlite.single_file().unwrap();
}

#[test]
fn a_journal_needs_a_folder() {
    let (_folder, path) = database(SCHEMA);
    for suffix in ["-journal", "-wal"] {
        let journal = with_suffix(&path, suffix);
        fs::write(&journal, "").unwrap();
        let mut copy = SqliteCopy::take(&path).unwrap().unwrap();
        assert!(copy.in_memory().unwrap().is_some(), "{suffix}");
        fs::write(&journal, [0; 100]).unwrap();
        let mut copy = SqliteCopy::take(&path).unwrap().unwrap();
        assert!(copy.in_memory().unwrap().is_none(), "{suffix}");
        fs::remove_file(&journal).unwrap();
    }
}

#[test]
fn a_journal_is_rolled_back_and_a_log_folded_in() {
    for mode in ["DELETE", "WAL"] {
        let (_folder, path) = database(SCHEMA);
        let connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        // Pages reach the file, or the log, before the transaction ends.
        connection.pragma_update(None, "cache_size", 1).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for n in 10..2000 {
            connection
                .execute("INSERT INTO remotes VALUES (?1, 'o', zeroblob(500))", [n])
                .unwrap();
        }
        let kept = if mode == "WAL" {
            connection.execute_batch("COMMIT").unwrap();
            1993
        } else {
            3
        };
        // The files that a killed server leaves.
        let (_killed, copy) = database("");
        for suffix in ["", "-journal", "-wal"] {
            let from = with_suffix(&path, suffix);
            if from.exists() {
                fs::copy(from, with_suffix(&copy, suffix)).unwrap();
            }
        }
        let beside = with_suffix(&copy, if mode == "WAL" { "-wal" } else { "-journal" });
        assert!(beside.exists(), "{mode}");
        let before = (fs::read(&copy).unwrap(), fs::read(&beside).unwrap());
        let sqlite = Sqlite::open(&copy).unwrap().unwrap();
        assert_eq!(sqlite.rows("remotes").unwrap(), kept, "{mode}");
        assert_eq!(
            (fs::read(&copy).unwrap(), fs::read(&beside).unwrap()),
            before
        );
    }
}

#[test]
fn what_is_refused() {
    let (folder, path) = database(SCHEMA);
    let intact = fs::read(&path).unwrap();
    for (bytes, kind) in [
        (b"not at all".to_vec(), ErrorKind::NotAStore),
        (vec![0; 4096], ErrorKind::NotAStore),
        (intact[..intact.len() - 4096].to_vec(), ErrorKind::Corrupt),
        (MAGIC.to_vec(), ErrorKind::NotAStore),
        (
            [&intact[..18], &[3, 3], &intact[20..]].concat(),
            ErrorKind::UnknownSchema,
        ),
        (
            [&intact[..4096], &[0xaa; 100], &intact[4196..]].concat(),
            ErrorKind::Corrupt,
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(refused(&path).kind(), kind);
    }
    fs::write(&path, &intact).unwrap();
    let journal = with_suffix(&path, "-journal");
    fs::write(&journal, [&[0; 100][..], &NAMES_ANOTHER].concat()).unwrap();
    assert_eq!(refused(&path).kind(), ErrorKind::Corrupt);
    fs::remove_file(&journal).unwrap();
    std::os::unix::fs::symlink(&path, &journal).unwrap();
    assert_eq!(refused(&path).kind(), ErrorKind::Refused);
    let link = folder.path().join("link-to-influxd.sqlite");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(refused(&link).kind(), ErrorKind::Refused);
    let within = folder.path().join("influxd.sqlite.d");
    fs::create_dir(&within).unwrap();
    assert_eq!(refused(&within).kind(), ErrorKind::NotAStore);
}

#[test]
fn a_hostile_schema_runs_nothing() {
    let (_folder, path) = database(
        "CREATE VIEW migrations AS WITH RECURSIVE n(name) AS \
         (SELECT 1 UNION ALL SELECT name + 1 FROM n) SELECT name FROM n;
         CREATE VIEW remotes AS SELECT * FROM migrations;",
    );
    let sqlite = Sqlite::open(&path).unwrap().unwrap();
    assert!(sqlite.migrations().unwrap().is_empty());
    assert_eq!(sqlite.rows("remotes").unwrap(), 0);
    let (_folder, path) = database(
        "CREATE TABLE migrations(name);
        INSERT INTO migrations VALUES (x'ff00'), (5);",
    );
    let sqlite = Sqlite::open(&path).unwrap().unwrap();
    let error = sqlite.migrations().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_schema_with_something_to_run_is_refused() {
    let long = "instr(printf('%.*c', 60000000, 'a'), printf('%.*c', 30000000, 'a') || 'b')";
    for sql in [
        format!("CREATE TABLE t(x, y AS ({long}))"),
        format!("CREATE TABLE t(x, y AS ({long}) STORED)"),
        String::from("CREATE TABLE t(x); CREATE INDEX i ON t(abs(x))"),
        String::from("CREATE TABLE t(x); CREATE INDEX i ON t(x) WHERE abs(x) > 1"),
    ] {
        let (_folder, path) = database(&format!("{SCHEMA} {sql};"));
        let error = refused(&path);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{sql}");
        assert!(error.message().contains("never have"), "{sql}: {error}");
    }
    // A virtual table, of whatever module.
    let (_folder, path) = database(&format!(
        "{SCHEMA} PRAGMA writable_schema = 1; \
         INSERT INTO sqlite_schema VALUES \
         ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING fts5(x)');"
    ));
    assert_eq!(refused(&path).kind(), ErrorKind::Corrupt);
}

#[test]
fn constraints_are_not_run() {
    let (_folder, path) = database(&format!(
        "{SCHEMA} PRAGMA ignore_check_constraints = 1; CREATE TABLE t(x, CHECK(x = 0 OR \
         instr(printf('%.*c', 60000000, 'a'), printf('%.*c', 30000000, 'a') || 'b') = 0)); \
         INSERT INTO t VALUES (1);"
    ));
    let mut sqlite = Sqlite::open(&path).unwrap().unwrap();
    assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"]);
    // A copy would have the constraint too, with functions that are not allowed.
    assert_eq!(sqlite.single_file().unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        fs::read_dir(sqlite.folder.as_ref().unwrap().path())
            .unwrap()
            .count(),
        0
    );
}
