//! `boltkey downgrade`: its subcommands.

pub mod apply;
pub mod check;
pub mod prepare;
pub mod target;

use clap::Subcommand;

use crate::cli::commands::downgrade::apply::{APPLY_HELP, ApplyArgs};
use crate::cli::commands::downgrade::check::{CHECK_HELP, CheckArgs};
use crate::cli::commands::downgrade::prepare::{PREPARE_HELP, PrepareArgs};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `downgrade`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the effect of a downgrade on each token, and the steps
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Restore plaintext tokens in place of their hashes
    #[command(after_help = PREPARE_HELP)]
    Prepare(PrepareArgs),
    /// Undo the schema change of 2.8, so that an older release can start
    #[command(after_help = APPLY_HELP)]
    Apply(ApplyArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Check(args) => check::run(args, session),
        Command::Prepare(args) => prepare::run(args, session),
        Command::Apply(args) => apply::run(args, session),
    }
}
