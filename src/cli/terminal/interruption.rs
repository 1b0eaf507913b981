//! What SIGINT, SIGTERM and SIGHUP do. Before the commit they end the program at once. From the
//! moment its files are written until the report is printed they wait: the commit is finished, or
//! not begun. The last line says which, and the program dies by the signal.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};

use crate::cli::terminal::echo;
use crate::cli::terminal::report::NOTHING_CHANGED;
use crate::error::{Error, ErrorKind, Result};

/// How far the command is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A signal ends the program.
    Reading,
    /// Files are written that are removed again if there is no commit.
    Preparing,
    /// The outcome is unknown if the program ends now.
    Committing,
}

struct State {
    /// Whether the command changes something, so that the last line must say whether it did.
    changes: bool,
    phase: Phase,
    /// The signal that waits.
    signal: Option<i32>,
    /// Whether a change was committed.
    committed: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    changes: false,
    phase: Phase::Reading,
    signal: None,
    committed: false,
});

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to watch the signals. Signals that are ignored, as by `nohup`, stay ignored. Does nothing
/// if the system refuses.
pub(crate) fn watch() {
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
    if state.phase == Phase::Reading || signal == SIGQUIT {
        if state.changes && !state.committed && signal != SIGQUIT {
            say(&format!("interrupted; {NOTHING_CHANGED}"));
        }
        // The lock is held, so that the command goes no further.
        let _ = emulate_default_handler(signal);
    } else if state.signal.is_none() {
        state.signal = Some(signal);
        if state.phase == Phase::Committing {
            say("interrupted; the commit is being finished");
        }
    }
}

/// Says that the command changes something.
pub(crate) fn command_changes() {
    state().changes = true;
}

/// From now on a signal waits, until [`Deferred`] is dropped.
pub(crate) fn defer() -> Deferred {
    let mut state = state();
    state.changes = true;
    state.phase = Phase::Preparing;
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

    /// Called after a commit that holds.
    pub(crate) fn committed(&self) {
        state().committed = true;
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        state().phase = Phase::Reading;
    }
}

/// The end of the program. If a signal waited, the last line says what happened, and the program
/// dies by that signal, unless a later step is missing.
pub(crate) fn end(code: ExitCode, is_incomplete: bool) -> ExitCode {
    let state = state();
    let Some(signal) = state.signal else {
        return code;
    };
    let name = signal_name(signal).unwrap_or("a signal");
    if state.committed {
        say(&format!("interrupted by {name}; the change is committed"));
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
