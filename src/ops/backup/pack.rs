//! Files of a backup, while they are written: packed, summed up, read back.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;

use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::Compression;
use crate::ops::backup::checksum_manifest::ManifestEntry;
use crate::store::{GZIP_MAGIC, fill};

/// Bytes that are read at a time.
pub const CHUNK: usize = 256 << 10;

/// gzip's own default, which `influx backup` uses too.
const LEVEL: u32 = 6;

/// Length and sum of what was written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// Passes bytes on and adds them up.
pub struct Summed<W> {
    out: W,
    size: u64,
    sum: Sha256,
}

impl<W: Write> Summed<W> {
    /// Passes on to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            size: 0,
            sum: Sha256::new(),
        }
    }

    /// What has been passed on.
    pub fn sum(self) -> Sum {
        Sum {
            size: self.size,
            sha256: hex::encode(self.sum.finalize()),
        }
    }
}

impl<W: Write> Write for Summed<W> {
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
pub fn sum_of(source: &mut dyn Read) -> io::Result<Sum> {
    let mut summed = Summed::new(io::sink());
    copy(source, &mut summed, &mut |_| {})?;
    Ok(summed.sum())
}

/// Copies to the end of `source`, by way of memory that is wiped, and tells `seen` how much has
/// been copied, now and then.
///
/// # Errors
/// As source and output say.
pub fn copy(
    source: &mut dyn Read,
    out: &mut dyn Write,
    seen: &mut dyn FnMut(u64),
) -> io::Result<u64> {
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let mut copied = 0;
    loop {
        let length = fill(source, &mut buffer)?;
        if length == 0 {
            return Ok(copied);
        }
        out.write_all(buffer.get(..length).unwrap_or_default())?;
        copied += length as u64;
        seen(copied);
    }
}

/// Writes the whole of `content` to `out`, packed as asked, and tells what was written.
/// `path` is the output's, for messages.
///
/// # Errors
/// When `content` can't be read or `out` not be written.
pub fn pack(
    content: &mut File,
    compression: Compression,
    out: &mut dyn Write,
    path: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<Sum> {
    let mut summed = Summed::new(out);
    let packed = content.rewind().and_then(|()| match compression {
        Compression::None => copy(content, &mut summed, seen).map(drop),
        Compression::Gzip => {
            let out = BufWriter::with_capacity(CHUNK, &mut summed);
            let mut packer = GzEncoder::new(out, flate2::Compression::new(LEVEL));
            copy(content, &mut packer, seen)?;
            packer.finish()?.flush()
        }
    });
    packed.at("write", path)?;
    Ok(summed.sum())
}

/// Whether this is a gzip stream; `file` is at its start then, and so is every descriptor of it.
///
/// # Errors
/// As the file says.
pub fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut start = [0; GZIP_MAGIC.len()];
    file.rewind()?;
    let length = fill(file, &mut start)?;
    file.rewind()?;
    Ok(start.get(..length) == Some(&GZIP_MAGIC[..]))
}

/// Whether what `file`, which is at its start, holds now is what was written.
///
/// # Errors
/// As the file says, and when it is not.
pub fn reads_back(file: &mut dyn Read, sum: &Sum) -> io::Result<()> {
    if sum_of(file)? == *sum {
        return Ok(());
    }
    Err(io::Error::other("it does not read back as it was written"))
}

impl ManifestEntry {
    /// The part with this name that was written so.
    #[must_use]
    pub fn new(file_name: String, compression: Compression, sum: Sum) -> Self {
        Self {
            file_name,
            size: sum.size,
            sha256: sum.sha256,
            compression,
        }
    }
}

/// A private file without a name, gone when it is closed: in `folder`, else where the system
/// keeps such files.
///
/// # Errors
/// As the system says.
pub fn temporary(folder: Option<&Path>) -> Result<File> {
    let made = match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    };
    made.map_err(|cause| {
        let place = folder.map_or_else(
            || String::from("where the system keeps temporary files"),
            |folder| format!("in {}", folder.display()),
        );
        Error::new(
            ErrorKind::Io,
            format!("can't make a temporary file {place}: {cause}"),
        )
        .with_hint("TMPDIR names another place for temporary files")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_the_same_and_is_summed_up() {
        let mut content = temporary(None).unwrap();
        let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
        content.write_all(&bytes).unwrap();
        for compression in [Compression::None, Compression::Gzip] {
            let mut out = temporary(None).unwrap();
            let mut last = 0;
            let path = Path::new("out");
            let sum = pack(&mut content, compression, &mut out, path, &mut |n| last = n).unwrap();
            assert_eq!(last, bytes.len() as u64);
            assert_eq!(sum.size, out.metadata().unwrap().len());
            out.rewind().unwrap();
            reads_back(&mut out, &sum).unwrap();
            out.rewind().unwrap();
            let mut read = Vec::new();
            match compression {
                Compression::None => out.read_to_end(&mut read).unwrap(),
                Compression::Gzip => flate2::read::GzDecoder::new(&out)
                    .read_to_end(&mut read)
                    .unwrap(),
            };
            assert!(read == bytes);
            out.write_all(b"more").unwrap();
            out.rewind().unwrap();
            assert!(reads_back(&mut out, &sum).is_err());
        }
        let sum = sum_of(&mut &b"abc"[..]).unwrap();
        assert!(sum.sha256.starts_with("ba7816bf8f01cfea"), "{}", sum.sha256);
    }
}
