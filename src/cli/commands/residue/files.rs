//! The `--files` option of `residue scan`, `residue recover` and others.

use std::path::PathBuf;

use clap::Args;

use crate::cli::session::Session;
use crate::ops::residue::Options;

/// Other files to search.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Also search these files: old backups (gzipped or not), .pre-…-upgrade.backup copies, configs
    /// of the influx CLI, or any file that may contain a token
    #[arg(long, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl FilesArgs {
    /// The given files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.files
    }

    /// The search options for the operations.
    pub fn options(self, session: &Session) -> Options {
        Options {
            files: self.files,
            open: session.open_options(),
        }
    }
}
