//! A database file that is going to be replaced: held, whatever is in it.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};
use crate::finding::Finding;
use crate::store::lock::lock_exclusive;
use crate::store::open::{Purpose, open_file};
use crate::store::{OpenOptions, Store};

/// An exclusive lock on a file that may be no database at all, or a damaged one. No server can
/// open the file until this is dropped, under whatever name it stands by then.
pub struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Locks the file at `path`. The finding says where there are no locks.
    ///
    /// # Errors
    /// As [`crate::store::WritableStore::open`] where the content is not concerned.
    pub fn lock(path: &Path, options: &OpenOptions) -> Result<(Self, Option<Finding>)> {
        let file = open_file(path, Purpose::Writing)?;
        let finding = lock_exclusive(&file, path, &options.lock)?;
        let held = Self {
            file,
            path: path.to_path_buf(),
        };
        Ok((held, finding))
    }

    /// Reads the file as a store, by the descriptor that holds the lock.
    ///
    /// # Errors
    /// As [`Store::open`] where no lock is concerned.
    pub fn store(&self) -> Result<Store> {
        let file = self.file.try_clone().at("read", &self.path)?;
        Store::of_file(file, &self.path)
    }

    /// What the system knows of the file.
    ///
    /// # Errors
    /// As the system says.
    pub fn metadata(&self) -> Result<Metadata> {
        self.file.metadata().at("look at", &self.path)
    }
}
