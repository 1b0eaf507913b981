//! `boltkey v1`: access of 1.x clients.

pub mod auth;
pub mod dbrp;

use clap::Subcommand;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `v1`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Manage 1.x users: list, create, update, set a password, delete
    #[command(subcommand, visible_alias = "authorization")]
    Auth(auth::Command),
    /// Manage mappings of 1.x databases to buckets: list, create, update, delete
    #[command(subcommand)]
    Dbrp(dbrp::Command),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Auth(command) => auth::run(command, session),
        Command::Dbrp(command) => dbrp::run(command, session),
    }
}
