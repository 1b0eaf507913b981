//! Colors that carry meaning. They are removed again where `--color`, `NO_COLOR` or a pipe says so.

use clap::builder::styling::{AnsiColor, Style, Styles};

pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();

/// The colors of help and usage errors.
pub(crate) const HELP: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .error(ERROR)
    .invalid(WARNING)
    .valid(GOOD);

/// A word that says that something is right.
pub(crate) fn good(word: &str) -> String {
    format!("{GOOD}{word}{GOOD:#}")
}

/// A word that says that something is wrong or lost.
pub(crate) fn bad(word: &str) -> String {
    format!("{ERROR}{word}{ERROR:#}")
}

/// A word that warns.
pub(crate) fn caution(word: &str) -> String {
    format!("{WARNING}{word}{WARNING:#}")
}
