//! Gzipped copies, as `influx backup` writes them: unpacked into memory, bounded.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

/// The two bytes every gzip file begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The most a packed byte may unpack to. Deflate's own limit is 1,032; a bolt file of empty
/// pages comes near it, a real one stays below 100.
const MOST_PER_BYTE: u64 = 400;

/// The least limit, so that tiny files of mostly empty pages can be read.
const LEAST_LIMIT: u64 = 64 << 20;

/// No gzipped copy may unpack to more than this many bytes, since it is held in memory.
const GREATEST_LIMIT: u64 = 4 << 30;

/// Unpacks a gzip stream of `packed_size` bytes.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the stream is damaged or ends early,
/// [`io::ErrorKind::FileTooLarge`] when it unpacks to more than a plausible database: 400 times
/// its size (at least 64 MiB), and never more than 4 GiB.
pub fn unpack(packed: impl Read, packed_size: u64) -> io::Result<Vec<u8>> {
    let limit = packed_size
        .saturating_mul(MOST_PER_BYTE)
        .clamp(LEAST_LIMIT, GREATEST_LIMIT);
    let mut content = Vec::new();
    let mut stream = MultiGzDecoder::new(packed).take(limit + 1);
    stream
        .read_to_end(&mut content)
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(io::ErrorKind::InvalidData, "the gzip stream ends early")
            }
            io::ErrorKind::InvalidInput => {
                io::Error::new(io::ErrorKind::InvalidData, "the gzip stream is damaged")
            }
            _ => cause,
        })?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it unpacks to more than {} MiB", limit >> 20),
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn pack(content: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn round_trip() {
        let packed = pack(b"content");
        assert_eq!(
            unpack(&packed[..], packed.len() as u64).unwrap(),
            b"content"
        );
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let packed = pack(&vec![0; 65 << 20]);
        let refused = unpack(&packed[..], packed.len() as u64).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_cut_stream_is_damage() {
        let packed = pack(b"some content that is cut");
        for length in [3, 10, packed.len() - 1] {
            let refused = unpack(&packed[..length], length as u64).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{length}");
        }
    }
}
