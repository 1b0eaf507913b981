//! Detects a closed standard output, which would lose a secret.
//!
//! Before `main` runs, Rust's standard library replaces a closed stream (`>&-`) with the null
//! device, open for reading and writing. A token printed there would be lost without an error.
//! An explicit `>/dev/null` is open only for writing.

use std::io;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};

use crate::cli::terminal::report::stdout_failed;
use crate::error::Result;

/// The null device.
const NULL: &str = "/dev/null";

/// Fails if this process was started without a standard output. Called before creating a secret
/// that is only printed.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when standard output is closed.
pub(crate) fn ensure_open() -> Result<()> {
    if is_closed() {
        Err(stdout_failed(&io::Error::other("it is closed")))
    } else {
        Ok(())
    }
}

/// False if the stream can't be examined; writing to it reports the error.
fn is_closed() -> bool {
    let stdout = io::stdout();
    let (Ok(flags), Ok(stream), Ok(null)) = (fcntl_getfl(&stdout), fstat(&stdout), stat(NULL))
    else {
        return false;
    };
    flags & OFlags::ACCMODE == OFlags::RDWR && stream.st_rdev == null.st_rdev
}

/// Whether `path` is a name of standard output.
pub(crate) fn is_named_by(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}
