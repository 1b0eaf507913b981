//! Opens the store of a backup for `restore` and `token`, and refuses a damaged backup.

use std::panic::resume_unwind;
use std::thread;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Severity;
use crate::ops::backup::file_states::Role;
use crate::ops::backup::source::{Backup, Kind};

/// Opens the store of a backup with `open` and verifies its files at the same time. The store is
/// unpacked only once.
///
/// # Errors
/// [`ErrorKind::NotAStore`], naming the first damaged file.
pub fn open_verified<S>(backup: &Backup, open: impl FnOnce() -> Result<S>) -> Result<S> {
    if backup.kind == Kind::Database {
        return open();
    }
    // Checksumming and unpacking take about the same time, so they run in parallel.
    let (written, store) = thread::scope(|scope| {
        let written = scope.spawn(|| {
            as_written(backup, Role::Kv, false).and_then(|()| as_written(backup, Role::Sql, true))
        });
        let store = open();
        (
            written.join().unwrap_or_else(|panic| resume_unwind(panic)),
            store,
        )
    });
    written?;
    store.map_err(|error| match error.kind() {
        kind @ (ErrorKind::NotAStore | ErrorKind::Corrupt) => {
            Error::new(kind, format!("the backup is damaged: {}", error))
                .with_hint("boltkey backup inspect lists all problems")
        }
        _ => error,
    })
}

/// Refuses a file that does not match the manifest.
fn as_written(backup: &Backup, role: Role, unpack: bool) -> Result<()> {
    let (_, findings) = backup.check(&[role], unpack)?;
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        None => Ok(()),
        Some(finding) => Err(Error::new(
            ErrorKind::NotAStore,
            format!(
                "the backup is damaged: {}: {}",
                finding.place, finding.message
            ),
        )
        .with_hint("boltkey backup inspect lists all problems")),
    }
}
