//! Arguments, terminal, environment, exit codes. Knows nothing of bytes, pages or engines.
//!
//! One file per command, named as in `ops`: it holds the command's arguments (`Args`) and a
//! `run` that turns them into options, calls the operation and hands its report to [`Ui`].

mod apply;
mod args;
mod auth;
mod auth_clone;
mod auth_create;
mod auth_delete;
mod auth_rotate;
mod auth_update;
mod backup;
mod capture;
mod change;
mod check;
mod completions;
pub mod config;
mod convert;
pub mod discover;
mod downgrade;
mod downgrade_prepare;
mod entry;
pub mod exit;
mod hash;
mod listing;
mod locate;
mod man;
mod new_token;
mod org;
mod permission_flags;
mod places;
mod processes;
mod progress;
mod prompt;
mod recover;
mod residue;
mod scrub;
mod sealing;
pub mod secret_input;
mod services;
mod session;
mod setup;
mod status;
mod stdout;
mod table;
mod token;
mod ui;
mod usage;
mod user;
mod wrap;

use std::process::ExitCode;

use clap::Parser;

use crate::error::ErrorKind;

pub use session::Session;
pub use ui::{Human, Ui};

/// Runs the program with the process's arguments, streams and environment.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return usage::answer(&refused),
    };
    anstream::ColorChoice::from(cli.globals.color).write_global();
    let ui = Ui::new(&cli.globals);
    let session = Session::new(cli.globals, ui);
    match args::dispatch(cli.command, &session) {
        Ok(outcome) => outcome.into(),
        Err(error) => session.ui().fail(&match error.kind() {
            // Its text says what holds; and wrong arguments do nothing.
            ErrorKind::Incomplete | ErrorKind::Usage => error,
            _ => error.nothing_changed(),
        }),
    }
}
