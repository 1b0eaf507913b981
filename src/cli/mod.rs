//! The command line: arguments, terminal, environment, exit codes. Does not depend on pages or
//! engines.

mod args;
mod change;
mod commands;
mod completion;
mod examples;
pub mod exit;
mod globals;
pub mod host;
mod reading;
#[cfg(test)]
mod schemas;
mod session;
mod suggestions;
pub mod terminal;
mod used_globals;
mod value_hints;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::reading::Reading;
use crate::cli::session::Session;
use crate::cli::terminal::interruption::{self, Work};
use crate::cli::terminal::report::Ui;
use crate::error::ErrorKind;

/// The complete command definition, for completions, manual pages and tests.
#[must_use]
pub fn command() -> clap::Command {
    command_with_help(false)
}

/// The command definition. With `short`, help is that of `-h`.
fn command_with_help(short: bool) -> clap::Command {
    let program = value_hints::add_to(examples::add_to(arguments_alone(), short));
    used_globals::show_only_those(program)
}

/// The command definition without what only help and completions show.
fn arguments_alone() -> clap::Command {
    reading::with_database_argument(args::Cli::command().styles(terminal::style::HELP))
}

/// Runs the program with the process's arguments, streams and environment.
#[must_use]
pub fn run() -> ExitCode {
    forbid_core_dumps();
    if let Some(code) = completion::answer(command, arguments_alone) {
        return code;
    }
    let (cli, only_reads, work) = match parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(refused) => return terminal::usage::answer(&refused),
    };
    anstream::ColorChoice::from(cli.globals.color).write_global();
    let ui = Ui::new(&cli.globals);
    let session = Session::new(cli.globals, ui);
    interruption::watch(work);
    match args::dispatch(cli.command, only_reads, command, &session) {
        Ok(outcome) => interruption::end(outcome.into(), false),
        Err(error) => {
            let is_incomplete = error.kind() == ErrorKind::Incomplete;
            let code = session.ui().fail(&session.advise(error));
            interruption::end(code, is_incomplete)
        }
    }
}

/// Parses the arguments of the process. Also returns whether the command only reads the database, and
/// what it does to files.
fn parse(arguments: Vec<OsString>) -> Result<(args::Cli, bool, Work), clap::Error> {
    let mut program = arguments_alone();
    let matches = match program.try_get_matches_from_mut(&arguments) {
        Ok(matches) => matches,
        // The answer is help or a usage error. Only these need the whole definition.
        Err(_) => {
            let short = arguments.iter().any(|argument| argument == "-h");
            program = command_with_help(short);
            program
                .try_get_matches_from_mut(&arguments)
                .map_err(|mut refused| {
                    suggestions::correct(&mut refused, &program, &arguments);
                    refused
                })?
        }
    };
    let reading = Reading::of(&matches);
    let mut cli =
        args::Cli::from_arg_matches(&matches).map_err(|refused| refused.format(&mut program))?;
    cli.globals.db = reading.database.or(cli.globals.db);
    Ok((cli, reading.only_reads, reading.work))
}

/// A core dump would contain tokens. There is nothing to do if the system refuses.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
}
