//! Reading the folder of a backup: file names, and texts of bounded length.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// Maximum size of a manifest in bytes.
const LONGEST_TEXT: u64 = 64 << 20;

/// The error for a path that is not a backup.
pub(super) fn no_backup(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::NotAStore,
        format!("{} is not a backup: {why}", path.display()),
    )
}

/// The names of the files in a folder, ascending. Names that are not UTF-8 are skipped: no backup
/// has such.
///
/// # Errors
/// When the folder can't be read.
pub fn names_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        if let Ok(name) = entry.at("read", folder)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a text of at most [`LONGEST_TEXT`] bytes.
///
/// # Errors
/// I/O errors; [`ErrorKind::NotAStore`] when it is longer.
pub fn read_text(file: &File, path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LONGEST_TEXT + 1)
        .read_to_end(&mut text)
        .at("read", path)?;
    if text.len() as u64 > LONGEST_TEXT {
        let why = format!("it is longer than {} MiB", LONGEST_TEXT >> 20);
        return Err(no_backup(path, &why));
    }
    Ok(text)
}
