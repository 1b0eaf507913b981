//! Reads of files and folders that belong to others, with bounds on what is read.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::store::open_regular;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// Most entries of a folder that are looked at.
pub(crate) const MOST_ENTRIES: usize = 10_000;

/// The paths of what stands in a folder, ascending.
///
/// # Errors
/// As the system says.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.take(MOST_ENTRIES);
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The content of a file, which may hold secrets; none if it can't be read, or is too long.
pub(crate) fn read_bounded(file: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut opened = open_regular(file).ok()?.take(LONGEST + 1);
    opened.read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LONGEST).then_some(bytes)
}
