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
    /// Make a new operator token without an old one: the way back in
    Operator(OperatorArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation, and when the token can't be printed.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Operator(args) => operator::run(args, session),
    }
}
