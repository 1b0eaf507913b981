//! `boltkey residue`: its subcommands.

pub mod files;
pub mod missing;
pub mod recover;
pub mod scan;
pub mod scrub;

use clap::Subcommand;

use crate::cli::commands::residue::recover::RecoverArgs;
use crate::cli::commands::residue::scan::ScanArgs;
use crate::cli::commands::residue::scrub::ScrubArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `residue`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count plaintext tokens left in unused parts of the file
    Scan(ScanArgs),
    /// Recover the plaintext of hashed tokens from the file
    Recover(RecoverArgs),
    /// Overwrite unused parts of the file
    Scrub(ScrubArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when an output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Scan(args) => scan::run(args, session),
        Command::Recover(args) => recover::run(args, session),
        Command::Scrub(args) => scrub::run(args, session),
    }
}
