//! `boltkey bucket`: its subcommands.

pub mod adopt;
pub mod create;
pub mod list;

use clap::Subcommand;

use crate::cli::commands::bucket::adopt::AdoptArgs;
use crate::cli::commands::bucket::create::CreateArgs;
use crate::cli::commands::bucket::list::ListArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `bucket`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List buckets
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Create a bucket
    Create(CreateArgs),
    /// Create buckets for folders of the engine that the store does not know
    Adopt(AdoptArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(ListArgs {}) => list::run(session),
        Command::Create(args) => create::run(args, session),
        Command::Adopt(args) => adopt::run(args, session),
    }
}
