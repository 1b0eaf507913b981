//! What SIGINT, SIGTERM and SIGHUP do. Until the files of a change are written they end the program
//! at once. From then on until the report is printed they wait: the commit is finished, or not begun.
//! A second one ends the program while the report is printed, because the reader may never read it.
//! The last line says what happened, private files are removed, and the program dies by the signal.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::process::{self, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};

use crate::cli::exit::code_of;
use crate::cli::terminal::echo;
use crate::cli::terminal::report::{NOTHING_CHANGED, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{CommitOutcome, unfinished};

/// What the command does, and so what its last line speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It only reads.
    Reads,
    /// It writes new files.
    WritesFiles,
    /// It changes a database.
    Changes,
}

/// How far the command is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A signal ends the program.
    Reading,
    /// Files are written that are removed again if there is no commit.
    Preparing,
    /// The outcome is unknown if the program ends now.
    Committing,
    /// The report, or an error after a change has begun, is printed.
    Reporting,
}

struct State {
    work: Work,
    phase: Phase,
    /// The signal that waits.
    signal: Option<i32>,
    /// What the commit led to, once that is known.
    outcome: CommitOutcome,
    /// Whether the report has the only copy of a new token.
    has_token: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    work: Work::Reads,
    phase: Phase::Reading,
    signal: None,
    outcome: CommitOutcome::Unchanged,
    has_token: false,
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to watch the signals. Signals that are ignored, as by `nohup`, stay ignored. Does nothing
/// if the system refuses.
pub(crate) fn watch(work: Work) {
    state().work = work;
    let ignored = ignored_signals();
    let is_ignored =
        |signal: &i32| u32::try_from(signal - 1).is_ok_and(|bit| ignored >> bit & 1 == 1);
    let watched = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let watched = watched.into_iter().filter(|signal| !is_ignored(signal));
    let Ok(mut signals) = Signals::new(watched) else {
        return;
    };
    let _ = thread::Builder::new().spawn(move || signals.forever().for_each(receive));
}

/// The mask of ignored signals. Empty where the system does not tell.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

fn receive(signal: i32) {
    echo::restore();
    let mut state = state();
    let ends = match state.phase {
        Phase::Reading => true,
        Phase::Preparing | Phase::Committing => signal == SIGQUIT,
        Phase::Reporting => signal == SIGQUIT || state.signal.is_some(),
    };
    if ends {
        // The lock is held, so that the command goes no further.
        die(&state, signal);
    } else if state.signal.is_none() {
        state.signal = Some(signal);
        if state.phase == Phase::Committing {
            say("interrupted; the commit is being finished");
        }
    }
}

/// Says what happened, and ends the program.
fn die(state: &State, signal: i32) {
    let left = unfinished::end(state.work == Work::WritesFiles);
    if signal == SIGQUIT {
        let _ = emulate_default_handler(signal);
        return;
    }
    let is_lost = state.phase == Phase::Reporting && state.has_token;
    let name = name_of(signal);
    match state.work {
        Work::Changes => match state.outcome {
            CommitOutcome::Changed if is_lost => say(&format!(
                "interrupted by {name}; the change is committed, but its report with the new token \
                 was not printed"
            )),
            CommitOutcome::Changed => committed(name),
            CommitOutcome::Unchanged => say(&format!("interrupted; {NOTHING_CHANGED}")),
            CommitOutcome::Unknown => say(&format!(
                "interrupted by {name}; it is unknown whether the change is committed; boltkey \
                 status tells"
            )),
        },
        Work::WritesFiles => say(&match &left.complete {
            Some(path) => format!(
                "interrupted by {name}; {} is complete",
                printable(&path.display().to_string())
            ),
            None if left.streamed => "interrupted; the output is not complete".into(),
            None => "interrupted; nothing was written".into(),
        }),
        Work::Reads => {}
    }
    if is_lost || state.outcome == CommitOutcome::Unknown {
        process::exit(i32::from(code_of(ErrorKind::Incomplete).0));
    }
    let _ = emulate_default_handler(signal);
}

fn committed(signal: &str) {
    say(&format!("interrupted by {signal}; the change is committed"));
}

fn name_of(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("a signal")
}

/// From now on a signal waits, until [`Deferred`] is dropped.
pub(crate) fn defer() -> Deferred {
    state().phase = Phase::Preparing;
    Deferred(())
}

/// While this lives, signals wait.
pub(crate) struct Deferred(());

impl Deferred {
    /// Called before the commit, when all files are written.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if a signal waits: there must be no commit.
    pub(crate) fn may_commit(&self) -> Result<()> {
        let mut state = state();
        if state.signal.is_some() {
            return Err(Error::new(ErrorKind::Refused, "interrupted"));
        }
        state.phase = Phase::Committing;
        Ok(())
    }

    /// Called after the commit. `has_token` says that the report has the only copy of a new token.
    pub(crate) fn ended(&self, outcome: CommitOutcome, has_token: bool) {
        let mut state = state();
        state.outcome = outcome;
        state.has_token = has_token && outcome == CommitOutcome::Changed;
        state.phase = Phase::Reporting;
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        state().phase = Phase::Reporting;
    }
}

/// The end of the program. If a signal waited, the last line says what happened, and the program
/// dies by that signal, unless a later step is missing.
pub(crate) fn end(code: ExitCode, is_incomplete: bool) -> ExitCode {
    let state = state();
    let Some(signal) = state.signal else {
        return code;
    };
    let name = name_of(signal);
    if state.outcome == CommitOutcome::Changed {
        committed(name);
    } else if !is_incomplete {
        say(&format!("interrupted by {name}; {NOTHING_CHANGED}"));
    }
    if !is_incomplete {
        let _ = emulate_default_handler(signal);
    }
    code
}

fn say(text: &str) {
    let mut err = io::stderr().lock();
    // The terminal shows ^C, or a progress line.
    let start = if err.is_terminal() { "\r\n" } else { "" };
    let _ = writeln!(err, "{start}{text}");
}
