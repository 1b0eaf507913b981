//! Converts panics and errors of the redb library into errors of this crate.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use crate::error::{Error, ErrorKind, Result};

thread_local! {
    /// Whether this thread is in a call of the library, whose panics are caught and not printed.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call of the library. Catches panics, which the library has on damaged files, and does not
/// print their messages.
///
/// # Errors
/// [`ErrorKind::Corrupt`] for a panic; any error of `call`.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                print(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    outcome.unwrap_or_else(|_| Err(damaged(path, "the redb library can't read it")))
}

/// Drops a value of the library. Its destructor may panic too.
pub(super) fn drop_quietly<T>(path: &Path, thing: T) {
    let _ = guarded(path, || {
        drop(thing);
        Ok(())
    });
}

/// Converts an error of the library. Its messages are about pages and checksums and have no values.
pub(super) fn failed(path: &Path, action: &str, cause: impl Into<::redb::Error>) -> Error {
    match cause.into() {
        ::redb::Error::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => {
            damaged(path, &cause.to_string())
        }
        ::redb::Error::Io(cause) => Error::new(
            ErrorKind::Io,
            format!("can't {action} {}: {cause}", path.display()),
        )
        .with_source(cause),
        ::redb::Error::Corrupted(why) => damaged(path, &why),
        ::redb::Error::UpgradeRequired(version) => Error::new(
            ErrorKind::NotAStore,
            format!(
                "{} was written by another version of redb (file format {version})",
                path.display()
            ),
        ),
        cause => Error::new(
            ErrorKind::Io,
            format!("can't {action} {}: {cause}", path.display()),
        ),
    }
}

/// The hint for a damaged store.
pub(super) const RESTORE: &str = "restore a backup, or convert the original influxd.bolt again";

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{} is a damaged redb store: {why}", path.display()),
    )
    .with_hint(RESTORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let failed = guarded::<()>(Path::new("x.redb"), || panic!("deep inside")).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Corrupt);
        assert!(
            failed
                .message()
                .starts_with("x.redb is a damaged redb store")
        );
        assert_eq!(guarded(Path::new("x"), || Ok(7)).unwrap(), 7);
        assert!(!GUARDED.get());
    }
}
