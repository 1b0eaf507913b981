//! The times in a segment of the write-ahead log.
//!
//! An entry has a type (1 byte), a length (4) and a Snappy block of that length. All numbers are
//! big-endian. The unpacked block of a write has for each key:
//!
//! ```text
//! type of the values (1) | length of the key (2) | key | number of values (4) | values
//! ```
//!
//! A value has a time (8) and: 8 bytes for a float or an integer, 1 byte for a boolean, a length (4)
//! and so many bytes for a string. The other types are deletions.
//!
//! influxd cuts a segment off at the first entry that it can't read. So reading ends there.
//!
//! Source: `tsdb/engine/tsm1/wal.go` in influxdata/influxdb.

use std::io::{BufReader, Read, Seek};

use super::{KeyVisitor, Times, Unusable};

/// A write, a deletion of series, a deletion of a range of time.
const TYPES: std::ops::RangeInclusive<u8> = 1..=3;
const WRITE: u8 = 1;

/// Bytes of type and length.
const HEAD: u64 = 5;

/// Most bytes of a packed entry. influxd writes one for each request and shard.
const MOST_PACKED: u32 = 64 << 20;

/// Most bytes of an unpacked entry.
const MOST_UNPACKED: usize = 256 << 20;

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

const NOT_SNAPPY: &str = "an entry is not a Snappy block";

/// What a segment contains.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WalSegment {
    /// The times of its points, if it has any. Points that a later entry deletes count.
    pub times: Option<Times>,
    /// Where the first entry begins that is longer than a limit, and the limit. influxd reads it.
    pub too_long: Option<(u64, String)>,
    /// Where the first entry begins that can't be read, and why. influxd cuts the segment off there.
    pub torn: Option<(u64, String)>,
}

/// Reads a segment of `length` bytes. `visit` is called with each key.
///
/// # Errors
/// When the file can't be read.
pub fn wal_times(
    file: &mut (impl Read + Seek),
    length: u64,
    visit: &mut KeyVisitor<'_>,
) -> Result<WalSegment, Unusable> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let mut segment = WalSegment::default();
    let mut buffers = Buffers::default();
    let mut at = 0;
    while at < length {
        match buffers.read_entry(&mut file, length.saturating_sub(at), visit) {
            Ok(entry) => {
                if let Some(times) = entry.times {
                    times.add_to(&mut segment.times);
                }
                if let (Some(why), None) = (entry.too_long, &segment.too_long) {
                    segment.too_long = Some((at, why));
                }
                at += HEAD + u64::from(entry.packed);
            }
            Err(Unusable::Damaged(why)) => {
                segment.torn = Some((at, why));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(segment)
}

/// An entry that was read.
#[derive(Default)]
struct Entry {
    /// The length of its block.
    packed: u32,
    times: Option<Times>,
    /// The limit that the entry exceeds, so that its block was not read.
    too_long: Option<String>,
}

/// Buffers for all entries of a segment.
#[derive(Default)]
struct Buffers {
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl Buffers {
    /// Reads an entry; `left` is the number of bytes up to the end of the file.
    fn read_entry(
        &mut self,
        file: &mut BufReader<impl Read + Seek>,
        left: u64,
        visit: &mut KeyVisitor<'_>,
    ) -> Result<Entry, Unusable> {
        let mut head = [0; 5];
        file.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let packed = u32::from_be_bytes(length);
        if !TYPES.contains(&kind) {
            return Unusable::damaged(format!("an entry has the unknown type {kind}"));
        }
        if u64::from(packed) > left.saturating_sub(HEAD) {
            return Unusable::damaged("the last entry is incomplete");
        }
        let mut entry = Entry {
            packed,
            ..Entry::default()
        };
        if packed > MOST_PACKED {
            file.seek_relative(i64::from(packed))?;
            let limit = format!("{packed} bytes, more than the limit of {MOST_PACKED}");
            entry.too_long = Some(limit);
            return Ok(entry);
        }
        let block = usize::try_from(packed).unwrap_or(usize::MAX);
        self.packed.resize(block, 0);
        file.read_exact(&mut self.packed)?;
        let length = self.unpacked_length()?;
        if length > MOST_UNPACKED {
            let limit = format!("{length} unpacked bytes, more than the limit of {MOST_UNPACKED}");
            entry.too_long = Some(limit);
            return Ok(entry);
        }
        let unpacked = self.unpack(length)?;
        if kind == WRITE {
            entry.times = Some(times_of_write(unpacked, visit)?);
        }
        Ok(entry)
    }

    /// The length that the block says it has after unpacking, if that is possible.
    fn unpacked_length(&self) -> Result<usize, Unusable> {
        /// Three bytes of a block repeat at most 64 bytes.
        const MOST_TIMES: usize = 32;
        let most = self.packed.len().saturating_mul(MOST_TIMES);
        match snap::raw::decompress_len(&self.packed) {
            Ok(length) if length <= most => Ok(length),
            _ => Unusable::damaged(NOT_SNAPPY),
        }
    }

    fn unpack(&mut self, length: usize) -> Result<&[u8], Unusable> {
        self.unpacked.resize(length, 0);
        match snap::raw::Decoder::new().decompress(&self.packed, &mut self.unpacked) {
            Ok(length) => Ok(self.unpacked.get(..length).unwrap_or_default()),
            Err(_) => Unusable::damaged(NOT_SNAPPY),
        }
    }
}

/// The times of the points in the unpacked block of a write.
fn times_of_write(block: &[u8], visit: &mut KeyVisitor<'_>) -> Result<Times, Unusable> {
    let mut rest = Rest(block);
    let mut times = None;
    while !rest.0.is_empty() {
        let keyed = times_of_key(&mut rest, visit)
            .ok_or_else(|| Unusable::Damaged("an entry contains an invalid value".into()))?;
        keyed.add_to(&mut times);
    }
    times.ok_or_else(|| Unusable::Damaged("an entry contains no points".into()))
}

/// The times of the next key. `None` if it is not valid.
fn times_of_key(rest: &mut Rest<'_>, visit: &mut KeyVisitor<'_>) -> Option<Times> {
    let [kind] = rest.array()?;
    let length = u16::from_be_bytes(rest.array()?);
    let key = rest.take(usize::from(length))?;
    let number = u32::from_be_bytes(rest.array()?);
    let mut times = None;
    for _ in 0..number {
        let time = i64::from_be_bytes(rest.array()?);
        let length = match kind {
            1 | 2 | 5 => 8,
            3 => 1,
            4 => usize::try_from(u32::from_be_bytes(rest.array()?)).ok()?,
            _ => return None,
        };
        rest.take(length)?;
        Times::at(time).add_to(&mut times);
    }
    visit(key);
    times
}

/// The rest of a block.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry with this block.
    fn entry(kind: u8, block: &[u8]) -> Vec<u8> {
        let packed = snap::raw::Encoder::new().compress_vec(block).unwrap();
        let mut entry = vec![kind];
        entry.extend(u32::try_from(packed.len()).unwrap().to_be_bytes());
        entry.extend(packed);
        entry
    }

    /// A key with points at these times.
    fn write(kind: u8, key: &str, times: &[i64]) -> Vec<u8> {
        let mut block = vec![kind];
        block.extend(u16::try_from(key.len()).unwrap().to_be_bytes());
        block.extend(key.as_bytes());
        block.extend(u32::try_from(times.len()).unwrap().to_be_bytes());
        for time in times {
            block.extend(time.to_be_bytes());
            match kind {
                3 => block.push(1),
                4 => {
                    block.extend(5_u32.to_be_bytes());
                    block.extend(b"hello");
                }
                _ => block.extend([9; 8]),
            }
        }
        block
    }

    fn read(file: &[u8]) -> (WalSegment, Vec<String>) {
        let mut keys = Vec::new();
        let mut source = std::io::Cursor::new(file);
        let found = wal_times(&mut source, file.len() as u64, &mut |key| {
            keys.push(String::from_utf8_lossy(key).into_owned());
        });
        (found.unwrap(), keys)
    }

    /// Values of all types, a deletion, and one point.
    fn segment() -> Vec<u8> {
        let mut all = Vec::new();
        for kind in 1..=5 {
            all.extend(write(kind, &format!("m,t={kind}#!~#v"), &[40, 50, 45]));
        }
        let mut segment = entry(1, &all);
        segment.extend(entry(3, b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02"));
        segment.extend(entry(1, &write(1, "n#!~#v", &[-7])));
        segment
    }

    #[test]
    fn the_times_of_all_values() {
        let (segment, keys) = read(&segment());
        let times = Times {
            first: -7,
            last: 50,
        };
        assert_eq!(
            segment,
            WalSegment {
                times: Some(times),
                ..WalSegment::default()
            }
        );
        assert_eq!(keys.len(), 6);
        assert_eq!(
            (keys[3].as_str(), keys[5].as_str()),
            ("m,t=4#!~#v", "n#!~#v")
        );
        assert_eq!(read(&[]).0, WalSegment::default());
        let (deleted, _) = read(&entry(2, b"a\nb"));
        assert_eq!(deleted, WalSegment::default());
    }

    #[test]
    fn a_torn_end_hides_only_itself() {
        let whole = segment();
        let last = entry(1, &write(1, "n#!~#v", &[-7])).len();
        let ends = [
            0,
            whole.len() - last - entry(3, &[0; 16]).len(),
            whole.len() - last,
        ];
        for length in 0..whole.len() {
            let (segment, _) = read(&whole[..length]);
            let at = segment.torn.as_ref().map(|(at, _)| *at);
            let begun = ends.iter().rfind(|end| **end <= length);
            let expected = begun.map(|end| *end as u64);
            let expected = expected.filter(|_| !ends.contains(&length));
            if length < ends[1] || length > ends[2] {
                assert_eq!(at, expected, "{length}");
            }
            let times = (length >= ends[1]).then_some(Times {
                first: 40,
                last: 50,
            });
            assert_eq!(segment.times, times, "{length}");
        }
        println!("cases: torn-wal {}", whole.len());
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let sound = write(1, "k", &[5]);
        // Five bytes that say that they unpack to 4 GiB.
        let bomb = [1, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f];
        for (file, expected) in [
            (entry(9, &sound), "unknown type 9"),
            (vec![0; 5000], "unknown type 0"),
            (vec![1, 0xff, 0xff, 0xff, 0xff], "incomplete"),
            (bomb.to_vec(), "Snappy"),
            (vec![1, 0, 0, 0, 2, 0x20, 0xff], "Snappy"),
            (entry(1, &write(6, "k", &[5])), "invalid value"),
            (entry(1, &write(1, "k", &[])), "invalid value"),
            (entry(1, &sound[..sound.len() - 1]), "invalid value"),
            (entry(1, &[]), "no points"),
        ] {
            let (found, _) = read(&file);
            let (at, why) = found.torn.unwrap();
            assert!(at == 0 && why.contains(expected), "{why}, not {expected}");
            assert_eq!(found.times, None);
        }
    }

    #[test]
    fn an_entry_over_the_limit_hides_only_itself() {
        let sound = entry(1, &write(1, "k", &[5]));
        let mut packed = vec![1];
        packed.extend((MOST_PACKED + 1).to_be_bytes());
        packed.resize(6 + MOST_PACKED as usize, 0);
        let unpacked = entry(1, &vec![7; MOST_UNPACKED + 1]);
        for long in [packed, unpacked] {
            let file = [&sound[..], &long, &sound].concat();
            let (found, keys) = read(&file);
            let (at, limit) = found.too_long.unwrap();
            assert_eq!((at, keys.len()), (sound.len() as u64, 2));
            assert!(limit.contains("limit"), "{limit}");
            assert_eq!((found.times, found.torn), (Some(Times::at(5)), None));
        }
    }
}
