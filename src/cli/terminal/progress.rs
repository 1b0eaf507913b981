//! How far a long command is, for people at a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::terminal::ui::Ui;

/// A line on standard error that says how far a command is. Not there when nobody watches.
pub struct Bar(ProgressBar);

impl Bar {
    /// Says what is `doing`; there are `total` bytes to be done, more or less.
    #[must_use]
    pub fn new(ui: &Ui, doing: &'static str, total: u64) -> Self {
        let template = "{msg} {percent:>3} %  {bytes}, {bytes_per_sec}";
        Self::of(ui, doing, Some(total), template)
    }

    /// The same for bytes of which it can't be told how many there will be.
    #[must_use]
    pub fn counting(ui: &Ui, doing: &'static str) -> Self {
        Self::of(ui, doing, None, "{msg} {bytes}, {bytes_per_sec}")
    }

    /// The same for work of which it can't be told how much of it is done.
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
        // The template is constant and right; if not, the default serves.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(doing);
        if watched {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    /// So many bytes are done.
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
