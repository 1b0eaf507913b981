//! Output of the argument parser: help, version and usage errors.

use std::ffi::OsString;
use std::io::{self, ErrorKind as IoErrorKind, Write};
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::ValueEnum;

use crate::cli::globals::ColorWhen;
use crate::cli::terminal::report::{Ui, stdout_failed};
use crate::error::{Error, ErrorKind};

/// Prints the parser's output and returns the exit code.
pub(crate) fn answer(refused: &clap::Error) -> ExitCode {
    color_of(&arguments()).write_global();
    let ui = Ui::of_raw_arguments(arguments().iter().any(|argument| argument == "--json"));
    if refused.use_stderr() {
        return if ui.json() {
            ui.fail(&usage_error(refused))
        } else {
            // A closed standard error can't be reported.
            let _ = write!(anstream::stderr(), "{}", refused.render().ansi());
            ExitCode::from(2)
        };
    }
    match print(refused) {
        Err(cause) if cause.kind() != IoErrorKind::BrokenPipe => ui.fail(&stdout_failed(&cause)),
        _ => ExitCode::SUCCESS,
    }
}

fn print(help: &clap::Error) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    write!(out, "{}", help.render().ansi())?;
    out.flush()
}

/// The raw arguments: the parser has not read those after the one that it refuses.
fn arguments() -> Vec<OsString> {
    let arguments = std::env::args_os().skip(1);
    arguments.take_while(|argument| argument != "--").collect()
}

/// The value of `--color` among the raw arguments. The last one counts, a wrong one does not.
fn color_of(arguments: &[OsString]) -> ColorChoice {
    let next = arguments.iter().skip(1).map(Some).chain([None]);
    let values = arguments.iter().zip(next).filter_map(|(argument, next)| {
        let argument = argument.to_str()?;
        match argument.strip_prefix("--color")? {
            "" => next?.to_str(),
            rest => rest.strip_prefix('='),
        }
    });
    let choices = values.filter_map(|value| ColorWhen::from_str(value, false).ok());
    choices.last().unwrap_or(ColorWhen::Auto).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn color_is_found_anywhere() {
        for (arguments, expected) in [
            (&["status"][..], ColorChoice::Auto),
            (&["--color", "never", "x"], ColorChoice::Never),
            (&["--wrong", "--color=always"], ColorChoice::Always),
            (&["--color=never", "--color", "always"], ColorChoice::Always),
            (&["--color=blue"], ColorChoice::Auto),
            (&["--color"], ColorChoice::Auto),
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            assert_eq!(color_of(&arguments), expected, "{arguments:?}");
        }
    }
}
