//! The lock on a file that will be replaced, whatever its content is.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};
use crate::finding::Finding;
use crate::store::lock::lock_exclusive;
use crate::store::open::{Purpose, open_file};
use crate::store::{OpenOptions, Store};

/// An exclusive lock on a file. The file need not be a database. No server can open the file until
/// this is dropped, even if it is renamed meanwhile.
pub struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Locks the file at `path`. The finding is there when the file system has no locks.
    ///
    /// # Errors
    /// As [`crate::store::WritableStore::open`], except for errors about the content.
    pub fn lock(path: &Path, options: &OpenOptions) -> Result<(Self, Option<Finding>)> {
        let file = open_file(path, Purpose::Writing)?;
        let finding = lock_exclusive(&file, path, &options.lock)?;
        let held = Self {
            file,
            path: path.to_path_buf(),
        };
        Ok((held, finding))
    }

    /// Opens the file as a store, through the descriptor that holds the lock.
    ///
    /// # Errors
    /// As [`Store::open`], except for errors about the lock.
    pub fn store(&self) -> Result<Store> {
        let file = self.file.try_clone().at("read", &self.path)?;
        Store::of_file(file, &self.path)
    }

    /// The metadata of the file.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the system can't read it.
    pub fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().at("read the metadata of", &self.path)
    }
}
