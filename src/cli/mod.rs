//! The command line: arguments, terminal, environment, exit codes. Does not depend on pages or
//! engines.

mod args;
mod change;
mod commands;
pub mod exit;
mod globals;
pub mod host;
mod session;
pub mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::session::Session;
use crate::cli::terminal::ui::Ui;

/// The complete command definition, for completions, manual pages and tests.
#[must_use]
pub fn command() -> clap::Command {
    args::Cli::command()
}

/// Runs the program with the process's arguments, streams and environment.
#[must_use]
pub fn run() -> ExitCode {
    forbid_core_dumps();
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return terminal::usage::answer(&refused),
    };
    anstream::ColorChoice::from(cli.globals.color).write_global();
    let ui = Ui::new(&cli.globals);
    let session = Session::new(cli.globals, ui);
    match args::dispatch(cli.command, &session) {
        Ok(outcome) => outcome.into(),
        Err(error) => session.ui().fail(&session.advise(error)),
    }
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
