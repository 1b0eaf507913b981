//! `apply`: makes a store match a declarative list of organizations, users and tokens. What
//! matches already is left alone, so that a second run changes nothing.

mod list;
mod people;
mod tokens;
mod tree;

use std::path::PathBuf;

use serde::Serialize;

pub use list::{Generated, List, Secrets};

use crate::error::Result;
use crate::metadata::{Catalog, Id};
use crate::ops::auth::delete::DeletedAuthorization;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// How a list is applied.
pub struct Options<'a> {
    /// What the store is to have.
    pub list: &'a List,
    /// Whether tokens go that an earlier run made and the list no longer names.
    pub prune: bool,
    /// What an explicit `use-hashed-tokens` of influxd says.
    pub use_hashed_tokens: Option<bool>,
    /// InfluxDB's setting `strong-passwords`.
    pub strong_passwords: bool,
}

/// What is done to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Create,
    /// It gets what it lacks.
    Update,
    /// Another record takes its place: of tokens whose permissions or owner differ.
    Replace,
    /// It goes.
    Delete,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An organization.
    Org,
    /// A user.
    User,
    /// A token.
    Token,
}

/// One change, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// What is done.
    pub action: Action,
    /// To what sort of thing.
    pub kind: Kind,
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// A token's organization, if that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// What it is, or gets.
    pub details: Vec<String>,
}

/// All that is to be done.
#[derive(Default)]
pub struct Plan {
    /// What is to be written; nothing if all is as the list says.
    pub changes: ChangeSet,
    /// The same in words.
    pub planned: Vec<PlannedChange>,
    /// How many things are as the list says.
    pub same: usize,
    /// Authorizations that go, those that are replaced included.
    pub deleted: Vec<DeletedAuthorization>,
    /// Whether this leaves no usable operator token, though there was one.
    pub last_operator: bool,
    /// Values that were made, and the files they go to.
    pub made: Vec<(PathBuf, Token)>,
    /// What is to be told beside the report.
    pub notes: Vec<String>,
}

/// What is worked out so far.
struct Work<'a> {
    snapshot: &'a dyn Snapshot,
    schema: u64,
    now: &'a Timestamp,
    plan: Plan,
}

impl Work<'_> {
    /// The store as it will be.
    fn preview(&self) -> Preview<'_> {
        Preview::new(self.snapshot, &self.plan.changes)
    }
}

/// Works out what is to be done.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that are not
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] for names that do not exist, [`crate::ErrorKind::Refused`]
///   for everything that the single commands would refuse; with line and field
pub fn plan(snapshot: &dyn Snapshot, options: &Options<'_>, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    all_decoded(&Catalog::load(snapshot)?.skipped)?;
    let mut work = Work {
        snapshot,
        schema,
        now,
        plan: Plan::default(),
    };
    people::orgs(&mut work, options.list)?;
    people::users(&mut work, options.list, options)?;
    tokens::tokens(&mut work, options.list, options)?;
    Ok(work.plan)
}

impl Plan {
    /// Makes it hold, and proves that the file shows it. Values that were made are in their files
    /// before.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the list")
    }
}
