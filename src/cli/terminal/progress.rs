//! Progress display on a terminal, for work of more than a second.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::report::Ui;

/// Work that ends sooner shows no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// A progress line on standard error. Hidden if standard error is not a terminal.
pub struct Bar {
    bar: ProgressBar,
    /// Its end stops the wait.
    _waiting: Option<Sender<()>>,
}

impl Bar {
    /// A bar with the message `doing` and an estimated `total` in bytes.
    #[must_use]
    pub fn new(ui: &Ui, doing: &'static str, total: u64) -> Self {
        let template = "{msg} {percent:>3} %  {bytes}, {bytes_per_sec}";
        Self::of(ui, doing, Some(total), template)
    }

    /// A byte counter without a known total.
    #[must_use]
    pub fn counting(ui: &Ui, doing: &'static str) -> Self {
        Self::of(ui, doing, None, "{msg} {bytes}, {bytes_per_sec}")
    }

    /// A bar that counts items up to `total`.
    #[must_use]
    pub fn items(ui: &Ui, doing: &'static str, total: u64) -> Self {
        Self::of(ui, doing, Some(total), "{msg} {pos} of {len}, {elapsed}")
    }

    /// A spinner for work without measurable progress.
    #[must_use]
    pub fn working(ui: &Ui, doing: &'static str) -> Self {
        Self::of(ui, doing, None, "{spinner} {msg} {elapsed}")
    }

    fn of(ui: &Ui, doing: &'static str, total: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        // The templates are constant and valid. The default style is a fallback.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        let watched = is_smart_terminal() && !ui.quiet() && !ui.json();
        Self {
            _waiting: watched.then(|| show_later(bar.clone())),
            bar,
        }
    }

    /// Clears the line while a question is asked.
    pub fn suspend<T>(&self, ask: impl FnOnce() -> T) -> T {
        self.bar.suspend(ask)
    }

    /// Sets the number of bytes or items done.
    pub fn at(&self, done: u64) {
        self.bar
            .set_position(done.min(self.bar.length().unwrap_or(done)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Whether standard error is a terminal that can clear a line.
fn is_smart_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Shows the bar when the work takes long.
fn show_later(bar: ProgressBar) -> Sender<()> {
    let (waiting, ended) = channel();
    // Without a thread there is no progress.
    let _ = thread::Builder::new().spawn(move || {
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) && !bar.is_finished() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            bar.enable_steady_tick(Duration::from_millis(200));
        }
    });
    waiting
}
