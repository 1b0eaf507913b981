//! The overview of many stores: one row for each.

use serde::Serialize;

use crate::ops::doctor::Verdict;
use crate::ops::known::Number;
use crate::ops::report::StoreReport;
use crate::store::Engine;

/// What the overview says about a store that was read.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its path.
    pub path: String,
    /// Detected by content.
    pub engine: Engine,
    /// The highest finished migration.
    pub schema: Number,
    /// The releases that write it.
    pub release: &'static str,
    /// How bad its state is.
    pub verdict: Verdict,
    /// The most urgent reason for the verdict; none if nothing has to be done.
    pub reason: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// The command for it; none if there is none that can be run as it is.
    pub command: Option<String>,
    /// Number of tokens.
    pub tokens: Number,
    /// Operator tokens that a server accepts; those that it may accept count.
    pub operator_tokens: Number,
    /// Users who can sign in and have operator power; those that may have it count.
    pub operator_logins: Number,
    /// Where tokens are readable in plaintext.
    pub plaintext: Plaintext,
    /// When the file was modified, RFC 3339 in UTC; empty if unknown.
    pub modified: String,
    /// Its age in days; none if unknown.
    pub age_days: Option<i64>,
}

/// Numbers of tokens that are readable in plaintext.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plaintext {
    /// In records of tokens.
    pub records: Number,
    /// In other live records.
    pub embedded: u64,
    /// In unused parts of the file.
    pub unused: u64,
    /// In files beside it.
    pub beside: u64,
}

impl Plaintext {
    /// Whether there are none, as far as can be read.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.records.readable + self.embedded + self.unused + self.beside == 0
    }
}

impl Row {
    pub(super) fn of(store: &StoreReport) -> Self {
        let status = &store.status;
        let usable = status.operator_tokens.iter();
        let usable = usable.filter(|token| token.usable != Some(false)).count() as u64;
        let logins = status.logins.iter().filter(|login| {
            login.active && login.operator != Some(false) && login.signs_in != Some(false)
        });
        let tokens = &status.tokens;
        let first = store.head.steps.first();
        Self {
            path: status.database.path.display().to_string(),
            engine: status.database.engine,
            schema: status.schema.migrations,
            release: status.schema.release,
            verdict: store.head.verdict,
            reason: first.map(|step| step.message.clone()),
            next_step: first.map(|step| step.hint.clone()),
            command: first.and_then(|step| step.command.clone()),
            tokens: tokens.at_least(),
            operator_tokens: Number::new(usable, status.operator_tokens.hidden),
            operator_logins: Number::new(logins.count() as u64, status.logins.hidden),
            plaintext: Plaintext {
                records: Number::new(
                    tokens.plaintext.readable + tokens.both.readable,
                    tokens.plaintext.hidden,
                ),
                embedded: status.embedded.len() as u64,
                unused: status.residue.plaintext_tokens,
                beside: status
                    .siblings
                    .iter()
                    .map(|file| file.plaintext_tokens)
                    .sum(),
            },
            modified: store.modified.clone(),
            age_days: store.age_days,
        }
    }
}
