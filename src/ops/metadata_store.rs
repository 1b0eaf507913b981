//! Whether a file has InfluxDB's buckets, which every command that reads records needs.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::recognise::{Recognised, recognise};
use crate::store::{Inspect, Snapshot};

/// Whether InfluxDB's buckets can be read.
pub enum Readable {
    /// At least one.
    Yes,
    /// No bucket can be read.
    No(Error),
}

impl Readable {
    /// Fails if no bucket can be read.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], with the damage.
    pub fn or_unreadable(self) -> Result<()> {
        match self {
            Self::Yes => Ok(()),
            Self::No(error) => Err(error),
        }
    }
}

/// Refuses a file without InfluxDB's buckets. Returns the damage that may hide them.
///
/// # Errors
/// [`ErrorKind::NotAStore`] for the file of another program; I/O errors.
pub fn is_metadata(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    path: &Path,
) -> Result<Readable> {
    match recognise(snapshot, inspect)? {
        Recognised::Metadata => return Ok(Readable::Yes),
        Recognised::Damaged(first) => {
            return Ok(Readable::No(
                Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "can't read any bucket of {}: the bucket tree is damaged at {}: {}",
                        path.display(),
                        first.place,
                        first.message
                    ),
                )
                .with_hint("boltkey check lists the damage"),
            ));
        }
        Recognised::Other => {}
    }
    Err(Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} is a Bolt file but not an InfluxDB metadata store: it has none of InfluxDB's \
             buckets (influxd recovery reports: bucket \"authorizationsv1\": bucket not found)",
            path.display()
        ),
    )
    .with_hint(
        "influxd recovery creates such an empty file when its path is wrong; run boltkey locate to \
         list the stores on this host",
    ))
}
