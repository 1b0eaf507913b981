//! The echo of the terminal, which is off while a secret is typed. If a signal ends the program
//! meanwhile, the echo must be on again. Otherwise the shell seems dead.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal, and its settings before the current question.
static ASKING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// While this lives, a signal that ends the program restores the terminal first.
pub(super) struct RestoredBySignals(());

impl RestoredBySignals {
    /// Remembers the settings of the terminal. Does nothing if there is no terminal.
    pub(super) fn new() -> Self {
        let terminal = || -> io::Result<(File, Termios)> {
            let terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = tcgetattr(&terminal)?;
            Ok((terminal, before))
        };
        *asking() = terminal().ok();
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

/// Restores the terminal while a question is asked.
pub(super) fn restore() {
    if let Some((terminal, before)) = &*asking() {
        let _ = tcsetattr(terminal, OptionalActions::Now, before);
    }
}
