//! One vocabulary for what is wrong: used by check, status, downgrade check and backup inspect.

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Something is off, but influxd starts and every token and login works that should.
    Warning,
    /// influxd would not start, or a token or login that should work does not, or the structure
    /// of the file is damaged.
    Error,
}

/// One thing that was found. The text fields may quote names from the database: whoever prints
/// them to a terminal escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of the kind of finding, beginning `structure.`, `metadata.` or `backup.`.
    pub code: &'static str,
    /// What was found, in one sentence without a trailing full stop and without secrets.
    pub message: String,
    /// The place: a page and offset, or a bucket and record.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding of `severity` at `place`.
    pub fn new(
        severity: Severity,
        code: &'static str,
        place: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            place: place.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A number with the noun for what is counted, in the singular where there is one of it.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
