//! Arguments, terminal, environment, exit codes. Knows nothing of bytes, pages or engines.
//!
//! One file per command, named as in `ops`: it holds the command's arguments (`Args`) and a
//! `run` that turns them into options, calls the operation and hands its report to [`Ui`].

mod args;
mod auth;
mod check;
pub mod exit;
mod listing;
pub mod secret_input;
mod session;
mod status;
mod table;
mod ui;

use std::process::ExitCode;

use clap::Parser;

pub use session::Session;
pub use ui::{Human, Ui};

/// Runs the program with the process's arguments, streams and environment.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            return if error.print().is_err() {
                ExitCode::from(1)
            } else {
                ExitCode::from(code)
            };
        }
    };
    let ui = Ui::new(&cli.globals);
    let session = Session::new(cli.globals, ui);
    match args::dispatch(cli.command, &session) {
        Ok(outcome) => outcome.into(),
        Err(error) => session.ui().fail(&error),
    }
}
