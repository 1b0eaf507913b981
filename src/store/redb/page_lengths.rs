//! The limit for the lengths of redb pages.
//!
//! The library allocates a page before it reads it, and the length of the page is a number in the
//! file: up to 4 GiB in a file of a few kilobytes. The backend sees each page before the pages below
//! it are allocated. It clears the number of every page that is too long. Then the checksum of the
//! page with that number is wrong, and the library treats it like any damaged page.

use std::collections::HashMap;

use crate::store::redb::MAGIC;
use crate::store::redb::node::{BRANCH, LEAF, LONGEST_NODE, number};

/// The offsets of the two commit slots in the header.
const SLOTS: [usize; 2] = [64, 192];
/// The offsets in a slot of the flag and of the page number of each of its two roots.
const ROOTS: [(usize, usize); 2] = [(1, 8), (2, 40)];
/// The number of bytes of the header that are looked at.
const HEADER: usize = 320;
/// The first byte of the definition of a table with several values for a key.
const MULTIMAP: u8 = 4;
/// The first byte of the values of a key that have a tree of their own.
const SUBTREE: u8 = 3;

/// What the values in the leaves of a tree contain.
#[derive(Clone, Copy)]
enum Values {
    /// Definitions of tables.
    Tables,
    /// Trees of values. The keys have this length, if it is fixed.
    Subtrees(Option<usize>),
}

/// Finds and clears the numbers of pages that are too long.
#[derive(Default)]
pub(super) struct PageLengths {
    page_size: u64,
    /// The length of the header of a region, and of a whole region.
    region_header: u64,
    region: u64,
    /// The trees whose leaves contain page numbers, by the offset of each of their pages.
    trees: HashMap<u64, Values>,
}

impl PageLengths {
    /// Looks at bytes that the library is about to get, which begin at `offset` of the file.
    pub(super) fn limit(&mut self, offset: u64, bytes: &mut [u8]) {
        if offset == 0 {
            self.header(bytes);
            return;
        }
        let tree = self.trees.get(&offset).copied();
        match (bytes.first(), tree) {
            (Some(&BRANCH), tree) => self.branch(bytes, tree),
            (Some(&LEAF), Some(values)) => self.leaf(bytes, values),
            _ => {}
        }
    }

    fn header(&mut self, bytes: &mut [u8]) {
        if bytes.len() < HEADER || !bytes.starts_with(&MAGIC) {
            return;
        }
        let field = |at| number(bytes, at).map_or(0, |value| value as u64);
        let (page_size, header, data) = (field(12), field(16), field(20));
        self.page_size = page_size;
        self.region_header = header.saturating_mul(page_size);
        self.region = (header + data).saturating_mul(page_size);
        for slot in SLOTS {
            for (flag, root) in ROOTS {
                if bytes.get(slot + flag).is_some_and(|flag| *flag != 0) {
                    self.page(bytes, slot + root, Some(Values::Tables));
                }
            }
        }
    }

    fn branch(&mut self, bytes: &mut [u8], tree: Option<Values>) {
        let children = count(bytes) + 1;
        for child in 0..children {
            self.page(bytes, 8 + 16 * children + 8 * child, tree);
        }
    }

    fn leaf(&mut self, bytes: &mut [u8], values: Values) {
        let count = count(bytes);
        let fixed = match values {
            Values::Tables => None,
            Values::Subtrees(fixed) => fixed,
        };
        // The ends of the keys come first, if their lengths are not fixed.
        let ends = if fixed.is_some() { 4 } else { 4 + 4 * count };
        let mut from = match (fixed, count.checked_sub(1)) {
            (Some(length), _) => ends + 4 * count + length.saturating_mul(count),
            (None, Some(last)) => number(bytes, 4 + 4 * last).unwrap_or(usize::MAX),
            (None, None) => return,
        };
        for value in 0..count {
            let first = bytes.get(from).copied();
            match (values, first) {
                (Values::Tables, Some(kind)) => self.definition(bytes, from, kind),
                (Values::Subtrees(_), Some(SUBTREE)) => self.page(bytes, from + 1, None),
                _ => {}
            }
            match number(bytes, ends + 4 * value) {
                Some(end) => from = end,
                None => return,
            }
        }
    }

    /// The definition of a table: its kind, its number of entries, whether it has a root, the root,
    /// whether its keys have a fixed length, and that length.
    fn definition(&mut self, bytes: &mut [u8], at: usize, kind: u8) {
        if bytes.get(at + 9).is_none_or(|flag| *flag == 0) {
            return;
        }
        let fixed = bytes.get(at + 42).is_some_and(|flag| *flag != 0);
        let fixed = number(bytes, at + 43).filter(|_| fixed);
        let tree = (kind == MULTIMAP).then_some(Values::Subtrees(fixed));
        self.page(bytes, at + 10, tree);
    }

    /// Clears the page number at `at` if its page is too long. Otherwise remembers what the page is
    /// part of.
    fn page(&mut self, bytes: &mut [u8], at: usize, tree: Option<Values>) {
        let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) else {
            return;
        };
        let page = u64::from_le_bytes(*field);
        let order = page >> 59;
        let length = self.page_size << order;
        if length > LONGEST_NODE as u64 {
            *field = [0; 8];
            return;
        }
        let Some(tree) = tree else { return };
        let region = (page >> 20) & 0xf_ffff;
        let index = page & (0xf_ffff >> order);
        let offset = self
            .page_size
            .saturating_add(self.region.saturating_mul(region))
            .saturating_add(self.region_header)
            .saturating_add(index.saturating_mul(length));
        self.trees.insert(offset, tree);
    }
}

/// The number of keys of a node.
fn count(bytes: &[u8]) -> usize {
    let field = bytes.get(2..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| usize::from(u16::from_le_bytes(*field)))
}
