//! The SQLite file beside the database, as far as going back is concerned. Its bytes are copied
//! under the lock of the database, and read after that lock is released.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Release;
use crate::metadata::release::SqlSchema;
use crate::store::{OpenOptions, Sqlite, SqliteCopy, Stamp, Store};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Options {
    /// The release to go to.
    pub target: Release,
    /// The SQLite file; none: `influxd.sqlite` beside the database, if it is there.
    pub sqlite: Option<PathBuf>,
}

/// What there is of an SQLite file.
#[derive(Debug, Clone)]
pub(crate) enum SqlSide {
    /// None.
    Absent,
    /// One of a known schema.
    Known(SqlRows, u64),
    /// One on which no known release starts.
    Unknown(String),
}

/// How many rows going back may cost.
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

/// An SQLite file that was read.
pub struct SqlBeside {
    pub(crate) path: PathBuf,
    stamp: Stamp,
    pub(crate) side: SqlSide,
    /// Why it can't be read, where that does not matter.
    pub(crate) unread: Option<String>,
}

impl SqlBeside {
    /// Reads the SQLite file of `database`, which must be free to be read.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Sqlite::open`].
    pub fn read(database: &Path, open: &OpenOptions, options: &Options) -> Result<Self> {
        Self::look(database, open, options, true)
    }

    /// The same where a file that can't be read matters only if the release has to change it.
    ///
    /// # Errors
    /// As [`SqlBeside::read`].
    pub fn read_for(database: &Path, open: &OpenOptions, options: &Options) -> Result<Self> {
        let Options { target, .. } = options;
        Self::look(database, open, options, Release::has_older_sql(*target))
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

    /// Refuses what became of the file since.
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

/// Where the SQLite file is to be looked for.
fn sqlite_path(database: &Path, options: &Options) -> Result<PathBuf> {
    let Some(path) = &options.sqlite else {
        return Ok(database.with_file_name("influxd.sqlite"));
    };
    if fs::symlink_metadata(path).is_err_and(|cause| cause.kind() == std::io::ErrorKind::NotFound) {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("there is no SQLite file {}", path.display()),
        )
        .with_hint("check the path after --sqlite-path"));
    }
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
