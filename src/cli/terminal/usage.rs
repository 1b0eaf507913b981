//! Output of the argument parser: help, version and usage errors.

use std::io::ErrorKind as IoErrorKind;
use std::process::ExitCode;

use crate::cli::terminal::report::{Ui, stdout_failed};
use crate::error::{Error, ErrorKind};

/// Prints the parser's output and returns the exit code.
pub(crate) fn answer(refused: &clap::Error) -> ExitCode {
    let ui = Ui::of_raw_arguments(json_was_asked_for());
    if refused.use_stderr() {
        return if ui.json() {
            ui.fail(&usage_error(refused))
        } else {
            let _ = refused.print(); // a closed standard error can't be reported
            ExitCode::from(2)
        };
    }
    match refused.print() {
        Err(cause) if cause.kind() != IoErrorKind::BrokenPipe => ui.fail(&stdout_failed(&cause)),
        _ => ExitCode::SUCCESS,
    }
}

/// Whether `--json` is among the raw arguments.
fn json_was_asked_for() -> bool {
    std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json")
}

/// Splits the parser's text: the first paragraph is the message, the rest is the hint.
fn usage_error(refused: &clap::Error) -> Error {
    if refused.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // The text of this error is the complete help.
        return Error::new(ErrorKind::Usage, "subcommand required")
            .with_hint("add --help to list the subcommands");
    }
    let text = refused.render().to_string();
    let mut paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty());
    let message = paragraphs.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let hint = paragraphs.collect::<Vec<_>>().join("; ");
    Error::new(ErrorKind::Usage, message).with_hint(hint)
}
