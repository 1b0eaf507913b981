//! The most likely transactions of a file without meta pages that is damaged elsewhere too: the
//! roots that lead to the most, each with the freelist that agrees with it best.

use std::cmp::Reverse;

use crate::error::Result;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::{NO_FREELIST, PageId};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::salvage::page_table::{FreelistEntry, NodeKind, PageEntry, PageTable};
use crate::store::bolt::salvage::partition::Partition;
use crate::store::bolt::salvage::tree::Tree;

/// At most this many roots are tried, and this many freelists for each.
const MOST: usize = 24;

/// The best roots, the best one first.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn states(file: &PageFile, table: &PageTable) -> Result<Vec<Partition>> {
    let is_root = |entry: &PageEntry| match entry.kind {
        NodeKind::BucketLeaf => true,
        NodeKind::Branch => entry.children.iter().any(|child| {
            let child = table.node(*child);
            child.is_some_and(|child| child.kind == NodeKind::BucketLeaf)
        }),
        NodeKind::Leaf | NodeKind::Mixed => false,
    };
    let mut below = Bitmap::new(table.len());
    for (_, entry) in table.nodes() {
        if entry.kind == NodeKind::Branch {
            for child in &entry.children {
                below.insert(*child);
            }
        }
    }
    let mut roots: Vec<(Reverse<usize>, PageId)> = table
        .nodes()
        .filter(|(page, entry)| is_root(entry) && !below.has(*page))
        .map(|(page, entry)| (Reverse(entry.children.len()), page))
        .collect();
    roots.sort_unstable();
    let mut lists: Vec<&FreelistEntry> = table.freelists.iter().collect();
    lists.sort_by_key(|list| Reverse(list.free.len()));
    lists.truncate(MOST);

    let mut found = Vec::new();
    for (_, root) in roots.into_iter().take(MOST) {
        let mut tree = Tree::new(table.len());
        tree.add(file, table, root)?;
        let clash = |list: &FreelistEntry| {
            let own = (list.page.0..list.page.0 + list.pages).map(PageId);
            own.chain(list.free.iter().copied())
                .any(|page| tree.reached.has(page))
        };
        let list = lists.iter().find(|list| !clash(list));
        let state = Partition {
            root,
            freelist: list.map_or(NO_FREELIST, |list| list.page.0),
            hwm: PageId(table.len()),
        };
        found.push((tree.nodes, state));
    }
    found.sort_by_key(|(nodes, _)| Reverse(*nodes));
    Ok(found.into_iter().map(|(_, state)| state).collect())
}
