//! What a family of cures reads, and what it adds to the plan.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::finding::{Code, Finding};
use crate::metadata::Schema;
use crate::metadata::authenticate::key_digest;
use crate::ops::repair::engine_shards::EngineShards;
use crate::ops::repair::left;
use crate::ops::timestamp::Timestamp;
use crate::store::{ChangeSet, Engine, Snapshot};

/// One finding that is cured. The texts may quote names from the database, but no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cure {
    /// The kind of finding.
    pub code: Code,
    /// The place of the finding.
    #[serde(rename = "where")]
    pub place: String,
    /// What is done, as in "adds the index entry".
    pub action: String,
    /// What is there before.
    pub before: String,
    /// What is there after.
    pub after: String,
    /// What is deleted, for the question.
    #[serde(skip)]
    pub deletes: Option<Deletion>,
    /// The token that a server accepts again, or that gets more permissions, for the question.
    #[serde(skip)]
    pub gains: Option<Gain>,
    /// The digest of a plaintext token that stays in unused bytes of the file, because no record has
    /// it then.
    #[serde(skip)]
    pub keeps_plaintext: Option<[u8; 16]>,
}

impl Cure {
    /// The action as a dry run says it: "would add the index entry".
    #[must_use]
    pub fn conditional(&self) -> String {
        // Every action begins with a verb such as "adds" or "writes".
        let (verb, rest) = self.action.split_once(' ').unwrap_or((&self.action, ""));
        let verb = verb.strip_suffix('s').unwrap_or(verb);
        format!("would {verb} {rest}")
    }
}

/// Something that is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// A record or a name, as in `task "daily"`.
    Named(String),
    /// An index entry that leads to nothing.
    Entry,
}

/// What an authorization gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// A server accepts its token again.
    Accepted,
    /// It gets permissions.
    Permissions,
}

/// One finding that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Left {
    /// The kind of finding.
    pub code: Code,
    /// The place of the finding.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found.
    pub message: String,
    /// Why it is left, and what helps.
    pub reason: String,
}

impl Cure {
    /// A cure that deletes nothing.
    pub(super) fn new(
        code: Code,
        place: impl Into<String>,
        action: impl Into<String>,
        before: impl Into<String>,
        after: impl Into<String>,
    ) -> Self {
        Self {
            code,
            place: place.into(),
            action: action.into(),
            before: before.into(),
            after: after.into(),
            deletes: None,
            gains: None,
            keeps_plaintext: None,
        }
    }

    /// Names what it deletes.
    pub(super) fn deleting(mut self, deletion: Deletion) -> Self {
        self.deletes = Some(deletion);
        self
    }

    /// Names what an authorization gains.
    pub(super) fn gaining(mut self, gain: Gain) -> Self {
        self.gains = Some(gain);
        self
    }

    /// Says that a plaintext token stays in unused bytes of the file.
    pub(super) fn keeping_plaintext(mut self, token: &[u8]) -> Self {
        self.keeps_plaintext = Some(key_digest(token));
        self
    }
}

/// Why single findings are left, by code and place.
#[derive(Default)]
pub(super) struct Reasons(HashMap<(Code, String), String>);

impl Reasons {
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// A finding that is left, with its reason.
    pub(super) fn left(&self, finding: Finding) -> Left {
        let Finding {
            code,
            place,
            message,
            ..
        } = finding;
        let key = (code, place);
        let reason = self.0.get(&key).cloned();
        let (code, place) = key;
        Left {
            reason: reason.unwrap_or_else(|| left::reason(code)),
            code,
            place,
            message,
        }
    }
}

/// The state of the store so far, and the cures of one family.
pub(super) struct PlannedCures<'a> {
    /// The store with the cures of the families before.
    pub(super) snapshot: &'a dyn Snapshot,
    /// The schema of the store, which is known.
    pub(super) schema: &'a Schema,
    /// The engine of the store.
    pub(super) engine: Engine,
    /// The current time.
    pub(super) now: &'a Timestamp,
    /// The shards in the engine folder.
    pub(super) engine_shards: &'a EngineShards,
    /// The changes of this family.
    pub(super) changes: ChangeSet,
    only: &'a BTreeSet<Code>,
    cures: Vec<Cure>,
    reasons: Reasons,
}

/// What a family adds to the plan.
pub(super) struct Done {
    pub(super) cures: Vec<Cure>,
    pub(super) reasons: Reasons,
    pub(super) changes: ChangeSet,
}

impl<'a> PlannedCures<'a> {
    pub(super) fn new(
        snapshot: &'a dyn Snapshot,
        schema: &'a Schema,
        engine: Engine,
        engine_shards: &'a EngineShards,
        only: &'a BTreeSet<Code>,
        now: &'a Timestamp,
    ) -> Self {
        Self {
            snapshot,
            schema,
            engine,
            now,
            engine_shards,
            changes: ChangeSet::default(),
            only,
            cures: Vec::new(),
            reasons: Reasons::default(),
        }
    }

    /// Whether findings of this code are to be cured.
    pub(super) fn wants(&self, code: Code) -> bool {
        self.only.is_empty() || self.only.contains(&code)
    }

    /// Adds a cure, if it is wanted, and makes its changes.
    pub(super) fn cure(&mut self, cure: Cure, change: impl FnOnce(&mut ChangeSet)) {
        if self.wants(cure.code) {
            change(&mut self.changes);
            self.cures.push(cure);
        }
    }

    /// Says why a finding is left.
    pub(super) fn leave(
        &mut self,
        code: Code,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) {
        self.reasons.0.insert((code, place.into()), reason.into());
    }

    pub(super) fn finish(self) -> Done {
        Done {
            cures: self.cures,
            reasons: self.reasons,
            changes: self.changes,
        }
    }
}

/// Bytes as findings show them.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The place of a record, as findings name it.
pub(super) fn place(bucket: &[u8], key: impl std::fmt::Display) -> String {
    format!("{}/{key}", text(bucket))
}
