//! The border to the redb library: its panics on damaged files become errors that say so.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use crate::error::{Error, ErrorKind, Result};

thread_local! {
    /// Whether a panic of this thread would be one of the library's, which is caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call of the library. A panic in it is caught and its text, which would only confuse, is
/// not printed.
///
/// # Errors
/// [`ErrorKind::Corrupt`] for a panic; else what `call` returns.
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
    outcome.unwrap_or_else(|_| Err(damaged(path, "redb can't make sense of it")))
}

/// Lets go of something of the library's, whose end may panic as well.
pub(super) fn drop_quietly<T>(path: &Path, thing: T) {
    let _ = guarded(path, || {
        drop(thing);
        Ok(())
    });
}

/// An error of the library, as one of ours. Its texts are about pages and checksums, never about
/// values.
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

/// What helps where a store is damaged.
pub(super) const RESTORE: &str =
    "restore a backup of it, or convert the influxd.bolt it came from again";

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
