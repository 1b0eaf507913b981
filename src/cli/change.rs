//! What every command that changes a store says at its end.

use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::exit::Outcome;
use crate::cli::session::Database;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::commit::{SideFiles, sound_structure};
use crate::store;
use crate::store::{Committed, Snapshot, WritableStore};

/// A token that this command has put into the store.
pub struct TokenMade<'a> {
    /// Its authorization.
    pub id: Id,
    /// The file that holds it too.
    pub token_out: Option<&'a Path>,
    /// Whether it was given to this command; else it exists nowhere but in its output.
    pub given: bool,
    /// The command that makes another one.
    pub again: &'a str,
}

/// Prints the report of a command that made no token, and ends it as what happened demands.
///
/// # Errors
/// [`ErrorKind::Incomplete`] when a step at or after the commit failed, or the report of what was
/// changed could not be printed.
pub fn ended(
    session: &Session,
    report: Result<Zeroizing<Vec<u8>>>,
    committed: Committed,
) -> Result<Outcome> {
    let printed = report.and_then(|text| session.ui().print([&text]));
    match (committed.failure, printed) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(Outcome::Done),
        (None, Err(cause)) if committed.outcome == store::CommitOutcome::Unchanged => Err(cause),
        (None, Err(cause)) => {
            let cause = cause.to_string();
            let message = format!("the change is committed and holds, but: {cause}");
            Err(Error::new(ErrorKind::Incomplete, message)
                .committed()
                .with_hint("boltkey status tells what the store holds now"))
        }
    }
}

/// What somebody said yes to is not what the store holds once its lock is there.
#[must_use]
pub fn changed_meanwhile(database: &Database) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "{} has changed since the question was asked",
            database.path().display()
        ),
    )
    .with_hint("run the command again: it asks about what the store holds now")
}

/// A change that makes no token: worked out, made, or only shown in a dry run, and reported.
pub struct Change<P, A, R> {
    /// Works it out.
    pub plan: P,
    /// Makes it hold.
    pub apply: A,
    /// Renders the report: whether the store was changed, or would be, and whether this is a dry
    /// run.
    pub report: R,
}

impl<P, A, R> Change<P, A, R> {
    /// Carries it out. What has to be asked was asked before.
    ///
    /// # Errors
    /// As `plan`; [`ErrorKind::Incomplete`] when a step at or after the commit failed.
    pub fn run<T>(&self, session: &Session, database: &Database) -> Result<Outcome>
    where
        P: Fn(&dyn Snapshot) -> Result<T>,
        A: Fn(&T, &mut WritableStore, &SideFiles<'_>) -> Result<Committed>,
        R: Fn(&T, Option<bool>, bool) -> Result<Zeroizing<Vec<u8>>>,
    {
        let named = |error: Error| error.about(database.path());
        let side_files = SideFiles {
            keep_copy: session.keep_copy(),
            ..SideFiles::default()
        };
        if session.dry_run() {
            let store = session.open_metadata_at(database)?;
            sound_structure(store.inspect()).map_err(named)?;
            let plan = (self.plan)(store.snapshot()).map_err(named)?;
            drop(store);
            side_files.could_be_made()?;
            session
                .ui()
                .print([&(self.report)(&plan, Some(true), true)?])?;
            return Ok(Outcome::Done);
        }
        session.may_write(database)?;
        let mut store = session.open_writable(database)?;
        let plan = (self.plan)(&store).map_err(named)?;
        let committed = (self.apply)(&plan, &mut store, &side_files)?;
        drop(store);
        let report = (self.report)(&plan, changed(&committed), false);
        ended(session, report, committed)
    }
}

/// Whether a change holds, as reports say it; none if it can't be known.
#[must_use]
pub fn changed(committed: &Committed) -> Option<bool> {
    match committed.outcome {
        store::CommitOutcome::Changed => Some(true),
        store::CommitOutcome::Unchanged => Some(false),
        store::CommitOutcome::Unknown => None,
    }
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
    let cause = cause.to_string();
    let mut error = Error::new(
        ErrorKind::Incomplete,
        format!("the new token {} is stored, but: {cause}", made.id),
    )
    .committed();
    if let Some(failure) = &committed.failure {
        error = error.and_note(failure.message());
    }
    Err(match made.token_out {
        Some(path) => error.with_hint(format!("the token is in {}", path.display())),
        None if made.given => {
            error.with_hint("its value is the given one; boltkey auth verify tells more")
        }
        None => error.with_hint(format!(
            "its value is lost: run {} again for another one, with --token-out FILE where output \
             may fail; {} then is a token that nobody knows",
            made.again, made.id
        )),
    })
}
