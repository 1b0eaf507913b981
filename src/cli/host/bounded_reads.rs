//! Reads of untrusted files and folders, with limits for size, number and time. A file system that
//! never answers must not stop the search.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ops::files::time_limit::within;
use crate::store::{Engine, engine_of, open_regular};

/// Maximum file size, in bytes.
const LONGEST: u64 = 4 << 20;
/// Maximum number of folder entries.
pub(crate) const MOST_ENTRIES: usize = 10_000;

/// The paths in a folder, ascending.
///
/// # Errors
/// When the folder can't be read in time.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = folder.to_path_buf();
    within(move || {
        let entries = fs::read_dir(folder)?.take(MOST_ENTRIES);
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        Ok(paths)
    })
    .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// The content of a file, which may hold secrets. None if it is not a regular file, can't be read
/// in time, or is too long.
pub(crate) fn read_bounded(file: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let file = file.to_path_buf();
    within(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut opened = open_regular(&file).ok()?.take(LONGEST + 1);
        opened.read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= LONGEST).then_some(bytes)
    })?
}

/// The text of a file. Wrong UTF-8 is replaced. None as in [`read_bounded`].
pub(crate) fn text_of(file: &Path) -> Option<Zeroizing<String>> {
    let bytes = read_bounded(file)?;
    Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

/// What is at the path, links followed.
///
/// # Errors
/// When nothing is there, or it can't be known in time.
pub(crate) fn what_is_at(path: &Path) -> io::Result<Metadata> {
    let path = path.to_path_buf();
    within(move || fs::metadata(path)).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// The engine of a database, by its content. None for other files and those that can't be read.
pub(crate) fn engine_at(path: &Path) -> Option<Engine> {
    let path = path.to_path_buf();
    within(move || engine_of(&path).ok().flatten())?
}
