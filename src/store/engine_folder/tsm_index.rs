//! The times in the index of a TSM file.
//!
//! A TSM file has a header of 5 bytes, blocks of points, an index, and a footer of 8 bytes: the offset
//! of the index. All numbers are big-endian. The index has for each key, in ascending order:
//!
//! ```text
//! length of the key (2) | key | type of the values (1) | number of entries (2) | entries
//! ```
//!
//! An entry describes a block: time of its first point (8), time of its last point (8), offset (8),
//! length (4).
//!
//! Source: `tsdb/engine/tsm1/reader.go` in influxdata/influxdb.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::{KeyVisitor, Times, Unusable};

/// The magic number and the version.
const HEADER: [u8; 5] = [0x16, 0xd1, 0x16, 0xd1, 1];

/// Bytes of the offset at the end of the file.
const FOOTER: u64 = 8;

/// Bytes of an entry.
const ENTRY: u64 = 28;

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// The times of all points in a TSM file of `length` bytes. `visit` is called with each key. The
/// blocks of points are not read. Points with a tombstone count.
///
/// # Errors
/// When the file can't be read, or header, footer or index are not valid. `visit` may have been
/// called by then.
pub fn tsm_times(
    file: &mut (impl Read + Seek),
    length: u64,
    visit: &mut KeyVisitor<'_>,
) -> Result<Times, Unusable> {
    let mut header = [0; HEADER.len()];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    if header != HEADER {
        return Unusable::damaged("its header is not that of a TSM file");
    }
    let header = HEADER.len() as u64;
    let end = length.checked_sub(FOOTER).filter(|end| *end > header);
    let Some(end) = end else {
        return Unusable::damaged("it ends too early");
    };
    file.seek(SeekFrom::Start(end))?;
    let start = u64::from_be_bytes(array(file)?);
    if !(header..end).contains(&start) {
        return Unusable::damaged("its footer does not contain the offset of the index");
    }
    file.seek(SeekFrom::Start(start))?;
    let mut index = Index {
        file: BufReader::with_capacity(BUFFER, file),
        left: end.saturating_sub(start),
        blocks: header..start,
    };
    let mut key = Vec::new();
    let mut times = None;
    while index.left > 0 {
        index.read_key(&mut key)?;
        index.read_entries()?.add_to(&mut times);
        visit(&key);
    }
    times.ok_or_else(|| Unusable::Damaged("its index is empty".into()))
}

/// The rest of an index.
struct Index<R> {
    file: BufReader<R>,
    /// Its bytes up to the footer.
    left: u64,
    /// Where the blocks are.
    blocks: std::ops::Range<u64>,
}

impl<R: Read> Index<R> {
    fn read_key(&mut self, key: &mut Vec<u8>) -> Result<(), Unusable> {
        self.take(2)?;
        let length = u16::from_be_bytes(array(&mut self.file)?);
        // In a hole of the file all lengths are 0.
        if length == 0 {
            return Unusable::damaged("its index contains an empty key");
        }
        self.take(u64::from(length))?;
        key.resize(usize::from(length), 0);
        Ok(self.file.read_exact(key)?)
    }

    /// The times of the entries of a key.
    fn read_entries(&mut self) -> Result<Times, Unusable> {
        self.take(3)?;
        let [_, high, low] = array(&mut self.file)?;
        let number = u16::from_be_bytes([high, low]);
        self.take(u64::from(number) * ENTRY)?;
        let mut times = None;
        for _ in 0..number {
            self.read_entry()?.add_to(&mut times);
        }
        times.ok_or_else(|| Unusable::Damaged("its index contains a key without entries".into()))
    }

    fn read_entry(&mut self) -> Result<Times, Unusable> {
        let first = i64::from_be_bytes(array(&mut self.file)?);
        let last = i64::from_be_bytes(array(&mut self.file)?);
        let offset = u64::from_be_bytes(array(&mut self.file)?);
        let length = u64::from(u32::from_be_bytes(array(&mut self.file)?));
        let end = offset.checked_add(length);
        let inside = offset >= self.blocks.start && end.is_some_and(|end| end <= self.blocks.end);
        if !inside || first > last {
            return Unusable::damaged("its index contains an impossible entry");
        }
        Ok(Times { first, last })
    }

    /// Counts bytes of the index before they are read.
    fn take(&mut self, bytes: u64) -> Result<(), Unusable> {
        let Some(left) = self.left.checked_sub(bytes) else {
            return Unusable::damaged("the last part of its index is incomplete");
        };
        self.left = left;
        Ok(())
    }
}

fn array<const N: usize>(file: &mut impl Read) -> Result<[u8; N], Unusable> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A file with 100 bytes of blocks and this index.
    fn file(index: &[u8]) -> Vec<u8> {
        let mut file = HEADER.to_vec();
        file.extend([7; 100]);
        file.extend(index);
        file.extend(105_u64.to_be_bytes());
        file
    }

    fn key(name: &str, entries: &[(i64, i64, u64, u32)]) -> Vec<u8> {
        let mut bytes = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(u16::try_from(entries.len()).unwrap().to_be_bytes());
        for (first, last, offset, length) in entries {
            bytes.extend(first.to_be_bytes());
            bytes.extend(last.to_be_bytes());
            bytes.extend(offset.to_be_bytes());
            bytes.extend(length.to_be_bytes());
        }
        bytes
    }

    fn read(file: &[u8]) -> (Result<(i64, i64), String>, Vec<String>) {
        let mut keys = Vec::new();
        let found = tsm_times(&mut Cursor::new(file), file.len() as u64, &mut |key| {
            keys.push(String::from_utf8(key.to_vec()).unwrap());
        });
        let found = match found {
            Ok(times) => Ok((times.first, times.last)),
            Err(Unusable::Damaged(why)) => Err(why),
            Err(Unusable::Io(cause)) => panic!("{cause}"),
        };
        (found, keys)
    }

    #[test]
    fn the_times_of_all_blocks() {
        let mut index = key("cpu,host=a#!~#v", &[(5, 9, 5, 20), (10, 40, 25, 30)]);
        index.extend(key("mem#!~#free", &[(-3, -3, 55, 50)]));
        let (times, keys) = read(&file(&index));
        assert_eq!(times, Ok((-3, 40)));
        assert_eq!(keys, ["cpu,host=a#!~#v", "mem#!~#free"]);
        let index = key("m#!~#v", &[(i64::MIN, i64::MAX, 5, 100)]);
        assert_eq!(read(&file(&index)).0, Ok((i64::MIN, i64::MAX)));
    }

    #[test]
    fn every_torn_file_is_refused() {
        let index = key("cpu#!~#v", &[(5, 9, 5, 20)]);
        let whole = file(&index);
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).0.is_err(), "{length}");
        }
        println!("cases: torn-tsm {}", whole.len());
    }

    #[test]
    fn what_is_not_valid_is_named() {
        let sound = key("cpu#!~#v", &[(5, 9, 5, 20)]);
        let mut other = file(&sound);
        other[4] = 2;
        let mut far = file(&sound);
        let end = far.len();
        far[end - 8..].copy_from_slice(&u64::MAX.to_be_bytes());
        for (file, expected) in [
            (other, "header"),
            (far, "footer"),
            (file(&[]), "footer"),
            (file(&key("", &[(5, 9, 5, 20)])), "empty key"),
            (file(&[0; 5000]), "empty key"),
            (file(&key("k", &[])), "without entries"),
            (file(&key("k", &[(9, 5, 5, 20)])), "impossible entry"),
            (file(&key("k", &[(5, 9, 4, 20)])), "impossible entry"),
            (file(&key("k", &[(5, 9, 100, 20)])), "impossible entry"),
            (file(&key("k", &[(5, 9, u64::MAX, 20)])), "impossible entry"),
            (file(&[&sound[..], &[0]].concat()), "incomplete"),
            (file(&sound[..sound.len() - 1]), "incomplete"),
        ] {
            let found = read(&file).0.unwrap_err();
            assert!(found.contains(expected), "{found}, not {expected}");
        }
    }
}
