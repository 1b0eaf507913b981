//! Whether there is a standard output at all.
//!
//! Before `main` runs, Rust's library opens /dev/null in the place of a stream that the caller
//! closed (`>&-`): a token written there would be lost, and nothing would tell. Afterwards the
//! two can't be told apart, since Python and others open /dev/null in just that way for output
//! they don't want. So it is looked at earlier, when the program is loaded.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// One system call and no more: little else may be done this early.
#[ctor::ctor]
fn look() {
    let closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    CLOSED.store(closed, Ordering::Relaxed);
}

/// Fails if this process was started without a standard output.
///
/// # Errors
/// When it was.
pub(super) fn ensure_open() -> io::Result<()> {
    if CLOSED.load(Ordering::Relaxed) {
        Err(io::Error::other("standard output is closed"))
    } else {
        Ok(())
    }
}

/// Whether `path` is a name of standard output.
pub(super) fn is_named_by(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}
