//! `boltkey recover`: its subcommands.

pub mod operator;

use clap::Subcommand;

use crate::cli::commands::recover::operator::OperatorArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `recover`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create an operator token without an existing token
    Operator(OperatorArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when the token can't be printed.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Operator(args) => operator::run(args, session),
    }
}
