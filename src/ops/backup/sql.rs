//! The SQLite file of a backup.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::compression::{is_gzip, temporary};
use crate::ops::files::copy;
use crate::ops::files::one_set::named_sqlite;
use crate::store::{Sqlite, SqliteCopy, unnamed_file, unpack};

/// A private copy of a server's SQLite file and its journal, not checked yet. The caller holds the
/// lock on the database.
///
/// # Errors
/// As [`SqliteCopy::take`]; [`ErrorKind::NotFound`] when there is no such file.
pub fn take(path: &Path) -> Result<SqliteCopy> {
    if let Some(copy) = SqliteCopy::take(path)? {
        return Ok(copy);
    }
    named_sqlite(path)?;
    // It came to be a moment later.
    let why = format!("{} was made just now", path.display());
    Err(Error::new(ErrorKind::Refused, why).with_hint("run the command again"))
}

/// Its content as one file without a name. Hold no lock meanwhile: this may take long.
///
/// # Errors
/// As [`Sqlite::of`].
pub fn single_file(copy: SqliteCopy) -> Result<File> {
    Ok(Sqlite::of(copy)?.single_file()?.0)
}

/// Unpacks the SQLite file of a backup into a private temporary file, in `scratch` if that is given, and
/// checks it. `path` is its path, for messages.
///
/// # Errors
/// [`ErrorKind::NotAStore`] and [`ErrorKind::Corrupt`] when it is not an SQLite file, or is
/// damaged.
pub fn unpacked(mut packed: File, path: &Path, scratch: Option<&Path>) -> Result<File> {
    let mut content = match scratch {
        Some(folder) => temporary(Some(folder))?,
        None => unnamed_file(path)?,
    };
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
    check(&content, path)?;
    content.rewind().at("read", path)?;
    Ok(content)
}

/// Checks an SQLite file.
fn check(content: &File, path: &Path) -> Result<()> {
    let content = content.try_clone().at("check a copy of", path)?;
    Sqlite::of(SqliteCopy::of_file(content, path)?).map(drop)
}
