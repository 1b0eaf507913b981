//! Bounded reads of untrusted files and folders.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::store::open_regular;

/// Maximum file size, in bytes.
const LONGEST: u64 = 4 << 20;
/// Maximum number of folder entries.
pub(crate) const MOST_ENTRIES: usize = 10_000;

/// The paths in a folder, ascending.
///
/// # Errors
/// When the folder can't be read.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.take(MOST_ENTRIES);
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The content of a file, which may hold secrets. None if it can't be read or is too long.
pub(crate) fn read_bounded(file: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut opened = open_regular(file).ok()?.take(LONGEST + 1);
    opened.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LONGEST).then_some(bytes)
}
