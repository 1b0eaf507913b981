//! The folder in which SQLite opens a copy, because it opens files by name only. It is removed on
//! drop, and by a signal.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::store::unfinished::{Private, gate};

/// See the module.
pub(super) struct PrivateFolder {
    folder: TempDir,
    _private: Private,
}

impl PrivateFolder {
    /// A new folder that only this user can open, in the system's folder for temporary files.
    ///
    /// # Errors
    /// I/O errors.
    pub(super) fn new() -> io::Result<Self> {
        let gate = gate();
        let folder = tempfile::Builder::new()
            .prefix("boltkey-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        Ok(Self {
            _private: gate.private(folder.path()),
            folder,
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}
