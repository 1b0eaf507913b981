//! `apply`: changes a store to match a declarative list of organizations, users, buckets, tokens and
//! access of 1.x clients. Matching entries are not changed, so a second run changes nothing.

mod buckets;
mod entry;
mod exact_permission;
mod generate;
mod granted;
mod list;
mod mappings;
mod orgs_and_users;
mod parser;
mod passwords;
mod place;
mod said;
mod secret_files;
mod split;
mod tokens;
mod v1_users;

use std::path::PathBuf;

use serde::Serialize;

pub use list::List;
pub use secret_files::Secrets;

use crate::error::Result;
use crate::metadata::{Catalog, Id};
use crate::ops::auth::affected_tokens::AffectedToken;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// Options of `apply`.
pub struct Options<'a> {
    /// The list.
    pub list: &'a List,
    /// Whether to delete tokens of an earlier run that are no longer in the list.
    pub prune: bool,
    /// The explicit value of influxd's `use-hashed-tokens`, if set.
    pub use_hashed_tokens: Option<bool>,
    /// InfluxDB's setting `strong-passwords`.
    pub strong_passwords: bool,
}

/// The kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The entry is new.
    Create,
    /// An existing record is changed.
    Update,
    /// A token is replaced, because its permissions or owner differ.
    Replace,
    /// A record is deleted.
    Delete,
}

/// The kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An organization.
    Org,
    /// A user.
    User,
    /// A bucket.
    Bucket,
    /// A token.
    Token,
    /// A 1.x user.
    V1,
    /// A mapping of a 1.x database.
    Dbrp,
}

/// One planned change, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedChange {
    /// The kind of change.
    pub action: Action,
    /// The kind of record.
    pub kind: Kind,
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The organization it belongs to, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// Details for the report.
    pub details: Vec<String>,
}

/// The planned changes.
#[derive(Default)]
pub struct Plan {
    /// The edits. Empty if the store matches the list.
    pub changes: ChangeSet,
    /// The changes for the report.
    pub planned: Vec<PlannedChange>,
    /// Number of entries that need no change.
    pub same: usize,
    /// Deleted authorizations, including replaced ones.
    pub deleted: Vec<AffectedToken>,
    /// Whether the last usable operator token is deleted.
    pub last_operator: bool,
    /// Buckets that will keep points for a shorter time, as in the question.
    pub shortened: Vec<String>,
    /// Generated values and their files.
    pub generated: Vec<(PathBuf, Token)>,
    /// What the store lacks that the list means. To be told before anything is changed.
    pub lacking: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// The state of planning.
struct Work<'a> {
    snapshot: &'a dyn Snapshot,
    schema: u64,
    now: &'a Timestamp,
    plan: Plan,
}

impl Work<'_> {
    /// The store after the planned changes.
    fn preview(&self) -> Preview<'_> {
        Preview::new(self.snapshot, &self.plan.changes)
    }
}

/// Plans the changes.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that can't be
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] for names that do not exist, [`crate::ErrorKind::Refused`]
///   for everything that the single commands refuse; with line and field
pub fn plan(snapshot: &dyn Snapshot, options: &Options<'_>, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    all_decoded(&Catalog::load(snapshot)?.skipped)?;
    let mut work = Work {
        snapshot,
        schema,
        now,
        plan: Plan::default(),
    };
    orgs_and_users::orgs(&mut work, options.list)?;
    orgs_and_users::users(&mut work, options.list, options)?;
    buckets::buckets(&mut work, &options.list.buckets)?;
    tokens::tokens(&mut work, options.list, options)?;
    v1_users::v1_users(&mut work, &options.list.v1_users, options)?;
    mappings::mappings(&mut work, &options.list.mappings)?;
    Ok(work.plan)
}

impl Plan {
    /// Commits the changes and verifies them. Generated values are written to their files first.
    ///
    /// # Errors
    /// When the change was not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the list")
    }
}
