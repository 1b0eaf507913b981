//! The options that say which release to go back to.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::metadata::Release;
use crate::ops::downgrade::sql_side::Options;

/// The release to go back to, and the SQLite file that goes back with the database.
#[derive(Debug, Args)]
pub struct ToArgs {
    /// The release to go back to
    #[arg(long, value_name = "RELEASE", value_parser = release())]
    to: Release,
    /// InfluxDB's SQLite file; by default influxd.sqlite beside the database, if it is there
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
