//! The option that names other files to look into, of `residue scan`, `residue recover` and others.

use std::path::PathBuf;

use clap::Args;

use crate::cli::session::Session;
use crate::ops::residue::Options;

/// Other places to look.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Look into these files too: old backups (gzipped or not), .pre-…-upgrade.backup copies, the
    /// influx CLI's configs, anything that may show a token
    #[arg(long, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl FilesArgs {
    /// Those that were named.
    pub fn paths(&self) -> &[PathBuf] {
        &self.files
    }

    /// Where to look, for the operations; the files are opened as the global options say.
    pub fn options(self, session: &Session) -> Options {
        Options {
            files: self.files,
            open: session.open_options(),
        }
    }
}
