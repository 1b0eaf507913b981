//! Access to a restored store: by an operator token of the backup, or by a new one.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, Storage};
use crate::ops::backup::summary::StoreFacts;
use crate::ops::backup::supplied_token::{Supplied, supplied};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::recover;
use crate::ops::recover::operator::{Choice, Choices, choices_of};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::secret::Token;
use crate::store::{ChangeSet, Snapshot};

/// Which operator token opens the restored store.
pub enum OperatorSource {
    /// This operator token of the backup.
    Token(Token),
    /// An operator token of the backup that is asked for later.
    NotYet,
    /// A new operator token of this user and organization. Default: the only ones.
    New {
        /// The owner.
        user: Option<By>,
        /// The organization.
        org: Option<By>,
    },
}

/// The operator token that opens the restored store.
pub(super) struct OperatorAccess {
    pub(super) token: Token,
    pub(super) id: Id,
    pub(super) storage: Storage,
    /// The plan of a new token.
    pub(super) new_token: Option<token_plan::TokenPlan>,
    pub(super) changes: ChangeSet,
}

/// The result of the access check.
pub(super) enum AccessCheck {
    Opens(Box<OperatorAccess>),
    OpensNot(Supplied),
    Missing(Missing),
}

/// What must be asked for.
pub enum Missing {
    /// The operator token of the backup.
    Token,
    /// The user or the organization of a new operator token. There are several, and none is named.
    Owner(Choices),
}

/// Checks the operator token of the backup, or plans a new one.
///
/// # Errors
/// When the store can't be read; with a new one as [`recover::operator::plan`].
pub(super) fn check_access(
    snapshot: &dyn Snapshot,
    facts: &StoreFacts,
    source: OperatorSource,
    use_hashed_tokens: Option<bool>,
    now: &Timestamp,
) -> Result<AccessCheck> {
    let token = match source {
        OperatorSource::Token(token) => token,
        OperatorSource::NotYet => return Ok(AccessCheck::Missing(Missing::Token)),
        OperatorSource::New { user, org } => {
            let options = recover::operator::Options {
                user,
                org,
                use_hashed_tokens,
            };
            return new_access(snapshot, facts, &options, now);
        }
    };
    let judged = supplied(snapshot, facts, &token)?;
    let (true, Some(id), Some(storage)) = (judged.matches, judged.id, judged.storage) else {
        return Ok(AccessCheck::OpensNot(judged));
    };
    Ok(AccessCheck::Opens(Box::new(OperatorAccess {
        token,
        id,
        storage,
        new_token: None,
        changes: ChangeSet::default(),
    })))
}

fn new_access(
    snapshot: &dyn Snapshot,
    facts: &StoreFacts,
    options: &recover::operator::Options,
    now: &Timestamp,
) -> Result<AccessCheck> {
    let choices = choices_of(&facts.catalog);
    let is_open = |by: &Option<By>, choices: &[Choice]| by.is_none() && choices.len() > 1;
    if is_open(&options.user, &choices.users) || is_open(&options.org, &choices.orgs) {
        // Refuse what can be refused before the question.
        known_schema(snapshot)?;
        all_decoded(&facts.catalog.skipped)?;
        return Ok(AccessCheck::Missing(Missing::Owner(choices)));
    }
    let mut new_token = recover::operator::plan(snapshot, options, now)?;
    let changes = std::mem::take(&mut new_token.changes);
    let storage = new_token.show(false, |new_token| new_token.entry.storage)?;
    let Some(token) = new_token.token().cloned() else {
        return Err(Error::new(ErrorKind::Refused, "no token was created"));
    };
    Ok(AccessCheck::Opens(Box::new(OperatorAccess {
        token,
        id: new_token.id(),
        storage,
        new_token: Some(new_token),
        changes,
    })))
}
