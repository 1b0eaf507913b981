//! The echo of the terminal, which is off while a secret is typed. If a signal ends the program
//! meanwhile, the echo must be on again. Otherwise the shell seems dead.

use std::fs::File;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// The terminal, and its settings before the current question.
static ASKING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Whether signals are watched. This never ends.
static WATCHING: OnceLock<bool> = OnceLock::new();

/// While this lives, a signal that ends the program restores the terminal first.
pub(super) struct RestoredBySignals(());

impl RestoredBySignals {
    /// Remembers the settings of the terminal. Does nothing if there is no terminal, or if signals
    /// can't be watched.
    pub(super) fn new() -> Self {
        let terminal = || -> io::Result<(File, Termios)> {
            let terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            Ok((terminal, before))
        };
        *asking() = terminal().ok();
        WATCHING.get_or_init(|| watch().is_ok());
        Self(())
    }
}

impl Drop for RestoredBySignals {
    fn drop(&mut self) {
        *asking() = None;
    }
}

fn asking() -> std::sync::MutexGuard<'static, Option<(File, Termios)>> {
    ASKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread that gets the signals. Their effect stays the same.
fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    thread::Builder::new().spawn(move || {
        for signal in signals.forever() {
            if let Some((terminal, before)) = &*asking() {
                let _ = tcsetattr(terminal, OptionalActions::Now, before);
            }
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
