//! The sum of the pages of every subtree. Each node is looked at once, although many trees of a
//! file share most of their nodes.

use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::salvage::page_table::{NodeKind, PageEntry, PageTable};

/// A number for each page, so that different sets of pages have different sums (SplitMix64).
pub(super) fn weight(page: u64) -> u64 {
    let mut z = page.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The sum of the weights of `pages` pages.
pub(super) fn weight_of(first: PageId, pages: u64) -> u64 {
    let span = first.0..first.0.saturating_add(pages);
    span.fold(0, |sum, page| sum.wrapping_add(weight(page)))
}

/// A tree without defects.
#[derive(Clone, Copy)]
pub(super) struct Subtree {
    /// The sum of the weights of its pages.
    pub(super) weight: u64,
    /// The highest of its pages.
    pub(super) highest: u64,
    /// Whether its leaves have buckets. The trees of these are included then.
    pub(super) of_buckets: bool,
}

/// The trees that begin on each page.
pub(super) struct Subtrees(Vec<Option<Subtree>>);

impl Subtrees {
    /// Looks at all nodes of a file.
    pub(super) fn of(table: &PageTable) -> Self {
        let mut found = Self(vec![None; usize::try_from(table.len()).unwrap_or(0)]);
        let mut begun = Bitmap::new(table.len());
        // A node, and the index of the child that is looked at next.
        let mut stack: Vec<(PageId, usize)> = Vec::new();
        for (page, _) in table.nodes() {
            if begun.insert(page) {
                stack.push((page, 0));
            }
            while let Some((page, next)) = stack.pop() {
                let Some(entry) = table.node(page) else {
                    continue;
                };
                match entry.children.get(next) {
                    Some(child) => {
                        stack.push((page, next + 1));
                        // A child that is begun and has no result leads back to itself.
                        if table.node(*child).is_some() && begun.insert(*child) {
                            stack.push((*child, 0));
                        }
                    }
                    None => found.set(page, found.join(table, page, entry)),
                }
            }
        }
        found
    }

    /// The tree that begins on `page`, if it has no defects.
    pub(super) fn get(&self, page: PageId) -> Option<Subtree> {
        *self.0.get(usize::try_from(page.0).ok()?)?
    }

    fn set(&mut self, page: PageId, tree: Option<Subtree>) {
        let at = usize::try_from(page.0).unwrap_or(usize::MAX);
        if let Some(place) = self.0.get_mut(at) {
            *place = tree;
        }
    }

    fn join(&self, table: &PageTable, page: PageId, entry: &PageEntry) -> Option<Subtree> {
        if !entry.whole || entry.kind == NodeKind::Mixed {
            return None;
        }
        let mut tree = Subtree {
            weight: weight_of(page, entry.pages),
            highest: page.0 + entry.pages - 1,
            of_buckets: entry.kind == NodeKind::BucketLeaf,
        };
        let is_branch = entry.kind == NodeKind::Branch;
        let mut before: Option<&[u8]> = None;
        for (number, child) in entry.children.iter().enumerate() {
            let below = self.get(*child)?;
            if is_branch {
                if number > 0 && below.of_buckets != tree.of_buckets {
                    return None;
                }
                tree.of_buckets = below.of_buckets;
                let keys = table.node(*child)?;
                if before.is_some_and(|last| last >= &*keys.first) {
                    return None;
                }
                before = Some(&keys.last);
            } else if below.of_buckets {
                return None;
            }
            tree.weight = tree.weight.wrapping_add(below.weight);
            tree.highest = tree.highest.max(below.highest);
        }
        Some(tree)
    }
}
