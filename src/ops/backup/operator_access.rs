//! Who gets in: whoever has an operator token of the backup, or a new one.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, Storage};
use crate::ops::backup::operator::{Supplied, supplied};
use crate::ops::backup::summary::Looked;
use crate::ops::backup::token::owner;
use crate::ops::recover;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::secret::Token;
use crate::store::{ChangeSet, Snapshot};

/// Who is to get in.
pub enum OperatorSource {
    /// Whoever has this operator token of the backup.
    Token(Token),
    /// Whoever has one that is made now.
    New,
}

/// The operator token that gets in.
pub(super) struct OperatorAccess {
    pub(super) token: Token,
    pub(super) id: Id,
    pub(super) storage: Storage,
    /// If it is made now.
    pub(super) made: Option<token_plan::TokenPlan>,
    pub(super) changes: ChangeSet,
}

/// Whether somebody gets in.
pub(super) enum AccessCheck {
    Opens(Box<OperatorAccess>),
    OpensNot(Supplied),
}

/// Judges the operator token of the backup, or works out a new one.
///
/// # Errors
/// When the store can't be read; with a new one as [`recover::operator::plan`].
pub(super) fn check_access(
    snapshot: &dyn Snapshot,
    looked: &Looked,
    source: OperatorSource,
    use_hashed_tokens: Option<bool>,
    now: &Timestamp,
) -> Result<AccessCheck> {
    let token = match source {
        OperatorSource::Token(token) => token,
        OperatorSource::New => return new_access(snapshot, looked, use_hashed_tokens, now),
    };
    let judged = supplied(snapshot, looked, &token)?;
    let (true, Some(id), Some(storage)) = (judged.matches, judged.id, judged.storage) else {
        return Ok(AccessCheck::OpensNot(judged));
    };
    Ok(AccessCheck::Opens(Box::new(OperatorAccess {
        token,
        id,
        storage,
        made: None,
        changes: ChangeSet::default(),
    })))
}

fn new_access(
    snapshot: &dyn Snapshot,
    looked: &Looked,
    use_hashed_tokens: Option<bool>,
    now: &Timestamp,
) -> Result<AccessCheck> {
    let (user, org) = owner(looked)?;
    let for_whom = recover::operator::Options {
        user: Some(By::Id(user)),
        org: Some(By::Id(org)),
        use_hashed_tokens,
    };
    let mut made = recover::operator::plan(snapshot, &for_whom, now)?;
    let changes = std::mem::take(&mut made.changes);
    let storage = made.show(false, |made| made.entry.storage)?;
    let Some(token) = made.token().cloned() else {
        return Err(Error::new(ErrorKind::Refused, "no token was made"));
    };
    Ok(AccessCheck::Opens(Box::new(OperatorAccess {
        token,
        id: made.id(),
        storage,
        made: Some(made),
        changes,
    })))
}
