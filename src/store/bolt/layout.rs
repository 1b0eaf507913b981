//! Numbers of the bolt file format, and access to integers in bytes that nobody vouches for.

use std::fmt;

/// Bytes of a page header, and of one element of a branch or leaf.
pub(super) const HEADER: usize = 16;

/// Flags of a branch node's header.
pub(super) const BRANCH: u16 = 0x01;
/// Flags of a leaf node's header.
pub(super) const LEAF: u16 = 0x02;
/// Flags of a meta page's header.
pub(super) const META: u16 = 0x04;
/// Flags of a freelist's header.
pub(super) const FREELIST: u16 = 0x10;

/// The first four bytes of a meta, as a number in the file's byte order.
pub(super) const MAGIC: u32 = 0xED0C_DAED;
/// The only format version there has been since bolt's first release.
pub(super) const VERSION: u32 = 2;
/// Bytes of a meta page, from the page's start, that mean something.
pub(super) const META_END: usize = 80;
/// Stands in a meta's freelist field when the list is not stored.
pub(super) const NO_FREELIST: u64 = u64::MAX;

/// The smallest page size that is believed.
pub(super) const LEAST_PAGE_SIZE: u64 = 512;
/// The greatest page size that bbolt finds by itself.
pub(super) const GREATEST_PAGE_SIZE: u64 = 16 << 20;

/// The longest key of a plain value. Names of buckets may be longer.
pub(super) const LONGEST_KEY: usize = 32768;

/// The number of a page: it starts at this many page sizes into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageId(pub(super) u64);

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a transaction; only ever compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TxId(pub(super) u64);

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The two bytes at `at` as a number.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

/// The four bytes at `at` as a number.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

/// The eight bytes at `at` as a number.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

/// A length field as an index. Where it does not fit it is beyond any slice anyway.
pub(super) fn index(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// The header every node begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    /// The page's own number; 0 in an inline bucket.
    pub(super) id: PageId,
    /// The type of node: one of the four flag constants.
    pub(super) flags: u16,
    /// The number of elements.
    pub(super) count: u16,
    /// How many pages the node takes beyond its first.
    pub(super) overflow: u32,
}

impl Header {
    /// Takes the first bytes of `bytes` for a header; `None` when there are fewer than 16.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: PageId(u64_at(bytes, 0)?),
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }
}

/// Whether all of `bytes` are zero, looked at in blocks.
pub(super) fn all_zero(bytes: &[u8]) -> bool {
    const BLOCK: usize = 128;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().all(|block| *block == [0; BLOCK]) && rest.iter().all(|byte| *byte == 0)
}
