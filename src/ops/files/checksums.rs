//! SHA-256 checksums of what is written, and of what reads back.

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

/// Passes bytes on and adds them up.
pub struct ChecksumWriter<W> {
    out: W,
    size: u64,
    sum: Sha256,
}

impl<W: Write> ChecksumWriter<W> {
    /// Passes on to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            size: 0,
            sum: Sha256::new(),
        }
    }

    /// What has been passed on.
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

/// Reads `source` to its end and adds it up.
///
/// # Errors
/// As the source says.
pub fn checksum_of(source: &mut dyn Read) -> io::Result<Checksum> {
    let mut summed = ChecksumWriter::new(io::sink());
    copy(source, &mut summed, &mut |_| {})?;
    Ok(summed.sum())
}

/// Whether what `file`, which is at its start, holds now is what was written.
///
/// # Errors
/// As the file says, and when it is not.
pub fn reads_back(file: &mut dyn Read, sum: &Checksum) -> io::Result<()> {
    if checksum_of(file)? == *sum {
        return Ok(());
    }
    Err(io::Error::other("it does not read back as it was written"))
}
