//! A report that is written while stores are read: sections first, then a head that knows them all.

use serde::Serialize;

use crate::cli::exit;
use crate::error::{Error, Result};
use crate::ops::report::StoreReport;
use crate::ops::report::overview::Row;

/// A format with one section for each store.
pub trait Document: Sync {
    /// The section about a store. `number` tells it from the others; with `alone`, there is no other.
    ///
    /// # Errors
    /// When it can't be rendered.
    fn section(&self, store: &StoreReport, number: usize, alone: bool) -> Result<Vec<u8>>;

    /// How many bytes of the first section are left out: those that separate it from one before.
    fn skipped_at_first(&self) -> usize {
        0
    }

    /// Everything before the sections.
    ///
    /// # Errors
    /// As [`Document::section`].
    fn begin(&self, head: &Head) -> Result<Vec<u8>>;

    /// Everything after the sections.
    fn end(&self) -> Vec<u8>;
}

/// What the beginning of a report says.
pub struct Head {
    /// The version of this program.
    pub version: &'static str,
    /// The time of the report, RFC 3339 in UTC.
    pub made: String,
    /// Whether there is one store only. Then there is no overview.
    pub alone: bool,
    /// The stores, in the order of the input.
    pub rows: Vec<OverviewRow>,
}

/// A store in the overview.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OverviewRow {
    /// It was read.
    Read {
        /// The number of its section.
        #[serde(skip)]
        number: usize,
        /// What is known.
        #[serde(flatten)]
        row: Row,
    },
    /// It could not be read.
    Unread(Unread),
}

impl OverviewRow {
    /// The path of the store.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Read { row, .. } => &row.path,
            Self::Unread(row) => &row.database.path,
        }
    }

    /// What is known of it, if it was read.
    #[must_use]
    pub fn read(&self) -> Option<&Row> {
        match self {
            Self::Read { row, .. } => Some(row),
            Self::Unread(_) => None,
        }
    }
}

/// A store that could not be read, and why.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unread {
    /// The store.
    pub database: Path,
    /// The reason.
    pub error: Reason,
}

/// The path of a store.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Path {
    /// As text.
    pub path: String,
}

/// Why a store could not be read, in the fields of every failure.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reason {
    /// The name of the exit code.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Unread {
    /// Of an error.
    #[must_use]
    pub fn new(path: &std::path::Path, error: &Error) -> Self {
        Self {
            database: Path {
                path: path.display().to_string(),
            },
            error: Reason {
                code: exit::code_of(error.kind()).1,
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
            },
        }
    }
}
