//! `boltkey compact`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::commands::convert::copy;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// Options of `compact`.
#[derive(Debug, Args)]
pub struct CompactArgs {
    /// Output file, which must not exist; created with mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs `compact`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: CompactArgs, session: &Session) -> Result<Outcome> {
    copy(args.out, None, "compacting", session, |now| now)
}
