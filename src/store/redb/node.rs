//! The layout of a node of a redb tree: a leaf or a branch, which begins at the start of a page.

/// The longest node that is read, in bytes. It is read as a whole, and its length is a number in the
/// file.
pub(super) const LONGEST_NODE: usize = 256 << 20;

/// The type byte of a leaf.
pub(super) const LEAF: u8 = 1;
/// The type byte of a branch.
pub(super) const BRANCH: u8 = 2;

/// The number of four bytes at `at`.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

/// The layout of a node whose keys and values have variable lengths.
pub(super) struct Layout {
    pub(super) leaf: bool,
    pub(super) count: usize,
    /// The offsets of the arrays with the ends of the keys and of the values.
    pub(super) key_ends: usize,
    pub(super) value_ends: usize,
    /// The offset of the first key.
    pub(super) data: usize,
}

/// Parses the start of a page as the start of a node.
pub(super) fn layout(bytes: &[u8]) -> Option<Layout> {
    let kind = *bytes.first()?;
    let count = usize::from(u16::from_le_bytes(*bytes.get(2..)?.first_chunk()?));
    match kind {
        LEAF if count > 0 => Some(Layout {
            leaf: true,
            count,
            key_ends: 4,
            value_ends: 4 + 4 * count,
            data: 4 + 8 * count,
        }),
        BRANCH if count > 0 => {
            let ends = 8 + 24 * (count + 1);
            Some(Layout {
                leaf: false,
                count,
                key_ends: ends,
                value_ends: ends,
                data: ends + 4 * count,
            })
        }
        _ => None,
    }
}

/// The length in bytes of the node that may begin here, according to its first bytes.
pub(super) fn node_length(bytes: &[u8]) -> Option<usize> {
    let layout = layout(bytes)?;
    let last = layout.value_ends + 4 * (layout.count - 1);
    match number(bytes, last) {
        Some(end) if end >= layout.data => Some(end),
        Some(_) => None,
        // The array ends beyond these bytes.
        None => Some(layout.data),
    }
}
