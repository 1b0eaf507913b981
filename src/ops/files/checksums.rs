//! SHA-256 checksums of written files, and their verification.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use crate::ops::files::copy::copy;

/// Length and SHA-256 of what was written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// A writer that computes a checksum.
pub struct ChecksumWriter<W> {
    out: W,
    size: u64,
    sum: Sha256,
}

impl<W: Write> ChecksumWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            size: 0,
            sum: Sha256::new(),
        }
    }

    /// The checksum of everything written.
    pub fn sum(self) -> Checksum {
        Checksum {
            size: self.size,
            sha256: hex::encode(self.sum.finalize()),
        }
    }
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads `source` to its end and computes its checksum.
///
/// # Errors
/// I/O errors of `source`.
pub fn checksum_of(source: &mut dyn Read) -> io::Result<Checksum> {
    let mut summed = ChecksumWriter::new(io::sink());
    copy(source, &mut summed, &mut |_| {})?;
    Ok(summed.sum())
}

/// Verifies that `file`, read from its start, has the expected checksum.
///
/// # Errors
/// I/O errors of the file, and a wrong checksum.
pub fn reads_back(file: &mut dyn Read, sum: &Checksum) -> io::Result<()> {
    if checksum_of(file)? == *sum {
        return Ok(());
    }
    Err(io::Error::other(
        "the data read back differs from the data written",
    ))
}
