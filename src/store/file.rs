//! Random access to the bytes of a database file, on disk or in memory.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

/// Identifies a file by device and inode, independent of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// The file that `metadata` describes.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Bytes of a known length that can be read at any offset.
pub trait ReadAt: Send + Sync {
    /// The length in bytes when the file was opened.
    fn size(&self) -> u64;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; any I/O error of the system. The
    /// content of `buf` is unspecified then.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

/// A file on disk, read through the descriptor that holds the lock.
pub(super) struct DiskFile {
    file: File,
    size: u64,
}

impl DiskFile {
    /// Access to an open file of `size` bytes.
    pub(super) fn new(file: File, size: u64) -> Self {
        Self { file, size }
    }
}

impl ReadAt for DiskFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

/// A file in memory: an unpacked copy, or the image of a test.
pub struct MemoryFile(Vec<u8>);

impl MemoryFile {
    /// A file with this content.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        Self(content)
    }
}

impl ReadAt for MemoryFile {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.0.get(start..start.checked_add(buf.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// Reads until `buffer` is full or `source` ends. Returns the number of bytes read.
///
/// # Errors
/// Any error of `source`, except [`io::ErrorKind::Interrupted`].
pub fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(length)
}
