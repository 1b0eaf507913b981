//! Reads the SQLite file that InfluxDB has beside the database since 2.1, from a private copy.
//!
//! SQLite writes to the files that it opens: it rolls journals back, merges write-ahead logs and
//! creates files beside them. Also, the file is untrusted. So the file and its journals are copied
//! to a private folder, and the copy is opened with the protections of SQLite for untrusted files.
//! This module does not know what the content means.

mod copy;
mod limits;
mod private_folder;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::secret::Token;
use copy::{new_file, not_sqlite};
use limits::limit;
use private_folder::PrivateFolder;

pub use copy::{SqliteCopy, Stamp};

/// Maximum number of names that are read from a table.
const MOST_NAMES: u64 = 1000;
/// The longest text that is read, in characters.
const LONGEST_TEXT: usize = 64 << 10;
/// The most texts that are read.
const MOST_TEXTS: usize = 10_000;
/// Maximum number of characters of a name.
const LONGEST_NAME: u64 = 200;

/// A private copy of an SQLite file, whose structure was checked. Dropping it removes the copy.
pub struct Sqlite {
    // Declared before the folder, so that it is closed before the folder is removed.
    connection: Connection,
    folder: PrivateFolder,
    path: PathBuf,
}

impl Sqlite {
    /// Copies and opens the file at `path`; `None` when there is none.
    ///
    /// # Errors
    /// As [`SqliteCopy::take`] and [`Sqlite::of`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        SqliteCopy::take(path)?.map(Self::of).transpose()
    }

    /// Opens a copy and checks it, which may take as long as the limits allow: hold no lock
    /// meanwhile.
    ///
    /// # Errors
    /// * [`ErrorKind::NotAStore`] when it is not an SQLite file
    /// * [`ErrorKind::Corrupt`] when it is damaged, has code in its schema, or takes too long to read
    /// * [`ErrorKind::Io`] from the system
    pub fn of(mut copy: SqliteCopy) -> Result<Self> {
        let (folder, place) = copy.name()?;
        let path = copy.path().to_path_buf();
        let connection = connect(&place).map_err(|cause| failed(&path, &cause))?;
        let sqlite = Self {
            connection,
            folder,
            path,
        };
        // Like any access, this rolls a journal back first. Afterwards no name is needed.
        sqlite.count("SELECT count(*) FROM sqlite_schema", &[])?;
        for entry in fs::read_dir(sqlite.folder.path()).at("read", sqlite.folder.path())? {
            let _ = fs::remove_file(entry.at("read", sqlite.folder.path())?.path());
        }
        sqlite.refuse_code()?;
        sqlite.check()?;
        Ok(sqlite)
    }

    /// Rejects code in the schema, which SQLite would run while it reads or copies a table: virtual
    /// tables, and expressions of columns and indexes. influxd's schemas have none.
    fn refuse_code(&self) -> Result<()> {
        for (what, query) in [
            (
                "a virtual table",
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND \
                 (rootpage IS NULL OR rootpage < 1)",
            ),
            (
                "a computed column",
                "SELECT count(*) FROM sqlite_schema AS s, pragma_table_xinfo(s.name) AS c \
                 WHERE s.type = 'table' AND c.hidden > 0",
            ),
            (
                "an index over an expression or a part of its table",
                "SELECT count(*) FROM sqlite_schema AS s, pragma_index_list(s.name) AS l, \
                 pragma_index_xinfo(l.name) AS c \
                 WHERE s.type = 'table' AND (l.partial > 0 OR c.cid < -1)",
            ),
        ] {
            if self.count(query, &[])? > 0 {
                let why = format!("it has {what}, which files of influxd never have");
                return Err(damaged(&self.path, &why));
            }
        }
        Ok(())
    }

    /// Runs the structure check of SQLite.
    fn check(&self) -> Result<()> {
        let answer: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|cause| failed(&self.path, &cause))?;
        if answer == "ok" {
            return Ok(());
        }
        Err(damaged(
            &self.path,
            answer.lines().next_back().unwrap_or(&answer),
        ))
    }

    /// The path of the original file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the migrations that were applied, in the order of names, which is the order of
    /// their numbers. Empty when there is no such table.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when the table has another layout than that of influxd.
    pub fn migrations(&self) -> Result<Vec<String>> {
        if !self.has("migrations", Some("name"))? {
            return Ok(Vec::new());
        }
        let names = || -> rusqlite::Result<Vec<String>> {
            let mut query = self.connection.prepare(&format!(
                "SELECT substr(name, 1, {LONGEST_NAME}) FROM migrations ORDER BY name \
                 LIMIT {MOST_NAMES}"
            ))?;
            let rows = query.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        names().map_err(|cause| failed(&self.path, &cause))
    }

    /// The first 1000 different texts in a column, each cut to 200 characters. Empty when there is
    /// no such table or column.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be read.
    pub fn values(&self, table: &str, column: &str) -> Result<Vec<String>> {
        if !self.has(table, Some(column))? {
            return Ok(Vec::new());
        }
        let (table, column) = (quoted(table), quoted(column));
        let values = || -> rusqlite::Result<Vec<String>> {
            let mut query = self.connection.prepare(&format!(
                "SELECT DISTINCT substr({column}, 1, {LONGEST_NAME}) FROM {table} \
                 WHERE typeof({column}) = 'text' LIMIT {MOST_NAMES}"
            ))?;
            let rows = query.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        values().map_err(|cause| failed(&self.path, &cause))
    }

    /// The texts in a column, with the ID of their rows: of the first 10,000 rows, each cut to
    /// 64 KB. Empty when there is no such table or column.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be read.
    pub fn texts(&self, table: &str, column: &str) -> Result<Vec<(String, Token)>> {
        if !self.has(table, Some(column))? || !self.has(table, Some("id"))? {
            return Ok(Vec::new());
        }
        let (table, column) = (quoted(table), quoted(column));
        let texts = || -> rusqlite::Result<Vec<(String, Token)>> {
            let mut query = self.connection.prepare(&format!(
                "SELECT substr(id, 1, {LONGEST_NAME}), substr({column}, 1, {LONGEST_TEXT}) \
                 FROM {table} WHERE typeof(id) = 'text' AND typeof({column}) = 'text' \
                 AND {column} <> '' LIMIT {MOST_TEXTS}"
            ))?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, Token::new(row.get(1)?))))?;
            rows.collect()
        };
        texts().map_err(|cause| failed(&self.path, &cause))
    }

    /// The number of rows of a table; 0 when there is no such table.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be read.
    pub fn rows(&self, table: &str) -> Result<u64> {
        if !self.has(table, None)? {
            return Ok(0);
        }
        self.count(&format!("SELECT count(*) FROM {}", quoted(table)), &[])
    }

    /// The number of rows that have NULL in a column; 0 when there is no such table or column.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be read.
    pub fn rows_without(&self, table: &str, column: &str) -> Result<u64> {
        if !self.has(table, Some(column))? {
            return Ok(0);
        }
        let (table, column) = (quoted(table), quoted(column));
        let query = format!("SELECT count(*) FROM {table} WHERE {column} IS NULL");
        self.count(&query, &[])
    }

    /// Writes the whole content to one new file without a journal and without bytes of deleted rows.
    /// Returns the file, which has no name, and its length in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when it can't be written.
    pub fn single_file(&self) -> Result<(File, u64)> {
        let out = self.folder.path().join("single.sqlite");
        // SQLite accepts an empty file. A file that it creates would be readable by other users.
        let file = new_file(&out).at("write a copy of", &self.path)?;
        let name = out.to_string_lossy();
        let written = self.connection.execute("VACUUM INTO ?1", [&*name]);
        let _ = fs::remove_file(&out);
        written.map_err(|cause| failed(&self.path, &cause))?;
        let length = file.metadata().at("write a copy of", &self.path)?.len();
        Ok((file, length))
    }

    /// The number of rows that have another value than `value` in a column; 0 when there is no such
    /// table or column.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be read.
    pub fn rows_other_than(&self, table: &str, column: &str, value: &str) -> Result<u64> {
        if !self.has(table, Some(column))? {
            return Ok(0);
        }
        let (table, column) = (quoted(table), quoted(column));
        let query = format!("SELECT count(*) FROM {table} WHERE {column} IS NOT ?1");
        self.count(&query, &[value])
    }

    /// Whether there is such a table, with such a column. Views don't count.
    fn has(&self, table: &str, column: Option<&str>) -> Result<bool> {
        let found = match column {
            None => self
                .connection
                .query_row(
                    "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                    [table],
                    |_| Ok(()),
                )
                .optional(),
            Some(column) => self
                .connection
                .query_row(
                    "SELECT 1 FROM sqlite_schema AS s, pragma_table_info(s.name) AS c \
                     WHERE s.type = 'table' AND s.name = ?1 AND c.name = ?2",
                    [table, column],
                    |_| Ok(()),
                )
                .optional(),
        };
        Ok(found.map_err(|cause| failed(&self.path, &cause))?.is_some())
    }

    fn count(&self, query: &str, values: &[&str]) -> Result<u64> {
        let values = rusqlite::params_from_iter(values);
        self.connection
            .query_row(query, values, |row| row.get::<_, i64>(0))
            .map(|count| u64::try_from(count).unwrap_or(0))
            .map_err(|cause| failed(&self.path, &cause))
    }
}

/// A name as a quoted SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Opens the copy, within limits.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    limit(&mut connection, limits::MOST_TIME)?;
    Ok(connection)
}

fn damaged(path: &Path, why: &str) -> Error {
    let why: String = why.chars().take(200).collect();
    Error::new(
        ErrorKind::Corrupt,
        format!("{} is damaged: {why}", path.display()),
    )
    .with_hint("if you have a copy of it, pass its path with --sqlite-path")
}

fn failed(path: &Path, cause: &rusqlite::Error) -> Error {
    let message = cause.to_string();
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_sqlite(path, &message),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            Error::new(
                ErrorKind::Io,
                format!("can't read a private copy of {}: {message}", path.display()),
            )
            .with_hint("set TMPDIR to a folder with enough free space")
        }
        Some(ErrorCode::OperationInterrupted) => damaged(
            path,
            &format!(
                "reading it takes longer than {} seconds",
                limits::MOST_TIME.as_secs()
            ),
        ),
        _ => damaged(path, &message),
    }
}

#[cfg(test)]
mod tests {
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
        let private = sqlite.folder.path().to_path_buf();
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
        let sqlite = Sqlite::open(&path).unwrap().unwrap();
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
        let sqlite = Sqlite::open(&path).unwrap().unwrap();
        let (mut file, length) = sqlite.single_file().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length);
        assert!(!shows(&bytes));
        // It can be called more than once.
        sqlite.single_file().unwrap();
        let again = folder.path().join("again.influxd.sqlite");
        fs::write(&again, bytes).unwrap();
        let sqlite = Sqlite::open(&again).unwrap().unwrap();
        assert_eq!(sqlite.rows("remotes").unwrap(), 3);
        assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"]);
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
        let sqlite = Sqlite::open(&path).unwrap().unwrap();
        assert_eq!(sqlite.migrations().unwrap(), ["0001_a", "0002_b"]);
        // A copy would have the constraint too, with functions that are not allowed.
        assert_eq!(sqlite.single_file().unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(fs::read_dir(sqlite.folder.path()).unwrap().count(), 0);
    }
}
