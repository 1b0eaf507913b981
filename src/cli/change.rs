//! The protocol for all commands that change a store.
//!
//! 1. Read the store under its shared lock and check everything that can refuse the change:
//!    damage, schema, names, existing output files.
//! 2. A dry run prints its report and ends here. Otherwise, ask one question that describes all
//!    effects of the change.
//! 3. Take the exclusive lock and plan the change again.
//! 4. Compare the new plan with the confirmed one. If they differ, end with exit code 1.
//! 5. Write the side files, commit, verify, report.
//!
//! A command implements [`ChangeCommand`]. [`run`] performs these steps, so no command can skip
//! the comparison.

use std::path::Path;

use jiff::Zoned;
use zeroize::Zeroizing;

use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::interruption;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::report::printable;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::commit::{SideFiles, verify_structure};
use crate::ops::lockout::locks_out;
use crate::ops::timestamp::Timestamp;
use crate::store;
use crate::store::{
    ChangeSet, Committed, Description, FileIdentity, Inspect, Snapshot, Store, WalkOnce,
    WritableStore,
};

/// The input of a plan. It is the same for a store opened for reading and for writing.
pub struct View<'a> {
    /// The records.
    pub snapshot: &'a dyn Snapshot,
    /// The pages.
    pub inspect: &'a dyn Inspect,
    /// The file.
    pub description: &'a Description,
    /// The current time.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    fn of(store: &'a Store) -> Self {
        Self {
            snapshot: store.snapshot(),
            inspect: store.inspect(),
            description: store.description(),
            now: Timestamp::from(&Zoned::now()),
        }
    }

    fn of_writable(store: &'a WritableStore) -> Self {
        Self {
            snapshot: store,
            inspect: store,
            description: store.description(),
            now: Timestamp::from(&Zoned::now()),
        }
    }
}

/// When a command reads the store before it takes the exclusive lock. A dry run always does. So
/// does a command that must ask about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Always. The exclusive lock is not needed if there is nothing to do. Some questions are not
    /// answered by `--yes`.
    Always,
    /// Unless `--yes` answers the question.
    ToAsk,
    /// Never. The command has no question of its own.
    Never,
}

/// The step after planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Commit the change.
    Commit,
    /// Report without a question: nothing to do.
    Nothing,
    /// Report with exit code 3: the result is negative.
    Refused,
}

/// How a command ended. Input of its report.
pub struct Ending<'d, D> {
    /// Whether the store was changed, or would be. None if unknown.
    pub changed: Option<bool>,
    /// Whether this is a dry run.
    pub dry_run: bool,
    /// The result of [`ChangeCommand::apply`]. None if there was no commit.
    pub done: Option<&'d D>,
}

/// A command that changes a store.
pub trait ChangeCommand {
    /// The change, worked out from the records of the store.
    type Plan;
    /// Everything in the store that the question depends on. If it differs after the answer, the
    /// command ends.
    type Confirmed: Eq;
    /// Additional results of the commit.
    type Done;

    /// When the store is read before the exclusive lock is taken.
    fn look(&self) -> Look {
        Look::ToAsk
    }

    /// Progress message of a command that may take long.
    fn working(&self) -> Option<&'static str> {
        None
    }

    /// Lets the user choose records of the store. Returns the choice, which the plan must match.
    /// None if there was no choice to make. Called first, without a lock.
    ///
    /// # Errors
    /// When the store can't be read, or there is no terminal.
    fn choose(
        &mut self,
        session: &Session,
        database: &Database,
    ) -> Result<Option<Self::Confirmed>> {
        let _ = (session, database);
        Ok(None)
    }

    /// Refuses a store that this command can't change, before anything is planned.
    ///
    /// # Errors
    /// As [`verify_structure`].
    fn verify(&self, store: &View<'_>) -> Result<()> {
        verify_structure(store.snapshot, store.inspect)
    }

    /// Whether the plan reads all of one large bucket, in any order. It is read during the examination
    /// of the structure then.
    fn reads_one_bucket(&self) -> bool {
        false
    }

    /// Plans the change.
    ///
    /// # Errors
    /// When the change is refused.
    fn plan(&self, store: &View<'_>) -> Result<Self::Plan>;

    /// What the plan leads to.
    fn next(&self, plan: &Self::Plan) -> Next {
        let _ = plan;
        Next::Commit
    }

    /// How the command ends when nothing fails: exit code 0, or 3 if something is left.
    fn outcome(&self, plan: &Self::Plan) -> Outcome {
        let _ = plan;
        Outcome::Done
    }

    /// Prompts for values that `--yes` can't supply: a secret, a file name. Returns whether it
    /// prompted. Called without a lock, after all other checks and before the question.
    ///
    /// # Errors
    /// When there is no terminal, or the answer is refused.
    fn complete(&mut self, session: &Session, plan: &Self::Plan) -> Result<bool> {
        let _ = (session, plan);
        Ok(false)
    }

    /// The edits that may remove the last usable operator token. None for a command that never
    /// removes a token.
    fn edits<'p>(&self, plan: &'p Self::Plan) -> Option<&'p ChangeSet>;

    /// The question, with escaped control characters. `database` is the escaped path. None if
    /// nothing more is to be said than that the store is written to.
    ///
    /// # Errors
    /// When a planned record can't be decoded.
    fn question(&self, plan: &Self::Plan, database: &str) -> Result<Option<String>>;

    /// Whether the change itself must be confirmed. Otherwise the question is only asked because of
    /// the path, or because no usable operator token will remain.
    ///
    /// # Errors
    /// When a planned record can't be decoded.
    fn must_ask(&self, plan: &Self::Plan) -> Result<bool> {
        Ok(self.question(plan, "")?.is_some())
    }

    /// The part of the plan that the question depends on.
    ///
    /// # Errors
    /// When a planned record can't be decoded.
    fn confirmed(&self, plan: &Self::Plan) -> Result<Self::Confirmed>;

    /// The files to write before the commit.
    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p Self::Plan) -> SideFiles<'p> {
        let _ = plan;
        SideFiles {
            keep_copy: session.keep_copy(),
            ..SideFiles::default()
        }
    }

    /// Checks that the side files can be written, without writing them.
    ///
    /// # Errors
    /// The errors of [`SideFiles::could_be_made`].
    fn could_write(&self, session: &Session, store: &View<'_>, plan: &Self::Plan) -> Result<()> {
        let _ = store;
        self.side_files(session, plan).could_be_made()
    }

    /// Commits the change and verifies it.
    ///
    /// # Errors
    /// When the change was not committed.
    fn apply(
        &self,
        plan: &Self::Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, Self::Done)>;

    /// Renders the report. Called without a lock.
    ///
    /// # Errors
    /// When the report can't be rendered.
    fn report(
        &self,
        session: &Session,
        plan: &Self::Plan,
        ending: &Ending<'_, Self::Done>,
    ) -> Result<Zeroizing<Vec<u8>>>;

    /// The new token whose only copy is in the report, if there is one.
    fn new_token(&self, plan: &Self::Plan) -> Option<NewToken<'_>> {
        let _ = plan;
        None
    }
}

/// Runs a command on the given or discovered database.
///
/// # Errors
/// The errors of [`run_on`]; [`ErrorKind::NotFound`] when no database was given or found.
pub fn run<C: ChangeCommand>(command: C, session: &Session) -> Result<Outcome> {
    run_on(command, session, &session.database_to_change()?)
}

/// Runs a command on this database.
///
/// # Errors
/// * the errors of [`ChangeCommand::plan`] and [`ChangeCommand::apply`]
/// * [`ErrorKind::Confirmation`] when a question must be asked and there is no terminal, or it is
///   not clear which of several stores is meant
/// * [`ErrorKind::Refused`] when the answer is no, or the store changed after the question
/// * [`ErrorKind::Incomplete`] when a step at or after the commit failed
pub fn run_on<C: ChangeCommand>(
    mut command: C,
    session: &Session,
    database: &Database,
) -> Result<Outcome> {
    let path = database.path();
    session.must_be_decided(database)?;
    let chosen = command.choose(session, database)?;
    let concerns = match session.dry_run() {
        true => Vec::new(),
        false => session.concerns(database)?,
    };
    let ask = !session.yes() && !session.dry_run();
    let looks = match command.look() {
        Look::Always => true,
        Look::ToAsk => ask || session.dry_run(),
        Look::Never => !concerns.is_empty() && ask || session.dry_run(),
    };
    let mut answered = Answer::none();
    if looks || chosen.is_some() {
        let has_chosen = chosen.is_some();
        let (plan, state) =
            look(&command, session, database, ask).map_err(|error| match error.kind() {
                ErrorKind::NoSuchRecord | ErrorKind::Confirmation if has_chosen => {
                    failed_meanwhile(error, path)
                }
                _ => error,
            })?;
        chosen
            .map_or(Answer::none(), Answer::to)
            .must_hold(&state.confirmed, path)?;
        if state.next != Next::Commit {
            return show(&command, session, &plan, state.next);
        }
        let completed = command.complete(session, &plan)?;
        // What was entered may be refused too, before the question.
        let plan = match completed {
            true => {
                let again =
                    look(&command, session, database, ask).map_err(|error| match error.kind() {
                        ErrorKind::NoSuchRecord => failed_meanwhile(error, path),
                        _ => error,
                    })?;
                if again.1 != state {
                    return Err(changed_meanwhile(path));
                }
                again.0
            }
            false => plan,
        };
        if session.dry_run() {
            return show(&command, session, &plan, Next::Commit);
        }
        if ask && (state.must_ask || !concerns.is_empty()) {
            let path = printable(&path.display().to_string());
            let own = command.question(&plan, &path)?;
            confirm(
                false,
                &full_question(&concerns, own, state.locks_out, &path),
            )?;
            answered = Answer::to(state);
        } else if completed || has_chosen {
            answered = Answer::to(state);
        }
    }

    let mut store = session.open_writable(database)?;
    let working = command
        .working()
        .map(|doing| Bar::working(session.ui(), doing));
    let walk_once = WalkOnce {
        snapshot: &store,
        inspect: &store,
    };
    let mut view = View::of_writable(&store);
    if command.reads_one_bucket() {
        view.snapshot = &walk_once;
    }
    let planned = command
        .plan(&view)
        .and_then(|plan| Ok((State::of(&command, &view, &plan, ask)?, plan)));
    // After the plan, which may have walked the trees; but its error comes first.
    session.nothing_lost(&store, &store, database)?;
    let (state, plan) = match planned {
        Ok(planned) => planned,
        Err(error) if !answered.is_none() => return Err(failed_meanwhile(error, path)),
        Err(error) => return Err(error.about(path)),
    };
    answered.must_hold(&state, path)?;
    if answered.is_none() && state.must_ask {
        // The first plan needed no question.
        return Err(changed_meanwhile(path));
    }
    if state.next != Next::Commit {
        drop((store, working));
        return show(&command, session, &plan, state.next);
    }
    let mut side_files = command.side_files(session, &plan);
    let deferred = interruption::defer();
    let may_commit = || deferred.may_commit();
    side_files.may_commit = Some(&may_commit);
    let (committed, done) = command.apply(&plan, &mut store, &side_files)?;
    let has_token = has_only_copy(command.new_token(&plan).as_ref());
    deferred.ended(committed.outcome, has_token);
    drop((store, working));
    let ending = Ending {
        changed: changed(&committed),
        dry_run: false,
        done: Some(&done),
    };
    let report = command.report(session, &plan, &ending);
    end(
        session,
        report,
        committed,
        command.new_token(&plan).as_ref(),
    )?;
    Ok(command.outcome(&plan))
}

/// Everything that an answer depends on.
#[derive(PartialEq, Eq)]
struct State<C> {
    /// The identity of the file at the path.
    file: Option<FileIdentity>,
    next: Next,
    confirmed: C,
    /// Whether the change removes the last usable operator token. False if there is no question.
    locks_out: bool,
    /// Whether the change itself needs a confirmation. False if there is no question.
    must_ask: bool,
}

impl<C: Eq> State<C> {
    fn of<K>(command: &K, store: &View<'_>, plan: &K::Plan, ask: bool) -> Result<Self>
    where
        K: ChangeCommand<Confirmed = C>,
    {
        let next = command.next(plan);
        let asks = ask && next == Next::Commit;
        let locks_out = match command.edits(plan).filter(|_| asks) {
            Some(changes) => locks_out(store.snapshot, changes)?,
            None => false,
        };
        Ok(Self {
            file: store.description.identity,
            next,
            confirmed: command.confirmed(plan)?,
            locks_out,
            must_ask: asks && (locks_out || command.must_ask(plan)?),
        })
    }
}

/// Plans under the shared lock and refuses the change if it can't be made.
fn look<C: ChangeCommand>(
    command: &C,
    session: &Session,
    database: &Database,
    ask: bool,
) -> Result<(C::Plan, State<C::Confirmed>)> {
    let path = database.path();
    let _working = Bar::working(session.ui(), "reading");
    let store = session.open_metadata_at(database)?;
    let view = View::of(&store);
    let named = |error: Error| error.about(path);
    command.verify(&view).map_err(named)?;
    let plan = command.plan(&view).map_err(named)?;
    let state = State::of(command, &view, &plan, ask).map_err(named)?;
    if state.next == Next::Commit {
        command.could_write(session, &view, &plan)?;
    }
    Ok((plan, state))
}

/// Prints the report of a command that ends without a commit.
fn show<C: ChangeCommand>(
    command: &C,
    session: &Session,
    plan: &C::Plan,
    next: Next,
) -> Result<Outcome> {
    let ending = Ending {
        changed: Some(next == Next::Commit),
        dry_run: session.dry_run(),
        done: None,
    };
    let report = command.report(session, plan, &ending)?;
    session.ui().print([&report])?;
    Ok(match next {
        Next::Refused => Outcome::No,
        Next::Commit | Next::Nothing => command.outcome(plan),
    })
}

/// The complete question: concerns about the path, the command's own question, lockout.
fn full_question(concerns: &[String], own: Option<String>, locks_out: bool, path: &str) -> String {
    let mut parts = concerns.to_vec();
    parts.push(own.unwrap_or_else(|| format!("Write to {path}?")));
    if locks_out {
        parts.push("No usable operator token will remain.".into());
    }
    parts.join(" ")
}

/// The state that the user has confirmed, if there was a question.
pub struct Answer<C>(Option<C>);

impl<C: Eq> Answer<C> {
    /// There was no question.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there was no question.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The user confirmed `confirmed`, or it needed no confirmation.
    #[must_use]
    pub fn to(confirmed: C) -> Self {
        Self(Some(confirmed))
    }

    /// Compares the confirmed state with the state under the exclusive lock.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it differs.
    pub fn must_hold(&self, now: &C, database: &Path) -> Result<()> {
        match &self.0 {
            Some(confirmed) if confirmed != now => Err(changed_meanwhile(database)),
            Some(_) | None => Ok(()),
        }
    }
}

/// The state changed after it was confirmed.
fn changed_meanwhile(database: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "{} has changed since the question was asked",
            database.display()
        ),
    )
    .naming(database)
    .with_hint("run the command again to confirm the current state")
}

/// The plan succeeded before the question and failed after it. I/O errors and damage keep their
/// kind.
fn failed_meanwhile(error: Error, database: &Path) -> Error {
    match error.kind() {
        ErrorKind::Refused
        | ErrorKind::NoSuchRecord
        | ErrorKind::Usage
        | ErrorKind::Confirmation => changed_meanwhile(database).and_note(error.message()),
        _ => error.about(database),
    }
}

/// A token that this command has stored.
pub struct NewToken<'a> {
    /// Its authorization.
    pub id: Id,
    /// The `--token-out` file that holds it.
    pub token_out: Option<&'a Path>,
    /// Whether the user supplied it. If not, the output is its only copy.
    pub given: bool,
    /// The command that creates another one.
    pub again: &'a str,
}

/// Whether the report has the only copy of a new token.
pub fn has_only_copy(token: Option<&NewToken<'_>>) -> bool {
    token.is_some_and(|token| !token.given && token.token_out.is_none())
}

/// The `changed` field of reports. None if unknown.
#[must_use]
pub fn changed(committed: &Committed) -> Option<bool> {
    match committed.outcome {
        store::CommitOutcome::Changed => Some(true),
        store::CommitOutcome::Unchanged => Some(false),
        store::CommitOutcome::Unknown => None,
    }
}

/// Prints the report of a change and ends the command. A closed pipe is an error only if the
/// report contains a new token.
///
/// # Errors
/// [`ErrorKind::Incomplete`] when a step at or after the commit failed, or the report of a change
/// can't be printed.
pub fn end(
    session: &Session,
    report: Result<Zeroizing<Vec<u8>>>,
    committed: Committed,
    token: Option<&NewToken<'_>>,
) -> Result<Outcome> {
    let ui = session.ui();
    let printed = report.and_then(|text| match token {
        Some(_) => ui.deliver(&text),
        None => ui.print([&text]),
    });
    let cause = match (printed, committed.failure) {
        (Ok(()), None) => return Ok(Outcome::Done),
        (Ok(()), Some(failure)) => return Err(failure),
        (Err(cause), failure) => match (token, failure) {
            (Some(token), failure) => return Err(token.lost(&cause, failure.as_ref())),
            (None, Some(failure)) => return Err(failure),
            (None, None) => cause,
        },
    };
    if committed.outcome == store::CommitOutcome::Unchanged {
        return Err(cause);
    }
    let cause = cause.to_string();
    let message = format!("the change is committed, but: {cause}");
    Err(Error::new(ErrorKind::Incomplete, message)
        .committed()
        .with_hint("run boltkey status to see the current state"))
}

impl NewToken<'_> {
    /// The error for a new token that could not be printed.
    fn lost(&self, cause: &Error, failure: Option<&Error>) -> Error {
        let cause = cause.to_string();
        let mut error = Error::new(
            ErrorKind::Incomplete,
            format!("the new token {} is stored, but: {cause}", self.id),
        )
        .committed();
        if let Some(failure) = failure {
            error = error.and_note(failure.message());
        }
        match self.token_out {
            Some(path) => error.with_hint(format!("the token is in {}", path.display())),
            None if self.given => error.with_hint(
                "the token has the value you supplied; check it with boltkey auth verify",
            ),
            None => error.with_hint(format!(
                "its value is lost; run {} --token-out FILE to create another token, and delete \
                 {}",
                self.again, self.id
            )),
        }
    }
}
