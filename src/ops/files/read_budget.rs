//! The limit for reading files in a folder that may belong to somebody else.

use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::{GZIP_MAGIC, fill, most_in_memory, open_regular};

/// How much may still be read.
#[derive(Debug, Clone)]
pub struct ReadBudget {
    /// The number of files.
    files: usize,
    /// The number of bytes, after unpacking.
    bytes: u64,
}

impl ReadBudget {
    /// A budget of this many files and bytes.
    #[must_use]
    pub fn new(files: usize, bytes: u64) -> Self {
        Self { files, bytes }
    }

    /// Subtracts the cost of reading all of the file at `path`, which has `length` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when less than that is left; the errors of opening the file.
    pub fn spend(&mut self, path: &Path, length: u64) -> Result<()> {
        self.take(length.max(unpacked(path, length)?))
    }

    /// Subtracts the cost of opening the file as a store: only a gzipped copy is read completely.
    ///
    /// # Errors
    /// As [`ReadBudget::spend`].
    pub fn spend_to_open(&mut self, path: &Path, length: u64) -> Result<()> {
        self.take(unpacked(path, length)?)
    }

    fn take(&mut self, cost: u64) -> Result<()> {
        let left = self
            .files
            .checked_sub(1)
            .zip(self.bytes.checked_sub(cost))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Refused,
                    "the limit for the number and the length of files is reached",
                )
            })?;
        (self.files, self.bytes) = left;
        Ok(())
    }
}

/// The maximum length of a file after unpacking; 0 if it is not gzipped.
fn unpacked(path: &Path, length: u64) -> Result<u64> {
    let mut start = [0; GZIP_MAGIC.len()];
    let mut file = open_regular(path).at("open", path)?;
    fill(&mut file, &mut start).at("read", path)?;
    Ok(if start == GZIP_MAGIC {
        most_in_memory(length)
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "plain").unwrap();
        let mut budget = ReadBudget::new(3, 10);
        budget.spend(&file, 8).unwrap();
        assert!(budget.spend(&file, 3).is_err());
        budget.spend_to_open(&file, 100).unwrap();
        std::fs::write(&file, [0x1f, 0x8b, 0, 0]).unwrap();
        assert!(budget.spend_to_open(&file, 4).is_err());
        std::fs::write(&file, "plain").unwrap();
        budget.spend(&file, 2).unwrap();
        assert!(budget.spend(&file, 0).is_err());
    }
}
