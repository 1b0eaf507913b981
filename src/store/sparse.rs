//! The limit for files that are far longer than what they have on disk.
//!
//! A file costs its owner what it has on disk, but a reader its length: tables with an entry for
//! each page, buffers, and the time to read zeros. A length is easily made up (`truncate -s 15T`).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Up to this length in bytes a file may have nothing on disk at all. File systems that compress
/// count few blocks for a store full of zeros.
const ALWAYS_READ: u64 = 1 << 30;

/// Beyond it, how many times longer than what it has on disk a file may be.
const MOST_TIMES: u64 = 16;

/// The unit in which systems count what a file has on disk, whatever the file system's own is.
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
            "{} is {length} bytes long and has only {on_disk} of them on disk; a file of more than \
             1 GiB is read only if it is no longer than {MOST_TIMES} times what it has on disk",
            path.display()
        ),
    )
    .with_hint(
        "if only its empty end is too long, cut a copy: cp --sparse=always FILE COPY, then truncate \
         -s LENGTH COPY; if it really is that long, use a copy made with cp --sparse=never",
    ))
}

/// The longest length that is read of a file with so many bytes on disk.
fn longest(on_disk: u64) -> u64 {
    on_disk.saturating_mul(MOST_TIMES).max(ALWAYS_READ)
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
    fn a_made_up_length_is_refused() {
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
