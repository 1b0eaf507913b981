//! Whether a supplied operator token opens a backup.

use serde::Serialize;

use crate::error::Result;
use crate::metadata::authenticate::{find, judge};
use crate::metadata::{Id, Kind as TokenKind, Storage, authorization};
use crate::ops::backup::summary::StoreFacts;
use crate::secret::Token;
use crate::store::Snapshot;

/// The check of a supplied operator token.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Supplied {
    /// Whether it opens the backup.
    pub matches: bool,
    /// Its authorization, if it belongs to one.
    pub id: Option<Id>,
    /// How its authorization stores it.
    #[serde(skip)]
    pub storage: Option<Storage>,
    /// Why it does not open the backup, or a note although it does.
    pub reason: Option<String>,
}

/// Checks a supplied operator token.
///
/// # Errors
/// When the store can't be read, or the token's record is damaged.
pub fn supplied(snapshot: &dyn Snapshot, facts: &StoreFacts, token: &Token) -> Result<Supplied> {
    let refused = |id, storage, reason: &str| Supplied {
        matches: false,
        id,
        storage,
        reason: Some(reason.to_owned()),
    };
    if token.reveal().is_empty() {
        return Ok(refused(None, None, "the given operator token is empty"));
    }
    let Some(id) = find(snapshot, token)? else {
        return Ok(refused(
            None,
            None,
            "no authorization of the backup has this token",
        ));
    };
    let schema = facts.summary.schema.migrations.readable;
    let judged = authorization::with(snapshot, id, |record| {
        let verdict = judge(record, &facts.catalog, &facts.indexes);
        let storage = Some(record.storage());
        let class = record.class();
        if class.kind != TokenKind::Operator {
            let why = format!("it is not an operator token, it is {}", article(class.kind));
            return refused(Some(id), storage, &why);
        }
        // The server migrates an older store during the restore.
        if !class.becomes_operator(schema) {
            let lacks: Vec<&str> = class.lacks(u64::MAX).collect();
            let why = format!(
                "it lacks the permissions for {}, and no upgrade adds them, so servers don't \
                 accept it as an operator token",
                lacks.join(", ")
            );
            return refused(Some(id), storage, &why);
        }
        if !verdict.authenticates {
            return refused(Some(id), storage, &verdict.reasons.join("; "));
        }
        Supplied {
            matches: true,
            id: Some(id),
            storage,
            reason: (!verdict.reasons.is_empty()).then(|| verdict.reasons.join("; ")),
        }
    })?;
    Ok(judged.unwrap_or_else(|| refused(Some(id), None, "its authorization does not exist")))
}

fn article(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Operator => "an operator token",
        TokenKind::AllAccess => "an all-access token",
        TokenKind::Custom => "a custom token",
    }
}
