//! Predicts the result of `influx restore --full`, which depends on the operator tokens of the backup.

use serde::Serialize;

use crate::error::Result;
use crate::metadata::authenticate::judge;
use crate::metadata::{Authorization, authorization, names};
use crate::ops::backup::summary::StoreFacts;
use crate::ops::backup::supplied_token::Supplied;
use crate::store::Snapshot;

/// The result of `influx restore --full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It succeeds.
    Ok,
    /// It succeeds if an operator token of the backup is given with `--operator-token`.
    NeedsOperatorToken,
    /// It replaces the metadata and then fails with 401.
    Fails,
}

/// The results with both generations of the influx CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Without `--operator-token`.
    pub cli_before_28: Answer,
    /// With `--operator-token`, which is used only when the server's reply contains no token.
    pub cli_28: Answer,
}

/// Predicts a full restore from the server's reply and the CLI's token. The reply contains the
/// plaintext of the first active operator token in ID order, or nothing if that token is hashed.
///
/// # Errors
/// When the store can't be read.
pub fn full_restore(
    snapshot: &dyn Snapshot,
    facts: &StoreFacts,
    supplied: Option<&Supplied>,
) -> Result<Answers> {
    let schema = facts.summary.schema.migrations.readable;
    // For the first operator token: whether its plaintext is stored, and whether it works.
    let mut first: Option<(bool, bool)> = None;
    let mut one_would_do = false;
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if !record.class().becomes_operator(schema) {
            return;
        }
        let works = works(record, facts);
        one_would_do |= works;
        if first.is_none() && record.is_active() {
            first = Some((!record.token.is_empty(), works));
        }
    })?;
    let all = |answer| Answers {
        cli_before_28: answer,
        cli_28: answer,
    };
    Ok(match (first, supplied) {
        // A store without an operator token fails, but only after the server has replaced its
        // metadata.
        (None, _) | (Some((true, false)), _) => all(Answer::Fails),
        (Some((true, true)), _) => all(Answer::Ok),
        (Some((false, _)), supplied) => Answers {
            cli_before_28: Answer::Fails,
            cli_28: match supplied {
                Some(supplied) if supplied.matches => Answer::Ok,
                None if one_would_do => Answer::NeedsOperatorToken,
                _ => Answer::Fails,
            },
        },
    })
}

fn works(record: &Authorization<'_>, facts: &StoreFacts) -> bool {
    judge(record, &facts.catalog, &facts.indexes).authenticates
}
