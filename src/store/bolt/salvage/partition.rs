//! Finding transactions without their meta pages: a root, a freelist and a high-water mark that
//! divide the pages of the file among them, each page once.
//!
//! Trying each root with each freelist takes too long: files with thousands of each are easily made.
//! So sums of page numbers are compared. The sums of a root and of its freelist add up to the sum of
//! all pages below the high-water mark, which is one above the highest page of the two. One pass over
//! the roots and one over the freelists find all pairs.

use std::collections::HashMap;

use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::{NO_FREELIST, PageId};
use crate::store::bolt::salvage::page_table::{FreelistEntry, PageTable};
use crate::store::bolt::salvage::subtrees::{Subtree, Subtrees, weight, weight_of};

/// What a meta page would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) root: PageId,
    /// The freelist's page, or [`NO_FREELIST`].
    pub(super) freelist: u64,
    pub(super) hwm: PageId,
}

/// About this many pairs with a matching sum are compared page by page, in either pass.
const MOST_TRIED: usize = 64;

/// All transactions whose pages are all in the file, as far as they are tried.
pub(super) fn partitions(table: &PageTable, trees: &Subtrees) -> Vec<Partition> {
    let sums = Sums::new(table.len());
    let roots: Vec<(PageId, Subtree)> = table
        .nodes()
        .filter_map(|(page, _)| Some((page, trees.get(page).filter(|tree| tree.of_buckets)?)))
        .collect();
    let lists: Vec<(&FreelistEntry, u64, u64)> = table
        .freelists
        .iter()
        .map(|list| {
            let own = weight_of(list.page, list.pages);
            let free = list.free.iter().map(|page| weight(page.0));
            let highest = list.free.last().map_or(0, |page| page.0);
            let sum = free.fold(own, u64::wrapping_add);
            (list, sum, highest.max(list.page.0 + list.pages - 1))
        })
        .collect();

    let mut by_sum: HashMap<u64, Vec<usize>> = HashMap::new();
    for (number, (_, sum, _)) in lists.iter().enumerate() {
        by_sum.entry(*sum).or_default().push(number);
    }
    let mut pairs = Vec::new();
    for (root, tree) in &roots {
        if pairs.len() >= MOST_TRIED {
            break;
        }
        let Some(all) = sums.below(tree.highest + 1) else {
            continue;
        };
        if all == tree.weight {
            pairs.push((*root, None, tree.highest + 1));
        }
        let wanted = all.wrapping_sub(tree.weight);
        for number in by_sum.get(&wanted).into_iter().flatten().take(MOST_TRIED) {
            if let Some((list, _, highest)) = lists.get(*number)
                && *highest < tree.highest
            {
                pairs.push((*root, Some(*list), tree.highest + 1));
            }
        }
    }
    let mut by_sum: HashMap<u64, Vec<usize>> = HashMap::new();
    for (number, (_, tree)) in roots.iter().enumerate() {
        by_sum.entry(tree.weight).or_default().push(number);
    }
    for (list, sum, highest) in &lists {
        if pairs.len() >= 2 * MOST_TRIED {
            break;
        }
        let Some(all) = sums.below(highest + 1) else {
            continue;
        };
        let wanted = all.wrapping_sub(*sum);
        for number in by_sum.get(&wanted).into_iter().flatten().take(MOST_TRIED) {
            if let Some((root, tree)) = roots.get(*number)
                && tree.highest < *highest
            {
                pairs.push((*root, Some(*list), highest + 1));
            }
        }
    }
    pairs
        .into_iter()
        .take(3 * MOST_TRIED)
        .filter(|(root, list, hwm)| divides(table, *root, *list, *hwm))
        .map(|(root, list, hwm)| Partition {
            root,
            freelist: list.map_or(NO_FREELIST, |list| list.page.0),
            hwm: PageId(hwm),
        })
        .collect()
}

/// Whether the tree and the freelist have each page below `hwm` exactly once.
fn divides(table: &PageTable, root: PageId, list: Option<&FreelistEntry>, hwm: u64) -> bool {
    let mut taken = Bitmap::new(hwm.min(table.len()));
    let mut left = hwm.saturating_sub(2);
    let mut take = |first: u64, pages: u64| {
        left = left.saturating_sub(pages);
        (first..first.saturating_add(pages)).all(|page| taken.insert(PageId(page)))
    };
    if let Some(list) = list {
        let free = list.free.iter().map(|page| (page.0, 1));
        let own = std::iter::once((list.page.0, list.pages));
        if !own.chain(free).all(|(first, pages)| take(first, pages)) {
            return false;
        }
    }
    let mut pending = vec![root];
    while let Some(page) = pending.pop() {
        let Some(entry) = table.node(page) else {
            return false;
        };
        // A page that is reached twice is taken already.
        if !take(page.0, entry.pages) {
            return false;
        }
        pending.extend(entry.children.iter());
    }
    left == 0
}

/// The sums of the weights of the pages below each page, from page 2.
struct Sums(Vec<u64>);

impl Sums {
    fn new(pages: u64) -> Self {
        let mut sum = 0_u64;
        let sums = (0..=pages).map(|page| {
            let below = sum;
            if page >= 2 {
                sum = sum.wrapping_add(weight(page));
            }
            below
        });
        Self(sums.collect())
    }

    /// `None` beyond the end of the file.
    fn below(&self, page: u64) -> Option<u64> {
        self.0.get(usize::try_from(page).ok()?).copied()
    }
}
