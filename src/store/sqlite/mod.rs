//! Reads the SQLite file that InfluxDB has beside the database since 2.1, from a private copy.
//!
//! SQLite writes to the files that it opens: it rolls journals back, merges write-ahead logs and
//! creates files beside them. Also, the file is untrusted. So the file and its journals are copied
//! to a private folder, or into memory where there is none, and the copy is opened with the protections
//! of SQLite for untrusted files.
//! This module does not know what the content means.

mod copy;
mod limits;
mod private_folder;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::secret::Token;
use copy::{Place, new_file, not_sqlite};
use limits::limit;
use private_folder::PrivateFolder;

pub use copy::{SqliteCopy, Stamp, unnamed_file};

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
    folder: Option<PrivateFolder>,
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
        let place = copy.place()?;
        Self::at(place, copy.path().to_path_buf())
    }

    fn at(place: Place, path: PathBuf) -> Result<Self> {
        let connection = connect(&place).map_err(|cause| failed(&path, &cause))?;
        let folder = match place {
            Place::Folder(folder, _) => Some(folder),
            Place::Memory(_) => None,
        };
        let sqlite = Self {
            connection,
            folder,
            path,
        };
        // Like any access, this rolls a journal back first. Afterwards no name is needed.
        sqlite.count("SELECT count(*) FROM sqlite_schema", &[])?;
        if let Some(folder) = sqlite.folder.as_ref().map(PrivateFolder::path) {
            for entry in fs::read_dir(folder).at("read", folder)? {
                let _ = fs::remove_file(entry.at("read", folder)?.path());
            }
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
    pub fn single_file(&mut self) -> Result<(File, u64)> {
        let Some(folder) = &self.folder else {
            return self.single_file_in_memory();
        };
        let out = folder.path().join("single.sqlite");
        // SQLite accepts an empty file. A file that it creates would be readable by other users.
        let file = new_file(&out).at("write a copy of", &self.path)?;
        let name = out.to_string_lossy();
        let written = self.connection.execute("VACUUM INTO ?1", [&*name]);
        let _ = fs::remove_file(&out);
        written.map_err(|cause| failed(&self.path, &cause))?;
        let length = file.metadata().at("write a copy of", &self.path)?.len();
        Ok((file, length))
    }

    /// The same without a folder.
    fn single_file_in_memory(&mut self) -> Result<(File, u64)> {
        let Self {
            connection, path, ..
        } = self;
        let content = connection
            .execute("VACUUM", [])
            .and_then(|_| connection.serialize(MAIN_DB))
            .map_err(|cause| failed(path, &cause))?;
        let mut file = unnamed_file(path)?;
        file.write_all(&content)
            .and_then(|()| file.rewind())
            .at("write a copy of", path)?;
        Ok((file, content.len() as u64))
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
fn connect(place: &Place) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = match place {
        Place::Folder(_, path) => Connection::open_with_flags(path, flags)?,
        Place::Memory(bytes) => {
            let mut connection = Connection::open_in_memory_with_flags(flags)?;
            if !bytes.is_empty() {
                connection.deserialize_read_exact(MAIN_DB, &bytes[..], bytes.len(), false)?;
            }
            connection
        }
    };
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
