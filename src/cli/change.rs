//! The protocol of every command that changes a store.
//!
//! 1. The store is read under its shared lock, and everything that can refuse the change refuses
//!    it: damage, schema, names, outputs that exist.
//! 2. A dry run ends here with the report. Otherwise one question says everything that is about to
//!    happen.
//! 3. The exclusive lock is taken and the change is planned again.
//! 4. What was confirmed is compared with what would be done now. If it differs, the command ends
//!    with exit 1.
//! 5. Side files, commit, proof, report.
//!
//! A command implements [`ChangeCommand`], and [`run`] does the rest. No command can leave the
//! comparison out.

use std::path::Path;

use jiff::Zoned;
use zeroize::Zeroizing;

use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::ui::printable;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::commit::{SideFiles, must_be_intact};
use crate::ops::lockout::locks_out;
use crate::ops::timestamp::Timestamp;
use crate::store;
use crate::store::{
    ChangeSet, Committed, Description, FileIdentity, Inspect, Snapshot, Store, WritableStore,
};

/// A store as a plan sees it. It is the same whether the store is open for reading or for writing.
pub struct View<'a> {
    /// The records.
    pub snapshot: &'a dyn Snapshot,
    /// The pages.
    pub inspect: &'a dyn Inspect,
    /// The file.
    pub description: &'a Description,
    /// When the plan is made.
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

/// When a command reads the store before it takes the exclusive lock. A dry run always does, and
/// so does a command that has to ask about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Always: the exclusive lock is not needed if there is nothing to do, or something must be
    /// asked that `--yes` does not answer.
    Always,
    /// Unless `--yes` has answered the question.
    ToAsk,
    /// Never: the command has no question of its own.
    Never,
}

/// What a plan leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The commit.
    Commit,
    /// The report: the store is as it should be. Nothing is asked.
    Nothing,
    /// The report, with exit code 3: the answer is "no".
    Refused,
}

/// How a command ended, for its report.
pub struct Ending<'d, D> {
    /// Whether the store was changed, or would be; none if it can't be known.
    pub changed: Option<bool>,
    /// Whether this is a dry run.
    pub dry_run: bool,
    /// What [`ChangeCommand::apply`] returned; none if there was no commit.
    pub done: Option<&'d D>,
}

/// A command that changes a store.
pub trait ChangeCommand {
    /// The change, worked out from the records of the store.
    type Plan;
    /// Everything in the store that the question rests on. If it differs after the answer, the
    /// command ends.
    type Confirmed: Eq;
    /// What is known after the commit, beside whether it succeeded.
    type Done;

    /// When the store is read before the exclusive lock is taken.
    fn look(&self) -> Look {
        Look::ToAsk
    }

    /// What a progress line says, for commands that may take long.
    fn working(&self) -> Option<&'static str> {
        None
    }

    /// Lets a person choose among the records of the store. Returns what the plan must confirm; none
    /// if nothing was chosen. Called first, without a lock.
    ///
    /// # Errors
    /// When the store can't be read, or nobody is there to choose.
    fn choose(
        &mut self,
        session: &Session,
        database: &Database,
    ) -> Result<Option<Self::Confirmed>> {
        let _ = (session, database);
        Ok(None)
    }

    /// Works out the change.
    ///
    /// # Errors
    /// For everything that can be refused.
    fn plan(&self, store: &View<'_>) -> Result<Self::Plan>;

    /// What the plan leads to.
    fn next(&self, plan: &Self::Plan) -> Next {
        let _ = plan;
        Next::Commit
    }

    /// Asks for what the plan lacks and `--yes` can't answer: a secret, a file name. Returns whether
    /// something was asked. Called without a lock, after everything else was checked and before the
    /// question.
    ///
    /// # Errors
    /// When nobody is there to answer, or the answer is refused.
    fn complete(&mut self, session: &Session, plan: &Self::Plan) -> Result<bool> {
        let _ = (session, plan);
        Ok(false)
    }

    /// The edits that may take the last usable operator token away. None for a command that never
    /// takes a token away.
    fn edits<'p>(&self, plan: &'p Self::Plan) -> Option<&'p ChangeSet>;

    /// The question, made safe for a terminal; `database` is the path, made safe too. None if the
    /// change needs no confirmation.
    ///
    /// # Errors
    /// When the plan can't be shown.
    fn question(&self, plan: &Self::Plan, database: &str) -> Result<Option<String>>;

    /// Everything that the question rests on.
    ///
    /// # Errors
    /// When the plan can't be shown.
    fn confirmed(&self, plan: &Self::Plan) -> Result<Self::Confirmed>;

    /// The files to write before the commit.
    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p Self::Plan) -> SideFiles<'p> {
        let _ = plan;
        SideFiles {
            keep_copy: session.keep_copy(),
            ..SideFiles::default()
        }
    }

    /// Whether the files could be written. Nothing is written.
    ///
    /// # Errors
    /// As [`SideFiles::could_be_made`].
    fn could_write(&self, session: &Session, store: &View<'_>, plan: &Self::Plan) -> Result<()> {
        let _ = store;
        self.side_files(session, plan).could_be_made()
    }

    /// Commits the change and proves it.
    ///
    /// # Errors
    /// When the change was certainly not made.
    fn apply(
        &self,
        plan: &Self::Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, Self::Done)>;

    /// Renders the report. No lock is held.
    ///
    /// # Errors
    /// When it can't be rendered.
    fn report(
        &self,
        session: &Session,
        plan: &Self::Plan,
        ending: &Ending<'_, Self::Done>,
    ) -> Result<Zeroizing<Vec<u8>>>;

    /// The token that the report shows and that exists nowhere else, if there is one.
    fn new_token(&self, plan: &Self::Plan) -> Option<NewToken<'_>> {
        let _ = plan;
        None
    }
}

/// Runs a command on the database that was named, or found.
///
/// # Errors
/// As [`run_on`]; [`ErrorKind::NotFound`] when no database was named and none found.
pub fn run<C: ChangeCommand>(command: C, session: &Session) -> Result<Outcome> {
    run_on(command, session, &session.database()?)
}

/// Runs a command on this database.
///
/// # Errors
/// * as [`ChangeCommand::plan`] and [`ChangeCommand::apply`]
/// * [`ErrorKind::Confirmation`] when a question has to be asked and nobody is there
/// * [`ErrorKind::Refused`] for a no, and when the store was changed after the question
/// * [`ErrorKind::Incomplete`] when a step at or after the commit failed
pub fn run_on<C: ChangeCommand>(
    mut command: C,
    session: &Session,
    database: &Database,
) -> Result<Outcome> {
    let path = database.path();
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
        if session.dry_run() {
            let plan = match completed {
                true => look(&command, session, database, ask)?.0,
                false => plan,
            };
            return show(&command, session, &plan, Next::Commit);
        }
        if ask && (state.must_ask || !concerns.is_empty()) {
            let path = printable(&path.display().to_string());
            let own = command.question(&plan, &path)?;
            confirm(false, &whole(&concerns, own, state.locks_out, &path))?;
            answered = Answer::to(state);
        } else if completed || has_chosen {
            answered = Answer::to(state);
        }
    }

    let mut store = session.open_writable(database)?;
    let working = command
        .working()
        .map(|doing| Bar::working(session.ui(), doing));
    let view = View::of_writable(&store);
    let planned = command
        .plan(&view)
        .and_then(|plan| Ok((State::of(&command, &view, &plan, ask)?, plan)));
    let (state, plan) = match planned {
        Ok(planned) => planned,
        Err(error) if !answered.is_none() => return Err(failed_meanwhile(error, path)),
        Err(error) => return Err(error.about(path)),
    };
    answered.must_hold(&state, path)?;
    if answered.is_none() && state.must_ask {
        // Nothing had to be asked before.
        return Err(changed_meanwhile(path));
    }
    if state.next != Next::Commit {
        drop((store, working));
        return show(&command, session, &plan, state.next);
    }
    let side_files = command.side_files(session, &plan);
    let (committed, done) = command.apply(&plan, &mut store, &side_files)?;
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
    )
}

/// What an answer depends on.
#[derive(PartialEq, Eq)]
struct State<C> {
    /// The file that the path leads to.
    file: Option<FileIdentity>,
    next: Next,
    confirmed: C,
    /// Whether the change takes the last usable operator token away. False if nobody is asked.
    locks_out: bool,
    /// Whether the change itself needs a confirmation. False if nobody is asked.
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
            must_ask: asks && (locks_out || command.question(plan, "")?.is_some()),
        })
    }
}

/// Reads the store under its shared lock and refuses what can be refused.
fn look<C: ChangeCommand>(
    command: &C,
    session: &Session,
    database: &Database,
    ask: bool,
) -> Result<(C::Plan, State<C::Confirmed>)> {
    let path = database.path();
    let store = session.open_metadata_at(database)?;
    must_be_intact(store.snapshot(), store.inspect()).map_err(|error| error.about(path))?;
    let view = View::of(&store);
    let named = |error: Error| error.about(path);
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
        Next::Commit | Next::Nothing => Outcome::Done,
    })
}

/// One question that says everything that is about to happen.
fn whole(concerns: &[String], own: Option<String>, locks_out: bool, path: &str) -> String {
    let mut parts = concerns.to_vec();
    parts.push(own.unwrap_or_else(|| format!("Write to {path}?")));
    if locks_out {
        parts.push("No usable operator token is left then.".into());
    }
    parts.join(" ")
}

/// What a person has confirmed, if a person was asked.
pub struct Answer<C>(Option<C>);

impl<C: Eq> Answer<C> {
    /// Nobody was asked.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether nobody was asked.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Somebody was asked about `confirmed`, or would have been if it were otherwise.
    #[must_use]
    pub fn to(confirmed: C) -> Self {
        Self(Some(confirmed))
    }

    /// Compares what was confirmed with what is there now, under the exclusive lock.
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

/// The store no longer holds what was confirmed.
fn changed_meanwhile(database: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "{} has changed since the question was asked",
            database.display()
        ),
    )
    .naming(database)
    .with_hint("run the command again: it asks about what the store holds now")
}

/// What could be planned before the question and can't be planned after it. Failures of the system,
/// and damage, keep their kind.
fn failed_meanwhile(error: Error, database: &Path) -> Error {
    match error.kind() {
        ErrorKind::Refused
        | ErrorKind::NoSuchRecord
        | ErrorKind::Usage
        | ErrorKind::Confirmation => changed_meanwhile(database).and_note(error.message()),
        _ => error.about(database),
    }
}

/// A token that this command has put into a store or backup.
pub struct NewToken<'a> {
    /// Its authorization.
    pub id: Id,
    /// The file that holds it too.
    pub token_out: Option<&'a Path>,
    /// Whether it was given to this command; else it exists nowhere but in its output.
    pub given: bool,
    /// The command that makes another one.
    pub again: &'a str,
}

/// Whether a store was changed, as reports say it; none if it can't be known.
#[must_use]
pub fn changed(committed: &Committed) -> Option<bool> {
    match committed.outcome {
        store::CommitOutcome::Changed => Some(true),
        store::CommitOutcome::Unchanged => Some(false),
        store::CommitOutcome::Unknown => None,
    }
}

/// Prints the report of a command that made a change and ends the command. A new token must reach
/// its reader; any other report may find that its reader has gone away.
///
/// # Errors
/// [`ErrorKind::Incomplete`] when a step at or after the commit failed, or the report of a change
/// could not be printed.
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
    let message = format!("the change is committed and holds, but: {cause}");
    Err(Error::new(ErrorKind::Incomplete, message)
        .committed()
        .with_hint("boltkey status tells what the store holds now"))
}

impl NewToken<'_> {
    /// The failure of a command whose report could not be printed.
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
            None if self.given => {
                error.with_hint("its value is the given one; boltkey auth verify tells more")
            }
            None => error.with_hint(format!(
                "its value is lost: run {} again for another one, with --token-out FILE where \
                 output may fail; {} then is a token that nobody knows",
                self.again, self.id
            )),
        }
    }
}
