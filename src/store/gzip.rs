//! Unpacking gzipped copies, as `influx backup` writes them, with a limit on their size.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

/// The first two bytes of every gzip file.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The highest ratio of unpacked to packed bytes. Deflate allows up to 1,032; real databases are
/// below this limit.
const MAX_RATIO: u64 = 100;

/// The limit in bytes is never lower than this, so that small files of mostly empty pages can be
/// read.
const MIN_LIMIT: u64 = 64 << 20;

/// The limit in bytes is never higher than this.
const MAX_LIMIT: u64 = 4 << 30;

/// The limit in bytes for what is unpacked into memory.
const MAX_IN_MEMORY: u64 = 512 << 20;

/// The limit in bytes for the unpacked content of a file of `packed` bytes.
#[must_use]
pub fn most_of(packed: u64) -> u64 {
    packed.saturating_mul(MAX_RATIO).clamp(MIN_LIMIT, MAX_LIMIT)
}

/// The same for what is unpacked into memory.
#[must_use]
pub fn most_in_memory(packed: u64) -> u64 {
    most_of(packed).min(MAX_IN_MEMORY)
}

/// A reader of the content of a gzip file. Besides the errors of the file, reading fails with
/// [`io::ErrorKind::InvalidData`] when the stream is damaged or ends early, and with
/// [`io::ErrorKind::FileTooLarge`] when it unpacks to more than its limit, see [`most_of`].
pub struct Unpacking<R> {
    stream: MultiGzDecoder<BufReader<R>>,
    stated_size: u64,
    limit: u64,
    done: u64,
}

impl<R: Read + Seek> Unpacking<R> {
    /// A reader from the start of `packed`.
    ///
    /// # Errors
    /// The errors of reading. A file whose trailer has a size above the limit is rejected here.
    pub fn new(packed: R) -> io::Result<Self> {
        Self::within(packed, most_of)
    }

    /// A reader with the limit that `most` has for the size of `packed`.
    fn within(mut packed: R, most: impl FnOnce(u64) -> u64) -> io::Result<Self> {
        /// The size of the input buffer in bytes.
        const INPUT: usize = 256 << 10;
        let packed_size = packed.seek(SeekFrom::End(0))?;
        let stated_size = stated_size_of(&mut packed, packed_size)?;
        let mut unpacking = Self {
            stream: MultiGzDecoder::new(BufReader::with_capacity(INPUT, packed)),
            stated_size,
            limit: most(packed_size),
            done: 0,
        };
        if stated_size > unpacking.limit {
            // Too large or damaged: unpack it without keeping the content to tell which.
            io::copy(&mut unpacking, &mut io::sink())?;
            return Err(unpacking.too_large());
        }
        Ok(unpacking)
    }
}

impl<R> Unpacking<R> {
    fn too_large(&self) -> io::Error {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!(
                "it unpacks to more than {} MiB, the limit for this file",
                self.limit >> 20
            ),
        )
    }
}

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer).map_err(damaged)?;
        self.done += length as u64;
        if self.done > self.limit {
            return Err(self.too_large());
        }
        Ok(length)
    }
}

/// Unpacks a whole gzip file into memory.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for a damaged stream, [`io::ErrorKind::FileTooLarge`] for more than
/// a plausible database, or more than 512 MiB; [`io::ErrorKind::OutOfMemory`].
pub fn unpack(packed: impl Read + Seek) -> io::Result<Vec<u8>> {
    let mut stream = Unpacking::within(packed, most_in_memory)?;
    // Allocated once: a growing vector would copy and use twice the memory meanwhile.
    let mut content = Vec::new();
    let stated_size = usize::try_from(stream.stated_size).unwrap_or(0);
    content
        .try_reserve_exact(stated_size.saturating_add(1))
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    stream.read_to_end(&mut content)?;
    Ok(content)
}

fn damaged(cause: io::Error) -> io::Error {
    let what = match cause.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip stream ends early",
        io::ErrorKind::InvalidInput => "the gzip stream is damaged",
        _ => return cause,
    };
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The unpacked size in the trailer of a gzip file. Leaves `packed` at its start. The size is that
/// of the last member, modulo 4 GiB, and untrusted.
fn stated_size_of(packed: &mut (impl Read + Seek), packed_size: u64) -> io::Result<u64> {
    let mut last = [0; 4];
    if packed_size >= 18 {
        packed.seek(SeekFrom::End(-4))?;
        packed.read_exact(&mut last)?;
    }
    packed.rewind()?;
    Ok(u64::from(u32::from_le_bytes(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn round_trip() {
        let packed = pack(b"content");
        assert_eq!(unpack(Cursor::new(&packed)).unwrap(), b"content");
        let twice = [&packed[..], &packed].concat();
        assert_eq!(unpack(Cursor::new(&twice)).unwrap(), b"contentcontent");
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let mut packed = pack(&vec![0; 65 << 20]);
        let refused = unpack(Cursor::new(&packed)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        // A false size in the trailer: the limit is reached while unpacking.
        let length = packed.len();
        packed[length - 4..].copy_from_slice(&[1, 0, 0, 0]);
        let refused = unpack(Cursor::new(&packed)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_cut_stream_is_damage() {
        let packed = pack(b"some content that is cut");
        for length in [3, 10, packed.len() - 1] {
            let refused = unpack(Cursor::new(&packed[..length])).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{length}");
        }
    }
}
