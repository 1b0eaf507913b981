//! Whether there is a standard output that could take a secret.
//!
//! Before `main` runs, Rust's library opens the null device, for reading and writing, in the place
//! of a stream that the caller closed (`>&-`). A token printed there would be lost and nothing
//! would tell. `>/dev/null`, which somebody asked for, is open for writing alone.

use std::io;
use std::path::Path;

use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};

use crate::cli::terminal::ui::stdout_failed;
use crate::error::Result;

/// Where the system keeps what is thrown away.
const NULL: &str = "/dev/null";

/// Fails if this process was started without a standard output. Called before anything is done
/// whose only trace would be printed there.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when it was.
pub(crate) fn ensure_open() -> Result<()> {
    if is_closed() {
        Err(stdout_failed(&io::Error::other("it is closed")))
    } else {
        Ok(())
    }
}

/// What can't be looked at counts as open: writing to it will tell.
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
