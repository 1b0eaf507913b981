//! A file that is no store, or whose records can't be read.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::recognise::{Recognised, recognise};
use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::doctor::cures::{has_records, restoring, salvaging};
use crate::ops::doctor::{Check, Verdict};
use crate::store::Store;

/// The check of a file that can't be opened as a store.
pub(super) fn check(path: &Path, error: &Error) -> Check {
    let database = text(path);
    let (hint, command) = match error.kind() {
        ErrorKind::PermissionDenied => (
            String::from("Run boltkey as the user of influxd, or as root."),
            format!("sudo {}", boltkey(&["doctor", &database])),
        ),
        // A lock of this process does no harm.
        ErrorKind::NotAStore | ErrorKind::Corrupt if has_records(path) => salvaging(&database),
        ErrorKind::NotAStore => (
            String::from("The data may be in another store."),
            boltkey(&["locate"]),
        ),
        _ => restoring(&database),
    };
    Check::found(
        "structure",
        Verdict::Fail,
        error.message(),
        hint,
        Some(command),
    )
}

/// The check of a Bolt file without InfluxDB's buckets, and the error for it. None if it has them.
///
/// # Errors
/// When the file can't be read.
pub(super) fn no_metadata(path: &Path, store: &Store) -> Result<Option<(Check, Error)>> {
    let (kind, message) = match recognise(store.snapshot(), store.inspect())? {
        Recognised::Metadata => return Ok(None),
        Recognised::Damaged(first) => (
            ErrorKind::Corrupt,
            format!(
                "no bucket of {} can be read: {}: {}",
                path.display(),
                first.place,
                first.message
            ),
        ),
        Recognised::Other => (
            ErrorKind::NotAStore,
            format!(
                "{} is a Bolt file but not an InfluxDB metadata store: it has none of InfluxDB's buckets",
                path.display()
            ),
        ),
    };
    let error = Error::new(kind, message);
    Ok(Some((check(path, &error), error)))
}
