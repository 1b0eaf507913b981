//! `boltkey token`: its subcommands. They need no database.

pub mod generate;
pub mod hash;

use clap::Subcommand;

use crate::cli::commands::token::hash::HashArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `token`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a token as influxd does: 64 random bytes in URL-safe base64
    Generate,
    /// Print the hash of a token, as InfluxDB 2.8 and later store it
    Hash(HashArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// When the token can't be generated or read, or standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Generate => generate::run(session),
        Command::Hash(args) => hash::run(&args, session),
    }
}
