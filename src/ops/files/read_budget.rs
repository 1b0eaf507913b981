//! How much may be read of files in folders that may be somebody else's.

use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::{GZIP_MAGIC, fill, most_in_memory, open_regular};

/// What may still be read.
pub struct ReadBudget {
    /// So many files.
    files: usize,
    /// So many bytes, gzipped copies unpacked.
    bytes: u64,
}

impl ReadBudget {
    /// For so many files and bytes.
    #[must_use]
    pub fn new(files: usize, bytes: u64) -> Self {
        Self { files, bytes }
    }

    /// Takes what it may cost to read the whole file of `length` bytes at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when that is more than what is left; as the system says.
    pub fn spend(&mut self, path: &Path, length: u64) -> Result<()> {
        self.take(length.max(unpacked(path, length)?))
    }

    /// Takes what it may cost to open the file as a store: only a gzipped copy is read whole then.
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
                    "the limit for so many and such long files is reached",
                )
            })?;
        (self.files, self.bytes) = left;
        Ok(())
    }
}

/// How long a file may be when it is unpacked; 0 if it is not gzipped.
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
