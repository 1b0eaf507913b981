//! Gzipped copies, as `influx backup` writes them: unpacked, bounded.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;

/// The two bytes every gzip file begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The most a packed byte may unpack to. Deflate's own limit is 1,032; a real database stays
/// below this.
const MOST_PER_BYTE: u64 = 100;

/// The least limit, so that tiny files of mostly empty pages can be read.
const LEAST_LIMIT: u64 = 64 << 20;

/// No gzipped copy may unpack to more than this many bytes, since most commands hold it in memory.
const GREATEST_LIMIT: u64 = 4 << 30;

/// The most bytes that so many packed ones may unpack to.
#[must_use]
pub fn most_of(packed: u64) -> u64 {
    packed
        .saturating_mul(MOST_PER_BYTE)
        .clamp(LEAST_LIMIT, GREATEST_LIMIT)
}

/// The content of a gzip file, read from its start to its end. Besides what the file itself says,
/// reading fails with [`io::ErrorKind::InvalidData`] when the stream is damaged or ends early, and
/// with [`io::ErrorKind::FileTooLarge`] when it unpacks to more than a plausible database: 100
/// times its size (at least 64 MiB), and never more than 4 GiB.
pub struct Unpacking<R> {
    stream: MultiGzDecoder<BufReader<R>>,
    told: u64,
    limit: u64,
    done: u64,
}

impl<R: Read + Seek> Unpacking<R> {
    /// From the start of `packed`.
    ///
    /// # Errors
    /// As reading; one that says itself that it is too large is refused before anything is done
    /// with its content.
    pub fn new(mut packed: R) -> io::Result<Self> {
        /// Packed bytes that are unpacked in one go.
        const INPUT: usize = 256 << 10;
        let packed_size = packed.seek(SeekFrom::End(0))?;
        let told = told_size(&mut packed, packed_size)?;
        let mut unpacking = Self {
            stream: MultiGzDecoder::new(BufReader::with_capacity(INPUT, packed)),
            told,
            limit: most_of(packed_size),
            done: 0,
        };
        if told > unpacking.limit {
            // Or a damaged file, which this tells. Nothing is kept.
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
                "it unpacks to more than {} MiB, which is the most that a file of this size may",
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
/// a plausible database.
pub fn unpack(packed: impl Read + Seek) -> io::Result<Vec<u8>> {
    let mut stream = Unpacking::new(packed)?;
    // Memory is taken once: growing would copy, and hold twice as much meanwhile.
    let mut content = Vec::new();
    let told = usize::try_from(stream.told).unwrap_or(0);
    content
        .try_reserve_exact(told.saturating_add(1))
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

/// The unpacked size that the end of a gzip file tells, and leaves `packed` at its start. It is
/// the last member's, modulo 4 GiB, and nothing that could be believed.
fn told_size(packed: &mut (impl Read + Seek), packed_size: u64) -> io::Result<u64> {
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
        // One that lies about its size is met on the way.
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
