//! `boltkey org`: its subcommands.

pub mod create;
pub mod list;

use clap::Subcommand;

use crate::cli::commands::org::create::CreateArgs;
use crate::cli::commands::org::list::ListArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `org`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List organizations
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Create an organization and its system buckets
    Create(CreateArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(ListArgs {}) => list::run(session),
        Command::Create(args) => create::run(&args, session),
    }
}
