//! Exit codes and their names.

use std::process::ExitCode;

use crate::error::ErrorKind;

/// The result of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or nothing to do, or nothing found: exit 0.
    Done,
    /// Negative result: exit 3. The report is on standard output, as with exit 0.
    No,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::No => Self::from(3),
        }
    }
}

/// The exit code of a failure and its name in the JSON field `error.code`.
#[must_use]
pub fn code_of(kind: ErrorKind) -> (u8, &'static str) {
    match kind {
        ErrorKind::Io
        | ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::Refused
        | ErrorKind::NoSuchRecord => (1, "failed"),
        ErrorKind::Usage => (2, "usage"),
        ErrorKind::Locked => (4, "locked"),
        ErrorKind::NotAStore | ErrorKind::Corrupt | ErrorKind::UnknownSchema => (5, "unreadable"),
        ErrorKind::Confirmation => (6, "confirmation"),
        ErrorKind::Incomplete => (7, "incomplete"),
    }
}
