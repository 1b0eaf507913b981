//! Reads the SQLite file that InfluxDB has beside the database since 2.1, from a private copy.
//!
//! SQLite writes to the files that it opens: it rolls journals back, merges write-ahead logs and
//! creates files beside them. Also, the file is untrusted. So the file and its journals are copied
//! to a private folder, and the copy is opened with the protections of SQLite for untrusted files.
//! This module does not know what the content means.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use tempfile::TempDir;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// The file name of the copy.
const COPY: &str = "influxd.sqlite";
/// The suffixes of the files that SQLite leaves beside a file that was not closed.
const JOURNALS: [&str; 2] = ["-journal", "-wal"];
/// The first bytes of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The newest version of the file format that SQLite supports.
const NEWEST_FORMAT: u8 = 2;
/// The last bytes of a rollback journal that names a second file, which SQLite deletes after the
/// rollback. influxd never writes one.
const NAMES_ANOTHER: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// The longest file that is copied, in bytes. Real files have a few hundred kilobytes.
const MAX_SIZE: u64 = 4 << 30;
/// How many names are read of a table.
const MOST_NAMES: u64 = 1000;
/// How many characters are read of a name.
const LONGEST_NAME: u64 = 200;

/// A private copy of an SQLite file, whose structure was checked. Dropping it removes the copy.
pub struct Sqlite {
    // Declared before the folder, so that it is closed before the folder is removed.
    connection: Connection,
    folder: TempDir,
    path: PathBuf,
}

impl Sqlite {
    /// Copies and opens the file at `path`; `None` when there is none. The server that uses it must
    /// be stopped: the caller holds the lock on its database. The file itself never changes.
    ///
    /// # Errors
    /// * [`ErrorKind::NotAStore`] when it is not an SQLite file
    /// * [`ErrorKind::Corrupt`] when it is damaged
    /// * [`ErrorKind::UnknownSchema`] when its format is newer than what this version supports
    /// * [`ErrorKind::Refused`] for links, and for a file that changes while it is read
    /// * [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    pub fn open(path: &Path) -> Result<Option<Self>> {
        Self::open_copy(path, path)
    }

    /// Copies and opens the file at `place`, which is a copy of `path`. Messages show `path`.
    ///
    /// # Errors
    /// As [`Sqlite::open`].
    pub fn open_copy(place: &Path, path: &Path) -> Result<Option<Self>> {
        let Some(mut source) = open_source(place)? else {
            return Ok(None);
        };
        recognise(&mut source, path)?;
        let folder = private_folder(path)?;
        let copied = folder.path().join(COPY);
        copy(&mut source, path, &copied)?;
        for suffix in JOURNALS {
            let beside = with_suffix(place, suffix);
            if let Some(mut source) = open_source(&beside)? {
                names_no_other(&mut source, &beside)?;
                copy(&mut source, &beside, &with_suffix(&copied, suffix))?;
            }
        }
        let connection = connect(&copied).map_err(|cause| failed(path, &cause))?;
        let sqlite = Self {
            connection,
            folder,
            path: path.to_path_buf(),
        };
        sqlite.check()?;
        Ok(Some(sqlite))
    }

    /// Runs the structure check of SQLite. Like any access, it rolls a journal back first.
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
        self.connection
            .execute("VACUUM INTO ?1", [&*name])
            .map_err(|cause| failed(&self.path, &cause))?;
        let length = file.metadata().at("write a copy of", &self.path)?.len();
        fs::remove_file(&out).at("write a copy of", &self.path)?;
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

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a regular file; `None` if it does not exist. Does not follow links.
fn open_source(path: &Path) -> Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) if is_link(path) => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is a link; links to SQLite files are not followed",
                    path.display()
                ),
            )
            .with_hint("use the path of the file that it points to")
            .with_source(cause));
        }
        Err(cause) => return Err(cause).at("open", path),
    };
    let kind = file.metadata().at("read", path)?.file_type();
    if kind.is_file() {
        Ok(Some(file))
    } else {
        Err(not_sqlite(path, "it is not a regular file"))
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink())
}

/// Rejects files that can't be SQLite. An empty file is a new SQLite file.
fn recognise(file: &mut File, path: &Path) -> Result<()> {
    let size = file.metadata().at("read", path)?.len();
    if size > MAX_SIZE {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} has {size} bytes, more than an SQLite file of influxd",
                path.display()
            ),
        )
        .with_hint("check the path; the file has to be copied to be read"));
    }
    let mut start = Vec::with_capacity(20);
    Read::by_ref(file)
        .take(20)
        .read_to_end(&mut start)
        .at("read", path)?;
    file.rewind().at("read", path)?;
    if size > 0 && !start.starts_with(MAGIC) {
        return Err(not_sqlite(path, "it does not begin as SQLite files do"));
    }
    if let Some([write, read]) = start.get(18..20)
        && (*write > NEWEST_FORMAT || *read > NEWEST_FORMAT)
    {
        return Err(Error::new(
            ErrorKind::UnknownSchema,
            format!(
                "{} has an SQLite format that is newer than this version can read",
                path.display()
            ),
        )
        .with_hint("use a newer version of boltkey"));
    }
    Ok(())
}

/// Rejects a rollback journal that names another file, which SQLite would delete.
fn names_no_other(journal: &mut File, path: &Path) -> Result<()> {
    let size = journal.metadata().at("read", path)?.len();
    let mut end = [0; NAMES_ANOTHER.len()];
    if size >= end.len() as u64 {
        journal
            .seek(SeekFrom::End(-8))
            .and_then(|_| journal.read_exact(&mut end))
            .and_then(|()| journal.rewind())
            .at("read", path)?;
    }
    if end == NAMES_ANOTHER {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} names another file, which journals of influxd never do",
                path.display()
            ),
        )
        .with_hint("the journal may be forged; check who can write to that folder"));
    }
    Ok(())
}

fn private_folder(path: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("boltkey-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|cause| {
            Error::new(
                ErrorKind::Io,
                format!(
                    "can't create a folder for a private copy of {}: {cause}",
                    path.display()
                ),
            )
            .with_hint("set TMPDIR to a folder with enough free space")
        })
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Copies a file. Rejects one that changes meanwhile, because a running server may be using it.
fn copy(source: &mut File, path: &Path, to: &Path) -> Result<()> {
    let before = source.metadata().at("read", path)?;
    if before.len() > MAX_SIZE {
        return Err(not_sqlite(path, "it is too long"));
    }
    let mut out = new_file(to).at("write a copy of", path)?;
    let copied = io::copy(&mut Read::by_ref(source).take(before.len()), &mut out)
        .and_then(|copied| out.flush().map(|()| copied));
    let copied = copied.map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("can't write a private copy of {}: {cause}", path.display()),
        )
        .with_hint("set TMPDIR to a folder with enough free space")
    })?;
    let after = source.metadata().at("read", path)?;
    let stamp = |m: &fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec());
    if copied != before.len() || stamp(&before) != stamp(&after) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} changed while it was read", path.display()),
        )
        .with_hint("stop the influxd that uses it"));
    }
    Ok(())
}

/// Opens the copy. Views, triggers and functions in its schema are disabled.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    // Limits the memory that expressions in the schema can use.
    connection.pragma_update(None, "hard_heap_limit", 256 << 20)?;
    Ok(connection)
}

fn not_sqlite(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::NotAStore,
        format!("{} is not an SQLite file: {why}", path.display()),
    )
    .with_hint("influxd names its SQLite file influxd.sqlite; pass its path with --sqlite-path")
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
        _ => damaged(path, &message),
    }
}

#[cfg(test)]
mod tests {
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
        for entry in fs::read_dir(&private).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
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
}
