//! Files that the user names as an input: secrets, lists, captures. Besides regular files these may
//! be pipes, as `<(command)` makes them in a shell, and devices.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use super::time_limit::within_time;
use crate::error::{IoContext, Result};
use crate::store::refuse_sparse;

/// The time for opening. A pipe opens when a process writes to it; a program that asks for a
/// passphrase first opens it before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens a file for reading. Waits for a process that writes to a pipe, but not for ever.
///
/// # Errors
/// When it can't be opened, or not in 30 seconds; [`ErrorKind::Corrupt`](crate::error::ErrorKind) for
/// a file that is far longer than what it has on disk.
pub fn open_input(path: &Path) -> Result<File> {
    let named = path.to_path_buf();
    let opened = within_time(PATIENCE, move || File::open(named));
    let file = opened
        .unwrap_or_else(|| Err(nobody(path)))
        .at("open", path)?;
    refuse_sparse(path, &file.metadata().at("read", path)?)?;
    Ok(file)
}

fn nobody(path: &Path) -> io::Error {
    let is_pipe = path
        .metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo());
    let why = match is_pipe {
        true => "it is a pipe to which no process wrote within 30 seconds",
        false => "it could not be opened within 30 seconds",
    };
    io::Error::new(io::ErrorKind::TimedOut, why)
}
