//! Access to a restored store: by an operator token of the backup, or by a new one.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, Storage};
use crate::ops::backup::summary::StoreFacts;
use crate::ops::backup::supplied_token::{Supplied, supplied};
use crate::ops::backup::token::owner;
use crate::ops::recover;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::secret::Token;
use crate::store::{ChangeSet, Snapshot};

/// Which operator token opens the restored store.
pub enum OperatorSource {
    /// This operator token of the backup.
    Token(Token),
    /// A new operator token.
    New,
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
        OperatorSource::New => return new_access(snapshot, facts, use_hashed_tokens, now),
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
    use_hashed_tokens: Option<bool>,
    now: &Timestamp,
) -> Result<AccessCheck> {
    let (user, org) = owner(facts)?;
    let for_whom = recover::operator::Options {
        user: Some(By::Id(user)),
        org: Some(By::Id(org)),
        use_hashed_tokens,
    };
    let mut new_token = recover::operator::plan(snapshot, &for_whom, now)?;
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
