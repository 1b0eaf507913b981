//! Whether database, SQLite file and engine folder belong together. influxd uses the files that are
//! in their places, even those of another server.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::release::SqlSchema;
use crate::metadata::tsm::Placed;
use crate::metadata::{Catalog, Id, Release, Schema, tsm};
use crate::ops::files::engine_folder;
use crate::store::{Snapshot, Sqlite};

/// The tables of the SQLite file whose rows belong to organizations.
const OF_ORGANIZATIONS: [&str; 5] = [
    "notebooks",
    "streams",
    "annotations",
    "remotes",
    "replications",
];

/// Folders in the engine folder that a beta of 2.0 created.
const OF_BETAS: [&str; 2] = ["_series", "index"];

/// The SQLite file beside a database. influxd uses it unless it is set to another one.
#[must_use]
pub fn sqlite_beside(database: &Path) -> PathBuf {
    database.with_file_name("influxd.sqlite")
}

/// The engine folder beside a database. influxd uses it unless it is set to another one.
#[must_use]
pub fn engine_beside(database: &Path) -> PathBuf {
    database.with_file_name("engine")
}

/// Refuses an SQLite file that was named and is not there. Without a name it may be missing.
///
/// # Errors
/// [`ErrorKind::NotFound`]; [`ErrorKind::Io`] when it can't be looked at.
pub fn named_sqlite(path: &Path) -> Result<()> {
    let hint = "check the path given with --sqlite-path";
    match path.metadata() {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => {
            let why = format!("{} is not a regular file", path.display());
            Err(Error::new(ErrorKind::Refused, why).with_hint(hint))
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let why = format!("there is no SQLite file {}", path.display());
            Err(Error::new(ErrorKind::NotFound, why).with_hint(hint))
        }
        Err(cause) => Err(cause)
            .at("read", path)
            .map_err(|error: Error| error.with_hint(hint)),
    }
}

/// A file of another store beside a new one that influxd would use with it.
#[must_use]
pub fn stranger_beside(database: &Path) -> Option<PathBuf> {
    let sqlite = sqlite_beside(database);
    sqlite.exists().then_some(sqlite)
}

/// The facts in a database about the files that belong to it.
#[derive(Debug, Default)]
pub struct OneSet {
    /// The schema, if it is known.
    migrations: Option<u64>,
    /// The organizations, if all could be read.
    orgs: Option<BTreeSet<Id>>,
    /// The shards, and the highest number of one, if they could be read.
    shards: Option<(BTreeSet<Placed>, u64)>,
}

impl OneSet {
    /// Reads the facts. Damaged parts are left out.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(snapshot: &dyn Snapshot, schema: &Schema, catalog: &Catalog) -> Result<Self> {
        let shards = match tsm::load(snapshot) {
            Ok(Some(data)) => Some((data.shards().into_iter().collect(), data.highest().shard)),
            Ok(None) => None,
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            Err(error) => return Err(error),
        };
        let whole = catalog.skipped.is_empty();
        Ok(Self {
            migrations: schema.known.then_some(schema.migrations),
            orgs: whole.then(|| catalog.orgs.keys().copied().collect()),
            shards,
        })
    }

    /// Checks the SQLite file and the engine folder beside the database. The lock is not needed.
    #[must_use]
    pub fn look_beside(&self, database: &Path) -> Vec<Finding> {
        self.look_at(&sqlite_beside(database), &engine_beside(database))
    }

    /// Checks this SQLite file and this engine folder. The lock is not needed.
    #[must_use]
    pub fn look_at(&self, sqlite: &Path, engine: &Path) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Err(error) = self.sqlite(sqlite, &mut findings) {
            findings.push(unread_sqlite(sqlite, &error));
        }
        if let Err(error) = self.engine(engine, &mut findings) {
            findings.push(unread(engine, &error));
        }
        findings
    }

    fn sqlite(&self, path: &Path, findings: &mut Vec<Finding>) -> Result<()> {
        let Some(sqlite) = Sqlite::open(path)? else {
            return Ok(());
        };
        let at = path.display().to_string();
        match SqlSchema::of(&sqlite.migrations()?) {
            SqlSchema::Unknown(name) => findings.push(Finding::new(
                Code::SqliteUnusable,
                &*at,
                format!(
                    "InfluxDB up to 2.9 does not know its migration {name:?}, so influxd does not \
                     start"
                ),
            )),
            SqlSchema::Known(number) => findings.extend(self.sql_schema(&at, number)),
        }
        let Some(orgs) = &self.orgs else {
            return Ok(());
        };
        let mut named = BTreeSet::<Id>::new();
        for table in OF_ORGANIZATIONS {
            let values = sqlite.values(table, "org_id")?;
            named.extend(values.iter().filter_map(|value| value.parse::<Id>().ok()));
        }
        if !named.is_empty() && named.is_disjoint(orgs) {
            findings.push(Finding::new(
                Code::SqliteForeign,
                at,
                format!(
                    "the database has none of its {}, so it belongs to another server",
                    counted(named.len() as u64, "organization")
                ),
            ));
        }
        Ok(())
    }

    /// An SQLite file of a different release than the database.
    fn sql_schema(&self, at: &str, number: u64) -> Option<Finding> {
        let migrations = self.migrations?;
        // A file without migrations was not opened by a server yet.
        if number == 0 {
            return None;
        }
        let mut fits = Release::ALL
            .into_iter()
            .filter(|release| release.migrations() == migrations);
        let (oldest, newest) = (fits.next()?, fits.next_back());
        let newest = newest.unwrap_or(oldest);
        let of = if number < oldest.sql_migrations() {
            "an older"
        } else if number > newest.sql_migrations() {
            "a newer"
        } else {
            return None;
        };
        let message = format!(
            "its schema {number} is from {of} release than schema {migrations} of the database: \
             they were not last used together"
        );
        Some(Finding::new(Code::SqliteSchema, at, message))
    }

    fn engine(&self, path: &Path, findings: &mut Vec<Finding>) -> Result<()> {
        for name in OF_BETAS {
            let old = path.join(name);
            if old.is_dir() {
                findings.push(Finding::new(
                    Code::EngineOld,
                    old.display().to_string(),
                    "this folder is from a beta of InfluxDB 2.0; influxd does not start while it \
                     exists",
                ));
            }
        }
        let (Some((known, highest)), true) = (&self.shards, path.is_dir()) else {
            return Ok(());
        };
        let present: BTreeSet<Placed> = engine_folder::shards(path)?.into_iter().collect();
        let at = path.display().to_string();
        let unknown: Vec<&Placed> = present.difference(known).collect();
        if let Some(last) = unknown.iter().map(|placed| placed.shard).max() {
            let number = counted(unknown.len() as u64, "shard");
            let message = if last > *highest {
                format!(
                    "it contains {number} that the database does not know, up to number {last}; \
                     influxd assigns the numbers after {highest} again, and one bucket then reads \
                     the points of another"
                )
            } else {
                format!(
                    "it contains {number} that the database does not know; their points can't be \
                     queried"
                )
            };
            findings.push(Finding::new(Code::EngineForeign, &*at, message));
        }
        // influxd creates the folder of a shard with its first point.
        if !known.is_empty() && known.is_disjoint(&present) {
            let number = counted(known.len() as u64, "shard");
            let message = format!("it contains none of the {number} that the database knows");
            findings.push(Finding::new(Code::EngineEmpty, at, message));
        }
        Ok(())
    }
}

fn unread_sqlite(path: &Path, error: &Error) -> Finding {
    let severity = match error.kind() {
        ErrorKind::NotAStore => Severity::Error,
        // influxd may never read the damaged part.
        ErrorKind::Corrupt => Severity::Warning,
        _ => return unread(path, error),
    };
    let at = path.display().to_string();
    let message = format!("influxd can't use it: {error}");
    Finding::new(Code::SqliteUnusable, at, message).with_severity(severity)
}

fn unread(path: &Path, error: &Error) -> Finding {
    Finding::new(
        Code::SiblingUnread,
        path.display().to_string(),
        format!("it is unknown whether it belongs to the database: {error}"),
    )
}
