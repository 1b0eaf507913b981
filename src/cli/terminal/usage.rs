//! Arguments that did not parse: help and version, which were asked for, and usage errors.

use std::io::ErrorKind as IoErrorKind;
use std::process::ExitCode;

use crate::cli::terminal::ui::{Ui, stdout_failed};
use crate::error::{Error, ErrorKind};

/// Prints what the parser has to say, and tells how the program ends.
pub(crate) fn answer(refused: &clap::Error) -> ExitCode {
    let ui = Ui::of_raw_arguments(json_was_asked_for());
    if refused.use_stderr() {
        return if ui.json() {
            ui.fail(&usage_error(refused))
        } else {
            let _ = refused.print(); // if standard error is closed, nobody is left to tell
            ExitCode::from(2)
        };
    }
    match refused.print() {
        Err(cause) if cause.kind() != IoErrorKind::BrokenPipe => ui.fail(&stdout_failed(&cause)),
        _ => ExitCode::SUCCESS,
    }
}

/// Whether `--json` stands among the arguments, which could not be parsed as a whole.
fn json_was_asked_for() -> bool {
    std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json")
}

/// The parser's text: its first paragraph says what is wrong, the others what would be right.
fn usage_error(refused: &clap::Error) -> Error {
    if refused.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Its text is the whole help.
        return Error::new(ErrorKind::Usage, "a subcommand is missing")
            .with_hint("the same with --help lists them");
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
