//! What every command that changes a store says at its end.

use std::path::Path;

use zeroize::Zeroizing;

use super::Session;
use super::exit::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::store::Committed;

/// A token that exists nowhere but in this command's output.
pub struct TokenMade<'a> {
    /// Its authorization.
    pub id: Id,
    /// The file that holds it too.
    pub token_out: Option<&'a Path>,
    /// The command that makes another one.
    pub again: &'a str,
}

/// Prints the report of a command that made a token, and ends it as what happened demands.
///
/// # Errors
/// [`ErrorKind::Incomplete`] when the token could not be printed, or a step at or after the
/// commit failed.
pub fn conclude(
    session: &Session,
    report: Result<Zeroizing<Vec<u8>>>,
    committed: Committed,
    made: &TokenMade<'_>,
) -> Result<Outcome> {
    let printed = report.and_then(|text| session.ui().deliver(&text));
    let Err(cause) = printed else {
        return match committed.failure {
            Some(failure) => Err(failure),
            None => Ok(Outcome::Done),
        };
    };
    let cause = cause.message().replace("; nothing was changed", "");
    let mut error = Error::new(
        ErrorKind::Incomplete,
        format!("the new token {} is stored, but: {cause}", made.id),
    );
    if let Some(failure) = &committed.failure {
        error = error.and_note(failure.message());
    }
    Err(match made.token_out {
        Some(path) => error.with_hint(format!("the token is in {}", path.display())),
        None => error.with_hint(format!(
            "its value is lost: run {} again for another one, with --token-out FILE where output \
             may fail; {} then is a token that nobody knows",
            made.again, made.id
        )),
    })
}
