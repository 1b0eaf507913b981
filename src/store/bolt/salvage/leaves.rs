//! The pairs of all leaves of a damaged file, each with its origin.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::{BucketContent, Node};
use crate::store::bolt::salvage::page_table::{NodeKind, read_again};
use crate::store::bolt::salvage::tree::{KeyRange, SharedKey, Tree};
use crate::store::bolt::salvage::{DamagedBolt, FoundState};

/// Where a leaf was found, the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// In the tree.
    Tree,
    /// In no tree, but in use: the freelist does not have it.
    Unlisted,
    /// In the tree of the previous transaction only.
    PreviousTree,
    /// In no tree, and the freelist is lost: it may be in use or not.
    Unreferenced,
    /// Free: its pairs were replaced or deleted.
    Stale,
}

/// The pairs of a leaf, or of a bucket inside a leaf.
#[derive(Debug)]
pub struct FoundLeaf {
    /// Its first page.
    pub page: u64,
    /// Where it was found.
    pub origin: Origin,
    /// Whether the tree of the previous transaction has it too, at the same place.
    pub shared: bool,
    /// The name of its bucket, if something leads to it from the bucket.
    pub bucket: Option<Arc<[u8]>>,
    /// Whether every key of the bucket from `low` to `high` would be here.
    pub bounded: bool,
    /// The lowest key that can be here; `None` for no limit.
    pub low: Option<Arc<[u8]>>,
    /// The first key after those that can be here; `None` for no limit.
    pub high: Option<Arc<[u8]>>,
    /// Whether all of its elements could be read.
    pub whole: bool,
    /// The pairs, ascending by key.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A part that a tree lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPart {
    /// The page that can't be read, or that leads to it.
    pub page: u64,
    /// The bucket; `None` if buckets may be missing.
    pub bucket: Option<Arc<[u8]>>,
    /// Whether a part of the page could be read.
    pub in_part: bool,
}

impl DamagedBolt {
    /// What the tree of a state lacks.
    #[must_use]
    pub fn missing(&self, state: &FoundState) -> Vec<MissingPart> {
        let tree = &state.tree;
        let holes = tree.holes.iter().map(|hole| MissingPart {
            page: hole.page.0,
            bucket: hole
                .bucket
                .and_then(|bucket| tree.buckets.get(bucket))
                .map(|bucket| Arc::clone(&bucket.name)),
            in_part: hole.in_part,
        });
        holes.collect()
    }

    /// Passes the pairs of all leaves to `visit`: those of `now`, those in use that its tree lacks,
    /// those of `before`, then all others. Without `others` those that are not in use are left out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub fn leaves(
        &self,
        now: Option<&FoundState>,
        before: Option<&FoundState>,
        others: bool,
        visit: &mut dyn FnMut(FoundLeaf),
    ) -> Result<()> {
        let mut reader = Reader {
            damaged: self,
            batch: Batch::new(&self.file),
            taken: Bitmap::new(self.table.len()),
            previous: before.map(Places::of).unwrap_or_default(),
            now: now.map(Places::of).unwrap_or_default(),
            visit,
        };
        if let Some(now) = now {
            reader.tree(&now.tree, Origin::Tree)?;
            reader.take(&now.tree.reached);
            if now.freelist_is_sound {
                let in_use = |page: PageId| {
                    (page < now.meta.hwm && !now.free.has(page)).then_some(Origin::Unlisted)
                };
                reader.outside(&in_use)?;
            }
        }
        if let Some(before) = before {
            reader.tree(&before.tree, Origin::PreviousTree)?;
            reader.take(&before.tree.reached);
        }
        if others {
            let sound = now.is_some_and(|now| now.freelist_is_sound);
            let origin = if sound {
                Origin::Stale
            } else {
                Origin::Unreferenced
            };
            reader.outside(&|_| Some(origin))?;
        }
        Ok(())
    }
}

/// Where a state has its leaves and buckets.
#[derive(Default)]
struct Places {
    leaves: HashMap<PageId, (SharedKey, KeyRange)>,
    /// The leaf that has the element of a bucket, and its name.
    buckets: HashSet<(PageId, SharedKey)>,
}

impl Places {
    fn of(state: &FoundState) -> Self {
        let tree = &state.tree;
        let mut places = Self::default();
        for leaf in &tree.leaves {
            if let Some(bucket) = tree.buckets.get(leaf.bucket) {
                let place = (Arc::clone(&bucket.name), leaf.range.clone());
                places.leaves.insert(leaf.page, place);
            }
        }
        for bucket in &tree.buckets {
            let place = (bucket.page, Arc::clone(&bucket.name));
            places.buckets.insert(place);
        }
        places
    }
}

struct Reader<'d, 'v> {
    damaged: &'d DamagedBolt,
    batch: Batch<'d>,
    /// Pages that are done.
    taken: Bitmap,
    previous: Places,
    /// Where the current state has its leaves and buckets. Those of the previous one are passed too
    /// unless they are at the same places.
    now: Places,
    visit: &'v mut dyn FnMut(FoundLeaf),
}

impl Reader<'_, '_> {
    /// The leaves and inline buckets of a tree.
    fn tree(&mut self, tree: &Tree, origin: Origin) -> Result<()> {
        for bucket in &tree.buckets {
            let place = (bucket.page, Arc::clone(&bucket.name));
            if origin == Origin::PreviousTree && self.now.buckets.contains(&place) {
                continue;
            }
            let (pairs, whole) = match bucket.inline {
                Some(index) => self.inline(bucket.page, index)?,
                None => (Vec::new(), true),
            };
            (self.visit)(FoundLeaf {
                page: bucket.page.0,
                origin,
                shared: self.previous.buckets.contains(&place),
                bucket: Some(Arc::clone(&bucket.name)),
                bounded: bucket.inline.is_some(),
                low: None,
                high: None,
                whole,
                pairs,
            });
        }
        let mut leaves: Vec<_> = tree.leaves.iter().collect();
        leaves.sort_by_key(|leaf| leaf.page);
        for leaf in leaves {
            let Some(bucket) = tree.buckets.get(leaf.bucket) else {
                continue;
            };
            let is_at = |places: &Places| {
                let place = places.leaves.get(&leaf.page);
                place.is_some_and(|(name, range)| *name == bucket.name && *range == leaf.range)
            };
            if origin == Origin::PreviousTree && is_at(&self.now) {
                continue;
            }
            let Some((pairs, whole)) = self.pairs(leaf.page)? else {
                continue;
            };
            let shared = is_at(&self.previous);
            (self.visit)(FoundLeaf {
                page: leaf.page.0,
                origin,
                shared,
                bucket: Some(Arc::clone(&bucket.name)),
                bounded: true,
                low: leaf.range.low.clone(),
                high: leaf.range.high.clone(),
                whole,
                pairs,
            });
        }
        Ok(())
    }

    /// Leaves that no tree has, on pages that are not done. `origin` says where such a page was
    /// found; none if it is left out.
    fn outside(&mut self, origin: &dyn Fn(PageId) -> Option<Origin>) -> Result<()> {
        let table = &self.damaged.table;
        let wanted =
            |reader: &Self, page: PageId| !reader.taken.has(page) && origin(page).is_some();
        // Leaves with buckets tell the names of what is below them. One that leads to more pages of
        // this kind is newer.
        let mut roots = Vec::new();
        for (page, entry) in table.nodes() {
            if entry.kind == NodeKind::BucketLeaf && wanted(self, page) {
                let children = entry.children.iter();
                let live = children.filter(|child| wanted(self, **child)).count();
                roots.push((Reverse(live), page));
            }
        }
        roots.sort_unstable();
        let mut tree = Tree::new(table.len());
        for (_, root) in &roots {
            self.buckets_of(*root, origin)?;
            tree.add_names_again(&self.damaged.file, table, *root)?;
        }
        let named: HashMap<PageId, SharedKey> = tree
            .leaves
            .iter()
            .filter_map(|leaf| {
                let bucket = tree.buckets.get(leaf.bucket)?;
                Some((leaf.page, Arc::clone(&bucket.name)))
            })
            .collect();
        for (page, entry) in table.nodes() {
            let Some(origin) = origin(page).filter(|_| !self.taken.has(page)) else {
                continue;
            };
            // The further pages of a node are not looked at on their own, unless the node may have
            // been overwritten in part.
            let span = if entry.whole { entry.pages } else { 1 };
            for page in page.0..page.0 + span {
                self.taken.insert(PageId(page));
            }
            if !matches!(entry.kind, NodeKind::Leaf | NodeKind::Mixed) {
                continue;
            }
            let Some((pairs, whole)) = self.pairs(page)? else {
                continue;
            };
            (self.visit)(FoundLeaf {
                page: page.0,
                origin,
                shared: false,
                bucket: named.get(&page).cloned(),
                bounded: false,
                low: None,
                high: None,
                whole,
                pairs,
            });
        }
        Ok(())
    }

    /// The buckets whose elements are on a leaf that no tree has.
    fn buckets_of(
        &mut self,
        page: PageId,
        origin: &dyn Fn(PageId) -> Option<Origin>,
    ) -> Result<()> {
        let Some(origin) = origin(page) else {
            return Ok(());
        };
        let mut found = Vec::new();
        if let Some(node) = read_again(&mut self.batch, page)? {
            for element in node.elements().flatten() {
                if !element.is_bucket() || node.fault(&element).is_some() {
                    continue;
                }
                let Ok((_, content)) = node.bucket(&element) else {
                    continue;
                };
                let (bounded, (pairs, whole)) = match content {
                    BucketContent::Inline(inner, _) => (true, pairs(&inner)),
                    BucketContent::Tree(_) => (false, (Vec::new(), true)),
                };
                found.push(FoundLeaf {
                    page: page.0,
                    origin,
                    shared: false,
                    bucket: Some(element.key.into()),
                    bounded,
                    low: None,
                    high: None,
                    whole,
                    pairs,
                });
            }
        }
        found.into_iter().for_each(&mut *self.visit);
        Ok(())
    }

    /// The pairs of the inline bucket that is element `index` of a leaf, and whether all of them
    /// could be read.
    fn inline(&mut self, page: PageId, index: usize) -> Result<(Pairs, bool)> {
        if let Some(node) = read_again(&mut self.batch, page)?
            && let Ok(element) = node.element(index)
            && let Ok((_, BucketContent::Inline(inner, _))) = node.bucket(&element)
        {
            return Ok(pairs(&inner));
        }
        Ok((Vec::new(), false))
    }

    /// The pairs of a leaf, and whether all of them could be read.
    fn pairs(&mut self, page: PageId) -> Result<Option<(Pairs, bool)>> {
        Ok(read_again(&mut self.batch, page)?.map(|node| pairs(&node)))
    }

    fn take(&mut self, pages: &Bitmap) {
        for page in (2..self.damaged.table.len()).map(PageId) {
            if pages.has(page) {
                self.taken.insert(page);
            }
        }
    }
}

/// Keys and values.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The plain pairs of a leaf, and whether all of them could be read.
fn pairs(node: &Node<'_>) -> (Pairs, bool) {
    let mut pairs = Vec::new();
    let mut whole = !node.is_cut();
    for element in node.elements() {
        match element {
            Ok(element) if element.is_bucket() => {}
            Ok(element) if node.fault(&element).is_none() => {
                pairs.push((element.key.to_vec(), element.value.to_vec()));
            }
            _ => whole = false,
        }
    }
    (pairs, whole)
}
