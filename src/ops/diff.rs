//! `diff`: what differs between two stores or backups, or between the last two transactions of one.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::differences::{Change, Kind, find};
use crate::metadata::{Schema, names};
use crate::ops::backup::source::{Backup, From};
use crate::ops::known::Number;
use crate::ops::previous;
use crate::store::{Engine, OpenOptions, Store};

/// The report of `diff`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diff {
    /// The first store.
    pub before: Compared,
    /// The second store.
    pub after: Compared,
    /// Whether they are equal. None if no difference was found, but damage hides records.
    pub equal: Option<bool>,
    /// What differs, by kind.
    pub changes: Vec<Change>,
    /// The kinds of records that damage hides in one of them.
    pub incomplete: Vec<Kind>,
    /// Whether the text lists all differences; otherwise the first ones of each kind.
    #[serde(skip)]
    pub list_all: bool,
}

/// One of the two stores.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Compared {
    /// Its path.
    pub path: PathBuf,
    /// Detected by content.
    pub engine: Engine,
    /// Whether its previous transaction was read.
    pub previous: bool,
    /// The highest finished migration.
    pub migrations: Number,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// A store to compare.
pub struct Operand<'a> {
    /// A database, or a backup of any kind.
    pub path: &'a Path,
    /// Whether its previous transaction is meant.
    pub previous: bool,
}

/// Opens an operand.
///
/// # Errors
/// As [`Backup::open`] and [`Store::open`]; [`crate::ErrorKind::Corrupt`] when the previous
/// transaction is not complete.
pub fn open(operand: &Operand<'_>, options: &OpenOptions) -> Result<Store> {
    let backup = Backup::open(From::Path(operand.path), None)?;
    let store = backup.store(options)?;
    match operand.previous {
        true => previous::open(&store),
        false => Ok(store),
    }
}

/// Compares two stores. `previous` says of which the previous transaction was opened.
///
/// # Errors
/// When one of them can't be read; damage is told in the report.
pub fn diff(before: &Store, after: &Store, previous: [bool; 2]) -> Result<Diff> {
    let found = find(
        (before.snapshot(), before.inspect()),
        (after.snapshot(), after.inspect()),
    )?;
    let equal = match (found.changes.is_empty(), found.incomplete.is_empty()) {
        (true, true) => Some(true),
        (true, false) => None,
        (false, _) => Some(false),
    };
    let [first, second] = previous;
    let [hidden_before, hidden_after] = found.hidden_migrations;
    Ok(Diff {
        before: Compared::new(before, first, hidden_before, found.skipped_before)?,
        after: Compared::new(after, second, hidden_after, found.skipped_after)?,
        equal,
        changes: found.changes,
        incomplete: found.incomplete,
        list_all: false,
    })
}

impl Compared {
    fn new(store: &Store, previous: bool, hidden: bool, skipped: Vec<Finding>) -> Result<Self> {
        let description = store.description();
        let schema = Schema::load(store.snapshot())?;
        let hides = |finding: &Finding| finding.code.is_structure();
        let bucket = String::from_utf8_lossy(names::MIGRATIONS);
        let hidden = hidden
            || schema.findings.iter().any(hides)
            || skipped
                .iter()
                .any(|finding| finding.place.starts_with(&*bucket));
        Ok(Self {
            path: description.path.clone(),
            engine: description.engine,
            previous,
            migrations: Number::new(schema.migrations, hidden),
            skipped,
        })
    }
}
