//! Progress display on a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::report::Ui;

/// A progress line on standard error. Hidden if standard error is not a terminal.
pub struct Bar(ProgressBar);

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
        let watched = io::stderr().is_terminal() && !ui.quiet() && !ui.json();
        let target = if watched {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        // The templates are constant and valid. The default style is a fallback.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        if watched {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    /// Sets the number of bytes or items done.
    pub fn at(&self, done: u64) {
        self.0
            .set_position(done.min(self.0.length().unwrap_or(done)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
