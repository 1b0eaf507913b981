//! The options for the target release.

use std::path::PathBuf;

use clap::Args;

use crate::metadata::Release;
use crate::ops::downgrade::sql_side::Options;

/// The target release, and the SQLite file.
#[derive(Debug, Args)]
pub struct ToArgs {
    /// The release to go back to: 2.0 to 2.9, or a patch release such as 2.7.12
    #[arg(long, value_name = "RELEASE")]
    to: Release,
    /// SQLite file [default: influxd.sqlite beside the database, if it exists]
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
}

impl From<ToArgs> for Options {
    fn from(args: ToArgs) -> Self {
        Self {
            target: args.to,
            sqlite: args.sqlite_path,
        }
    }
}
