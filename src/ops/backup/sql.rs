//! The SQLite file of a backup.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::compression::{is_gzip, temporary};
use crate::ops::files::copy;
use crate::store::{Sqlite, unpack};

/// Copies a server's SQLite file, including its journal, into one file without a name. The caller
/// holds the lock on the database.
///
/// # Errors
/// As [`Sqlite::open`]; [`ErrorKind::NotFound`] when there is no such file.
pub fn copy(path: &Path) -> Result<File> {
    let Some(sqlite) = Sqlite::open(path)? else {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(missing).at("open", path).map_err(|error: Error| {
            error.with_hint(
                "name it with --sqlite-path; without the option, a missing one is \
                             left out",
            )
        });
    };
    Ok(sqlite.single_file()?.0)
}

/// Unpacks the SQLite file of a backup into a private temporary file and checks it. `path` is its
/// path, for messages.
///
/// # Errors
/// [`ErrorKind::NotAStore`] and [`ErrorKind::Corrupt`] when it is not an SQLite file, or is
/// damaged.
pub fn unpacked(mut packed: File, path: &Path, scratch: Option<&Path>) -> Result<File> {
    let mut content = temporary(scratch)?;
    if is_gzip(&mut packed).at("read", path)? {
        let bytes = unpack(packed).map_err(|cause| {
            Error::new(
                ErrorKind::NotAStore,
                format!("can't unpack {}: {cause}", path.display()),
            )
        })?;
        content.write_all(&bytes).at("unpack", path)?;
    } else {
        copy::copy(&mut packed, &mut content, &mut |_| {}).at("copy", path)?;
    }
    check(&mut content, path)?;
    content.rewind().at("read", path)?;
    Ok(content)
}

/// Checks an SQLite file. SQLite can open files by name only.
fn check(content: &mut File, path: &Path) -> Result<()> {
    let mut copied = || -> std::io::Result<NamedTempFile> {
        let mut named = NamedTempFile::new()?;
        content.rewind()?;
        copy::copy(content, named.as_file_mut(), &mut |_| {})?;
        Ok(named)
    };
    let named = copied().at("check a copy of", path)?;
    Sqlite::open_copy(named.path(), path).map(drop)
}
