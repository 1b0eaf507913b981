//! The limit for files that are far longer than what they have on disk.
//!
//! A file costs its owner what it has on disk. A reader pays for its length: tables with an entry for
//! each page, buffers, and the time to read zeros. A false length is easily made (`truncate -s 15T`).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// A file up to this length in bytes may have nothing on disk. File systems that compress count few
/// blocks for a store full of zeros.
const ALWAYS_READ: u64 = 1 << 30;

/// A longer file may be this many times as long as what it has on disk.
const MOST_TIMES: u64 = 16;

/// The unit in bytes in which the system counts what a file has on disk.
const BLOCK: u64 = 512;

/// Refuses a file that is longer than 1 GiB and more than 16 times as long as what it has on
/// disk.
///
/// # Errors
/// [`ErrorKind::Corrupt`], naming the limit.
pub fn refuse_sparse(path: &Path, metadata: &Metadata) -> Result<()> {
    let length = metadata.len();
    let on_disk = metadata.blocks().saturating_mul(BLOCK);
    if !metadata.is_file() || length <= longest(on_disk) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "{} is {length} bytes long, but has only {on_disk} bytes on disk; a file longer than \
             1 GiB may be at most {MOST_TIMES} times as long as what it has on disk",
            path.display()
        ),
    )
    .with_hint(
        "if only its empty end is too long, shorten a copy: cp --sparse=always FILE COPY, then \
         truncate -s LENGTH COPY; if the length is right, use a copy made with cp --sparse=never",
    ))
}

/// The maximum length of a file with this many bytes on disk.
fn longest(on_disk: u64) -> u64 {
    on_disk.saturating_mul(MOST_TIMES).max(ALWAYS_READ)
}

/// Whether a file is longer than `always_read` bytes and more than 16 times as long as what it has on
/// disk.
pub(super) fn is_mostly_holes(metadata: &Metadata, always_read: u64) -> bool {
    let on_disk = metadata.blocks().saturating_mul(BLOCK);
    metadata.len() > on_disk.saturating_mul(MOST_TIMES).max(always_read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_disk_may_be_of_any_length() {
        for length in [0, 1, ALWAYS_READ, 1 << 40, u64::MAX] {
            assert!(length <= longest(length));
        }
    }

    #[test]
    fn a_false_length_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = |length| {
            file.as_file().set_len(length).unwrap();
            refuse_sparse(file.path(), &file.as_file().metadata().unwrap())
        };
        assert!(look(ALWAYS_READ).is_ok());
        let refused = look(ALWAYS_READ + 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.message().contains("1 GiB"), "{}", refused.message());
    }
}
