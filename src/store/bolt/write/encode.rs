//! Encoding branches, leaves and freelists.

use zeroize::Zeroizing;

use crate::store::bolt::layout::{BRANCH, ELEMENT, FREELIST, HEADER, Header, LEAF, PageId};
use crate::store::bolt::node::Kind;

/// The highest number of elements in a node; bolt panics at one more.
pub(super) const MOST_ELEMENTS: usize = 65_534;

/// The content of an element without its key.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    /// Of a leaf: flags and value.
    Value(u32, &'a [u8]),
    /// Of a branch: the child.
    Child(PageId),
}

struct Slot {
    /// A leaf element's flags.
    flags: u32,
    /// A branch element's child.
    child: PageId,
    key: usize,
    value: usize,
}

/// A node that is being filled. Its bytes may be tokens, so they are wiped from memory.
pub(super) struct Draft {
    kind: Kind,
    slots: Vec<Slot>,
    data: Zeroizing<Vec<u8>>,
}

impl Draft {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            slots: Vec::new(),
            data: Zeroizing::new(Vec::new()),
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.data.clear();
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The size of the node in bytes, with its header.
    pub(super) fn size(&self) -> usize {
        HEADER + ELEMENT * self.slots.len() + self.data.len()
    }

    /// The size in bytes that it would have with one more element.
    pub(super) fn size_with(&self, key: &[u8], body: Body<'_>) -> usize {
        let value = match body {
            Body::Value(_, value) => value.len(),
            Body::Child(_) => 0,
        };
        self.size() + ELEMENT + key.len() + value
    }

    /// The page of an inline bucket with this content. `None` if bolt would not inline it, because
    /// it is larger than a quarter of a page or has a bucket in it.
    pub(super) fn inline_page(&self, page_size: usize) -> Option<Zeroizing<Vec<u8>>> {
        if self.size() > page_size / 4 || self.holds_bucket() {
            return None;
        }
        let mut page = Zeroizing::new(Vec::with_capacity(self.size()));
        self.append_to(PageId(0), 0, &mut page);
        Some(page)
    }

    /// Whether some element is a bucket.
    fn holds_bucket(&self) -> bool {
        self.slots.iter().any(|slot| slot.flags & 1 != 0)
    }

    /// The first key.
    pub(super) fn first_key(&self) -> &[u8] {
        let length = self.slots.first().map_or(0, |slot| slot.key);
        self.data.get(..length).unwrap_or_default()
    }

    pub(super) fn push(&mut self, key: &[u8], body: Body<'_>) {
        let (flags, child, value) = match body {
            Body::Value(flags, value) => (flags, PageId(0), value),
            Body::Child(child) => (0, child, &[][..]),
        };
        self.slots.push(Slot {
            flags,
            child,
            key: key.len(),
            value: value.len(),
        });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// Moves the elements from `index` to the front of `next`.
    pub(super) fn split_off(&mut self, index: usize, next: &mut Self) {
        let kept = self.slots.get(..index).unwrap_or(&self.slots);
        let at: usize = kept.iter().map(|slot| slot.key + slot.value).sum();
        let mut data = Zeroizing::new(Vec::with_capacity(self.data.len() - at + next.data.len()));
        data.extend_from_slice(self.data.get(at..).unwrap_or_default());
        data.extend_from_slice(&next.data);
        next.data = data;
        self.data.truncate(at);
        let mut slots = self.slots.split_off(index.min(self.slots.len()));
        slots.append(&mut next.slots);
        next.slots = slots;
    }

    /// The index at which to split the elements so that the larger part is smallest and each part
    /// has at least `least` elements. The node must have at least twice as many.
    pub(super) fn middle(&self, least: usize) -> usize {
        let size = |slot: &Slot| ELEMENT + slot.key + slot.value;
        let whole: usize = self.slots.iter().map(size).sum();
        let mut left = 0;
        let mut best = (usize::MAX, least);
        for (index, slot) in self.slots.iter().enumerate() {
            if index >= least && index + least <= self.slots.len() {
                best = best.min((left.max(whole - left), index));
            }
            left += size(slot);
        }
        best.1
    }

    /// Appends the encoded node to `out`, with the page number `id` and `overflow` further pages.
    /// There are no gaps between elements, and nothing follows them.
    pub(super) fn append_to(&self, id: PageId, overflow: u32, out: &mut Vec<u8>) {
        let flags = match self.kind {
            Kind::Branch => BRANCH,
            Kind::Leaf => LEAF,
        };
        header(id, flags, self.slots.len(), overflow, out);
        let mut data_before = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            // Relative to the element. It fits in 32 bits, since nodes are smaller than that.
            let pos = ELEMENT * (self.slots.len() - index) + data_before;
            match self.kind {
                Kind::Leaf => {
                    out.extend(slot.flags.to_le_bytes());
                    out.extend(length(pos));
                    out.extend(length(slot.key));
                    out.extend(length(slot.value));
                }
                Kind::Branch => {
                    out.extend(length(pos));
                    out.extend(length(slot.key));
                    out.extend(slot.child.0.to_le_bytes());
                }
            }
            data_before += slot.key + slot.value;
        }
        out.extend_from_slice(&self.data);
    }
}

/// A length field. It fits in 32 bits, since nodes are smaller than that.
fn length(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

fn header(id: PageId, flags: u16, count: usize, overflow: u32, out: &mut Vec<u8>) {
    let header = Header {
        id,
        flags,
        count: u16::try_from(count).unwrap_or(u16::MAX),
        overflow,
    };
    out.extend(header.encode());
}

/// The size in bytes of a freelist with `count` page numbers.
pub(super) fn freelist_size(count: u64) -> u64 {
    let long = if count >= u64::from(u16::MAX) { 8 } else { 0 };
    HEADER as u64 + long + 8 * count
}

/// Encodes a freelist at page `id` with `overflow` further pages.
pub(super) fn freelist(id: PageId, overflow: u32, ids: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    match u16::try_from(ids.len()) {
        Ok(count) if count < u16::MAX => {
            header(id, FREELIST, usize::from(count), overflow, &mut out);
        }
        _ => {
            header(id, FREELIST, usize::from(u16::MAX), overflow, &mut out);
            out.extend((ids.len() as u64).to_le_bytes());
        }
    }
    for id in ids {
        out.extend(id.to_le_bytes());
    }
    out
}
