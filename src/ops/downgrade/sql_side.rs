//! What a downgrade needs to know about the SQLite file beside the database. The file is copied under
//! the lock of the database and read after that lock is released.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Release;
use crate::metadata::release::SqlSchema;
use crate::ops::files::one_set::named_sqlite;
use crate::store::{OpenOptions, Sqlite, SqliteCopy, Stamp, Store};

/// Options of the check.
#[derive(Debug, Clone)]
pub struct Options {
    /// The target release.
    pub target: Release,
    /// The SQLite file. Default: `influxd.sqlite` beside the database, if it exists.
    pub sqlite: Option<PathBuf>,
}

/// The state of the SQLite file.
#[derive(Debug, Clone)]
pub(crate) enum SqlSide {
    /// It does not exist.
    Absent,
    /// It has a known schema.
    Known(SqlRows, u64),
    /// It has a schema on which no known release starts.
    Unknown(String),
}

/// Numbers of rows that a downgrade may lose.
#[derive(Debug, Clone)]
pub(crate) struct SqlRows {
    pub(crate) remotes: u64,
    pub(crate) remotes_without_org: u64,
    pub(crate) replications: u64,
    pub(crate) replications_by_name: u64,
    pub(crate) notebooks: u64,
    pub(crate) streams: u64,
    pub(crate) annotations: u64,
}

/// The SQLite file beside a database, after reading.
pub struct SqlBeside {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    pub(crate) side: SqlSide,
    /// Why it can't be read, if the downgrade does not need it.
    pub(crate) unread: Option<String>,
}

impl SqlBeside {
    /// Reads the SQLite file of `database`. No other process may hold the lock of the database.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Sqlite::open`].
    pub fn read(database: &Path, open: &OpenOptions, options: &Options) -> Result<Self> {
        Self::look(database, open, options, true)
    }

    /// Like [`SqlBeside::read`], but a file that can't be read is an error only if the downgrade has
    /// to change it.
    ///
    /// # Errors
    /// As [`SqlBeside::read`].
    pub fn read_for(database: &Path, open: &OpenOptions, options: &Options) -> Result<Self> {
        let Options { target, .. } = options;
        Self::look(database, open, options, Release::has_older_sql(*target))
    }

    /// For a database that has no SQLite file beside it.
    #[must_use]
    pub fn none(database: &Path) -> Self {
        let path = database.with_file_name("influxd.sqlite");
        let stamp = Stamp::of(&path);
        let (side, unread) = (SqlSide::Absent, None);
        Self {
            path,
            stamp,
            side,
            unread,
        }
    }

    fn look(database: &Path, open: &OpenOptions, options: &Options, matters: bool) -> Result<Self> {
        let store = Store::open(database, open)?;
        let path = sqlite_path(database, options)?;
        let stamp = Stamp::of(&path);
        let copy = SqliteCopy::take(&path);
        drop(store);
        let (side, unread) = match copy.and_then(SqlSide::of) {
            Ok(side) => (side, None),
            Err(error) if matters => return Err(error),
            Err(error) => (SqlSide::Absent, Some(error.to_string())),
        };
        Ok(Self {
            path,
            stamp,
            side,
            unread,
        })
    }

    /// Refuses a file that changed after it was read.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it was changed or replaced.
    pub(crate) fn is_unchanged(&self) -> Result<()> {
        if Stamp::of(&self.path) == self.stamp {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!("{} changed while the command ran", self.path.display()),
        )
        .with_hint("stop the influxd that uses it, then run the command again"))
    }
}

/// The path of the SQLite file.
fn sqlite_path(database: &Path, options: &Options) -> Result<PathBuf> {
    let Some(path) = &options.sqlite else {
        return Ok(database.with_file_name("influxd.sqlite"));
    };
    named_sqlite(path)?;
    Ok(path.clone())
}

impl SqlSide {
    fn of(copy: Option<SqliteCopy>) -> Result<Self> {
        let Some(copy) = copy else {
            return Ok(Self::Absent);
        };
        let sqlite = Sqlite::of(copy)?;
        Ok(match SqlSchema::of(&sqlite.migrations()?) {
            SqlSchema::Known(number) => Self::Known(SqlRows::of(&sqlite)?, number),
            SqlSchema::Unknown(name) => Self::Unknown(name),
        })
    }
}

impl SqlRows {
    fn of(sqlite: &Sqlite) -> Result<Self> {
        Ok(Self {
            remotes: sqlite.rows("remotes")?,
            remotes_without_org: sqlite.rows_without("remotes", "remote_org_id")?,
            replications: sqlite.rows("replications")?,
            replications_by_name: sqlite.rows_other_than(
                "replications",
                "remote_bucket_name",
                "",
            )?,
            notebooks: sqlite.rows("notebooks")?,
            streams: sqlite.rows("streams")?,
            annotations: sqlite.rows("annotations")?,
        })
    }
}
