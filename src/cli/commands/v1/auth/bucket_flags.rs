//! The options `--read-bucket` and `--write-bucket` of `influx v1 auth create`. Buckets may be named
//! too.

use clap::Args;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Can;

/// The buckets that a 1.x user may read and write.
#[derive(Debug, Args)]
pub struct BucketFlags {
    /// Bucket that the 1.x user may read, by ID or name; may be repeated
    #[arg(long, value_name = "ID-OR-NAME")]
    read_bucket: Vec<String>,
    /// Bucket that the 1.x user may write, by ID or name; may be repeated
    #[arg(long, value_name = "ID-OR-NAME")]
    write_bucket: Vec<String>,
}

impl BucketFlags {
    /// The permissions, in the order of the influx CLI.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for an empty name.
    pub fn permissions(&self) -> Result<Vec<Can>> {
        let read = self.read_bucket.iter().map(|bucket| ("read", bucket));
        let write = self.write_bucket.iter().map(|bucket| ("write", bucket));
        let permission = |(action, bucket): (&str, &String)| {
            let text = format!("{action}:buckets/{bucket}");
            text.parse()
                .map_err(|why: String| Error::new(ErrorKind::Usage, why))
        };
        read.chain(write).map(permission).collect()
    }
}
