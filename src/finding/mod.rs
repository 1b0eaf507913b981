//! One vocabulary for what is wrong: used by check, status, downgrade check and backup inspect.

mod codes;

use serde::Serialize;

pub use codes::{Code, Repair};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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

impl Severity {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was found. The text fields may quote names from the database: whoever prints
/// them to a terminal escapes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of finding.
    pub code: Code,
    /// Whether it can be told only if every record could be read.
    #[serde(rename = "needsAll")]
    pub needs_all: bool,
    /// What was found, in one sentence without a trailing full stop and without secrets.
    pub message: String,
    /// The place: a page and offset, or a bucket and record.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do about it, if there is something.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding at `place`, as severe as its code is.
    pub fn new(code: Code, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            needs_all: code.needs_all(),
            message: message.into(),
            place: place.into(),
            hint: None,
        }
    }

    /// Another severity than that of its code.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// What to do when a change is refused because of it. What cures the structure of a file depends
    /// on its whole state: see `ops::way_out`.
    #[must_use]
    pub fn next_step(&self) -> String {
        let check = "boltkey check lists all damage";
        if self.code.repair() == Repair::Cured {
            return format!("boltkey repair cures it; {check}");
        }
        match self.code.is_structure() {
            true => check.to_owned(),
            false => format!("{check}; {}", self.code.cure().trim_end_matches('.')),
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
