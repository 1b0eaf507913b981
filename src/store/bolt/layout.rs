//! The bolt file format as constants, and integers read from untrusted bytes.
//!
//! All integers are little-endian. Offsets are chained: each one is the offset before plus the
//! size of the field before.

use std::fmt;

/// Offsets of the fields of a page header, in bytes from the start of the page.
pub(super) mod header_at {
    /// The page's own number: 8 bytes.
    pub(in crate::store::bolt) const ID: usize = 0;
    /// The type of node: 2 bytes.
    pub(in crate::store::bolt) const FLAGS: usize = ID + 8;
    /// The number of elements: 2 bytes.
    pub(in crate::store::bolt) const COUNT: usize = FLAGS + 2;
    /// The number of further pages: 4 bytes.
    pub(in crate::store::bolt) const OVERFLOW: usize = COUNT + 2;
    /// Where the header ends.
    pub(in crate::store::bolt) const END: usize = OVERFLOW + 4;
}

/// Offsets of the fields of a meta page, in bytes from the start of the page. The checksum covers
/// the bytes from [`meta_at::MAGIC`] up to [`meta_at::CHECKSUM`].
pub(super) mod meta_at {
    /// The number [`super::MAGIC`]: 4 bytes.
    pub(in crate::store::bolt) const MAGIC: usize = super::HEADER;
    /// The format version: 4 bytes.
    pub(in crate::store::bolt) const VERSION: usize = MAGIC + 4;
    /// Bytes per page: 4 bytes.
    pub(in crate::store::bolt) const PAGE_SIZE: usize = VERSION + 4;
    /// Unused by bolt: 4 bytes.
    pub(in crate::store::bolt) const FLAGS: usize = PAGE_SIZE + 4;
    /// The page of the root bucket: 8 bytes.
    pub(in crate::store::bolt) const ROOT: usize = FLAGS + 4;
    /// The sequence of the root bucket: 8 bytes.
    pub(in crate::store::bolt) const ROOT_SEQUENCE: usize = ROOT + 8;
    /// The page of the freelist, or [`super::NO_FREELIST`]: 8 bytes.
    pub(in crate::store::bolt) const FREELIST: usize = ROOT_SEQUENCE + 8;
    /// The high-water mark: 8 bytes.
    pub(in crate::store::bolt) const HWM: usize = FREELIST + 8;
    /// The number of the transaction: 8 bytes.
    pub(in crate::store::bolt) const TXID: usize = HWM + 8;
    /// FNV-1a over the fields before: 8 bytes.
    pub(in crate::store::bolt) const CHECKSUM: usize = TXID + 8;
    /// Where the meta ends. The rest of the page is unused.
    pub(in crate::store::bolt) const END: usize = CHECKSUM + 8;
}

/// Bytes of a page header.
pub(super) const HEADER: usize = header_at::END;
/// Bytes of one entry in the element array of a branch or leaf.
pub(super) const ELEMENT: usize = 16;
/// Bytes of the header at the start of a bucket's value: root page and sequence.
pub(super) const BUCKET_HEADER: usize = 16;

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
/// The format version. Bolt has had no other since its first release.
pub(super) const VERSION: u32 = 2;
/// The value of a meta's freelist field when the list is not stored.
pub(super) const NO_FREELIST: u64 = u64::MAX;

/// The smallest page size that is accepted.
pub(super) const LEAST_PAGE_SIZE: u64 = 512;
/// The greatest page size that is accepted: bbolt looks for meta page 1 up to here.
pub(super) const GREATEST_PAGE_SIZE: u64 = 16 << 20;

/// The longest node that is read, in bytes. It is read as a whole, and its length is a number in the
/// file. InfluxDB's longest values have a few megabytes.
pub(super) const LONGEST_NODE: usize = 256 << 20;

/// The number of a page. The page begins at byte `number * page_size` of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageId(pub(super) u64);

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a transaction.
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

/// Copies `field` to `bytes` at `at`. What does not fit is left out.
pub(super) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(field) {
        *to = *from;
    }
}

/// A length field as an index; `usize::MAX`, which is out of bounds of any slice, if it does not
/// fit.
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
    /// Parses the header at the start of `bytes`; `None` when there are fewer than [`HEADER`].
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: PageId(u64_at(bytes, header_at::ID)?),
            flags: u16_at(bytes, header_at::FLAGS)?,
            count: u16_at(bytes, header_at::COUNT)?,
            overflow: u32_at(bytes, header_at::OVERFLOW)?,
        })
    }

    /// The bytes that [`Self::parse`] reads.
    pub(super) fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        put(&mut bytes, header_at::ID, &self.id.0.to_le_bytes());
        put(&mut bytes, header_at::FLAGS, &self.flags.to_le_bytes());
        put(&mut bytes, header_at::COUNT, &self.count.to_le_bytes());
        put(
            &mut bytes,
            header_at::OVERFLOW,
            &self.overflow.to_le_bytes(),
        );
        bytes
    }
}

/// Whether all of `bytes` are zero.
pub(super) fn all_zero(bytes: &[u8]) -> bool {
    const BLOCK: usize = 128;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().all(|block| *block == [0; BLOCK]) && rest.iter().all(|byte| *byte == 0)
}
