//! Compression of backup files, and the temporary files they are unpacked to.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::Compression;
use crate::ops::backup::checksum_manifest::ManifestEntry;
use crate::ops::files::checksums::{Checksum, ChecksumWriter};
use crate::ops::files::copy::{CHUNK, copy};
use crate::store::{GZIP_MAGIC, fill};

/// gzip's default level, which `influx backup` uses too.
const LEVEL: u32 = 6;

/// Writes all of `content` to `out` with the given compression and returns the checksum of the
/// output. `path` is the output's path, for messages.
///
/// # Errors
/// When `content` can't be read or `out` can't be written.
pub fn pack(
    content: &mut File,
    compression: Compression,
    out: &mut dyn Write,
    path: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<Checksum> {
    let mut summed = ChecksumWriter::new(out);
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

/// Whether this is a gzip stream. Afterwards `file`, and every descriptor that shares its position,
/// is at its start.
///
/// # Errors
/// I/O errors of the file.
pub fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut start = [0; GZIP_MAGIC.len()];
    file.rewind()?;
    let length = fill(file, &mut start)?;
    file.rewind()?;
    Ok(start.get(..length) == Some(&GZIP_MAGIC[..]))
}

impl ManifestEntry {
    /// An entry for a written file.
    #[must_use]
    pub fn new(file_name: String, compression: Compression, sum: Checksum) -> Self {
        Self {
            file_name,
            size: sum.size,
            sha256: sum.sha256,
            compression,
        }
    }
}

/// A private file without a name, removed when it is closed: in `folder`, or in the system's folder
/// for temporary files.
///
/// # Errors
/// I/O errors.
pub fn temporary(folder: Option<&Path>) -> Result<File> {
    let file = match folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    };
    file.map_err(|cause| {
        let place = folder.map_or_else(
            || String::from("in the system's folder for temporary files"),
            |folder| format!("in {}", folder.display()),
        );
        Error::new(
            ErrorKind::Io,
            format!("can't create a temporary file {place}: {cause}"),
        )
        .with_hint("set TMPDIR to another folder for temporary files")
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::ops::files::checksums::{checksum_of, reads_back};

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
        let sum = checksum_of(&mut &b"abc"[..]).unwrap();
        assert!(sum.sha256.starts_with("ba7816bf8f01cfea"), "{}", sum.sha256);
    }
}
