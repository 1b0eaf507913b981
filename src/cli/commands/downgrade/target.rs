//! The options for the target release.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::metadata::Release;
use crate::ops::downgrade::sql_side::Options;

/// The target release, and the SQLite file.
#[derive(Debug, Args)]
pub struct ToArgs {
    /// The release to go back to
    #[arg(long, value_name = "RELEASE", value_parser = release())]
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

fn release() -> impl TypedValueParser<Value = Release> {
    PossibleValuesParser::new(Release::NAMES).try_map(|text| text.parse::<Release>())
}
