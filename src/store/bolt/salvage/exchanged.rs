//! Pages that stand in each other's place. Each carries the number of the other, so both can be read
//! as if they were where they belong.

use std::collections::HashMap;
use std::io;

use crate::store::ReadAt;
use crate::store::bolt::layout::{FREELIST, HEADER, Header};
use crate::store::bolt::node::Kind;

/// Pairs of pages.
pub(super) type Pairs = Vec<(u64, u64)>;

/// A file with such pages.
struct Exchanged {
    source: Box<dyn ReadAt>,
    page_size: u64,
    /// The place of each of these pages.
    places: HashMap<u64, u64>,
}

/// A file as it was before pairs of its pages were exchanged, and the pairs, ascending.
///
/// # Errors
/// When the file can't be read.
pub(super) fn put_back(
    source: Box<dyn ReadAt>,
    page_size: usize,
) -> io::Result<(Box<dyn ReadAt>, Pairs)> {
    let page_size = page_size as u64;
    let pages = source.size() / page_size;
    let mut wrong = HashMap::new();
    for page in 2..pages {
        let mut bytes = [0; HEADER];
        source.read_exact_at(&mut bytes, page * page_size)?;
        let header = Header::parse(&bytes);
        let header = header.filter(|one| one.flags == FREELIST || Kind::of(one.flags).is_some());
        if let Some(id) = header.map(|header| header.id.0).filter(|id| *id != page) {
            wrong.insert(page, id);
        }
    }
    let mut pairs: Pairs = wrong
        .iter()
        .filter(|(page, id)| page < id && wrong.get(id) == Some(page))
        .map(|(page, id)| (*page, *id))
        .collect();
    pairs.sort_unstable();
    if pairs.is_empty() {
        return Ok((source, pairs));
    }
    let both = pairs
        .iter()
        .flat_map(|(one, other)| [(*one, *other), (*other, *one)]);
    let places = both.collect();
    let exchanged = Exchanged {
        source,
        page_size,
        places,
    };
    Ok((Box::new(exchanged), pairs))
}

impl ReadAt for Exchanged {
    fn size(&self) -> u64 {
        self.source.size()
    }

    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let (page, within) = (offset / self.page_size, offset % self.page_size);
            let left = usize::try_from(self.page_size - within).unwrap_or(usize::MAX);
            let (part, rest) = buf.split_at_mut(left.min(buf.len()));
            let place = self.places.get(&page).unwrap_or(&page);
            self.source.read_exact_at(
                part,
                place.saturating_mul(self.page_size).saturating_add(within),
            )?;
            offset = offset.saturating_add(part.len() as u64);
            buf = rest;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryFile;

    const SIZE: usize = 1024;

    /// Pages with these numbers in their headers, filled with them.
    fn file(ids: &[u8]) -> Vec<u8> {
        let pages = ids.iter().flat_map(|id| {
            let mut page = vec![*id; SIZE];
            page[..HEADER].fill(0);
            page[0] = *id;
            page[8] = 2;
            page
        });
        pages.collect()
    }

    fn read(content: Vec<u8>) -> (Vec<u8>, Pairs) {
        let length = content.len();
        let (source, pairs) = put_back(Box::new(MemoryFile::new(content)), SIZE).unwrap();
        let mut bytes = vec![0; length];
        source.read_exact_at(&mut bytes, 0).unwrap();
        // Parts of pages, too.
        let mut part = vec![0; length - 1500];
        source.read_exact_at(&mut part, 1500).unwrap();
        assert!(part == bytes[1500..]);
        (bytes, pairs)
    }

    #[test]
    fn pairs_are_read_where_they_belong() {
        let (bytes, pairs) = read(file(&[0, 1, 4, 3, 2, 6, 5, 7]));
        assert_eq!(pairs, [(2, 4), (5, 6)]);
        assert!(bytes == file(&[0, 1, 2, 3, 4, 5, 6, 7]));
    }

    #[test]
    fn one_page_in_a_wrong_place_stays_there() {
        // A copy of another page, a cycle of three, a number that is not there.
        for ids in [[0, 1, 3, 3, 4, 5], [0, 1, 3, 4, 2, 5], [0, 1, 9, 3, 4, 2]] {
            let (bytes, pairs) = read(file(&ids));
            assert!(pairs.is_empty() && bytes == file(&ids), "{ids:?}");
        }
    }
}
