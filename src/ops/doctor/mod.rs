//! `doctor`: examines everything about a store or a backup, as a tree of checks, and names the command
//! to run first. The checks are those of `check`, `status`, `repair`, `downgrade check` and
//! `backup inspect`; this folder arranges them and chooses the commands.

mod access;
mod backup;
mod command_line;
mod content;
mod cures;
mod files_around;
mod host_facts;
mod of_store;
mod plaintext;
mod space;
mod start;
mod unreadable;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::ops::check::check;
use crate::ops::files::engine_folder::named_engine;
use crate::ops::files::one_set::{engine_beside, named_sqlite, sqlite_beside};
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::status::status;
use crate::ops::timestamp::Timestamp;
use crate::store::{OpenOptions, Store};

pub use backup::examine_backup;
pub use host_facts::{Chosen, HostFacts, Installed, ServiceUser};
pub(crate) use host_facts::{no_holder, owner_and_mode};
pub(crate) use of_store::{OfStore, shards_for_repair};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// Something is off, but influxd starts and tokens and logins work.
    Warn,
    /// influxd would not start, nobody gets in, data are lost or about to be.
    Fail,
}

impl Verdict {
    /// Its name as reports print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One check, and the checks below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// A stable name, such as `lock`, or the code of a finding.
    pub id: String,
    /// The worst result of this check and those below it.
    pub result: Verdict,
    /// What was found, in one sentence without a full stop.
    pub message: String,
    /// What to do, in one sentence; none if nothing has to be done.
    pub hint: Option<String>,
    /// One command that helps, ready to run but for the values in `<…>`.
    pub command: Option<String>,
    /// The checks below it.
    pub checks: Vec<Check>,
}

/// The report of `doctor`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Examined {
    /// The store or backup.
    pub path: PathBuf,
    /// The worst result.
    pub verdict: Verdict,
    /// The checks, in the order in which one acts on them.
    pub checks: Vec<Check>,
    /// Why the store could not be read, if it could not.
    #[serde(skip)]
    pub failure: Option<Error>,
}

/// What `doctor` looks at.
#[derive(Debug, Default)]
pub struct Options {
    /// The engine folder of influxd. `None`: `engine` beside the database.
    pub engine_path: Option<PathBuf>,
    /// The SQLite file of influxd. `None`: `influxd.sqlite` beside the database.
    pub sqlite_path: Option<PathBuf>,
    /// How to open files.
    pub open: OpenOptions,
}

impl Options {
    /// Refuses files that were named and are not there.
    fn are_there(&self) -> Result<()> {
        self.sqlite_path.as_deref().map_or(Ok(()), named_sqlite)?;
        self.engine_path.as_deref().map_or(Ok(()), named_engine)
    }
}

impl Check {
    /// A check that found nothing wrong.
    fn ok(id: &str, message: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            result: Verdict::Ok,
            message: message.into(),
            hint: None,
            command: None,
            checks: Vec::new(),
        }
    }

    /// A check that found something, with one sentence that says what to do, and the command that
    /// helps.
    fn found(
        id: &str,
        result: Verdict,
        message: impl Into<String>,
        hint: impl Into<String>,
        command: Option<String>,
    ) -> Self {
        Self {
            result,
            hint: Some(hint.into()),
            command,
            ..Self::ok(id, message)
        }
    }

    /// A check that is as bad as the worst of those below it.
    fn group(id: &str, message: impl Into<String>, checks: Vec<Self>) -> Self {
        let worst = checks.iter().map(|check| check.result).max();
        Self {
            result: worst.unwrap_or(Verdict::Ok),
            checks,
            ..Self::ok(id, message)
        }
    }
}

impl Examined {
    fn new(path: &Path, checks: Vec<Check>, failure: Option<Error>) -> Self {
        let worst = checks.iter().map(|check| check.result).max();
        Self {
            path: path.to_path_buf(),
            verdict: worst.unwrap_or(Verdict::Ok),
            checks,
            failure,
        }
    }

    /// The check to act on first: the first of the worst that has a command; none if nothing is
    /// wrong.
    #[must_use]
    pub fn first_step(&self) -> Option<&Check> {
        let worst = self.verdict;
        (worst > Verdict::Ok).then(|| first_of(&self.checks, worst))?
    }
}

fn first_of(checks: &[Check], worst: Verdict) -> Option<&Check> {
    checks
        .iter()
        .filter(|check| check.result == worst)
        .find_map(|check| {
            first_of(&check.checks, worst).or_else(|| check.command.is_some().then_some(check))
        })
}

/// Examines a store, and the files around it. A store that is held or can't be read is not an error
/// of this function: [`Examined::failure`] tells why, after all that is known without it.
///
/// # Errors
/// When a file can't be read.
pub fn examine(
    path: &Path,
    host: &HostFacts,
    options: &Options,
    now: &Timestamp,
) -> Result<Examined> {
    options.are_there()?;
    let mut checks = vec![host_facts::which_store(path, host)];
    if !path.exists() {
        return Ok(Examined::new(path, checks, None));
    }
    let sqlite = options.sqlite_path.clone();
    let sqlite = sqlite.unwrap_or_else(|| sqlite_beside(path));
    let engine = options.engine_path.clone();
    let engine = engine.unwrap_or_else(|| engine_beside(path));
    let (sql, _) = SqlTokens::beside(path);
    let shards = shards_for_repair(path, &engine, &options.open);
    let store = match Store::open(path, &options.open) {
        Ok(store) => store,
        Err(error) if error.kind() == ErrorKind::Locked => {
            checks.push(host_facts::held(path, &error));
            checks.push(owner_and_mode(path, host)?);
            return Ok(Examined::new(path, checks, Some(error)));
        }
        Err(error) => {
            checks.push(owner_and_mode(path, host)?);
            checks.push(unreadable::check(path, &error));
            return Ok(Examined::new(path, checks, Some(error)));
        }
    };
    checks.push(no_holder(&store));
    checks.push(owner_and_mode(path, host)?);
    if let Some(check) = unreadable::no_metadata(path, &store)? {
        checks.push(check.0);
        return Ok(Examined::new(path, checks, Some(check.1)));
    }
    let found = check(&store, false)?;
    let of_store = OfStore::of(&store, &found, &shards, host, &sqlite, &options.open, now)?;
    let mut report = status(&store, &sql)?;
    let size = store.description().size_bytes;
    drop(store);
    report.look_beside(&sql);
    checks.extend(of_store.with_files(path, &report, &sqlite, &engine));
    checks.push(space::check(path, space::free(path), size));
    Ok(Examined::new(path, checks, None))
}
