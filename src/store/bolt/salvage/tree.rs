//! The buckets and leaves that a root leads to, and the holes in between.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::{BucketContent, Kind};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::salvage::page_table::{NodeKind, PageTable, read_again};
use crate::store::bolt::walk::MAX_DEPTH;

/// A key, shared by the leaves that it bounds.
pub(super) type SharedKey = Arc<[u8]>;

/// The keys that the branches above allow below a page: `low <= key < high`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) low: Option<SharedKey>,
    pub(super) high: Option<SharedKey>,
}

impl KeyRange {
    /// Whether keys from `first` to `last` are allowed.
    fn allows(&self, first: &[u8], last: &[u8]) -> bool {
        self.low.as_ref().is_none_or(|low| **low <= *first)
            && self.high.as_ref().is_none_or(|high| *last < **high)
    }
}

/// A leaf with the pairs of a bucket.
pub(super) struct TreeLeaf {
    pub(super) page: PageId,
    /// The index of its bucket.
    pub(super) bucket: usize,
    pub(super) range: KeyRange,
}

/// A top-level bucket.
pub(super) struct TreeBucket {
    pub(super) name: SharedKey,
    /// The leaf that has its element.
    pub(super) page: PageId,
    /// The index of its element, if its pairs are in the value.
    pub(super) inline: Option<usize>,
}

/// A part of a tree that can't be read.
pub(super) struct Hole {
    /// The page, or the one that leads to it if there is none.
    pub(super) page: PageId,
    /// The index of the bucket that misses pairs; `None` where buckets are missing.
    pub(super) bucket: Option<usize>,
    /// Whether a leaf is there, and only some of its elements can't be read.
    pub(super) in_part: bool,
}

/// Everything that one or more roots lead to.
pub(super) struct Tree {
    /// All pages of nodes.
    pub(super) reached: Bitmap,
    pub(super) buckets: Vec<TreeBucket>,
    names: HashSet<SharedKey>,
    pub(super) leaves: Vec<TreeLeaf>,
    pub(super) holes: Vec<Hole>,
    /// How many branches and leaves were read.
    pub(super) nodes: u64,
}

/// A node that is walked next.
struct Pending {
    page: PageId,
    /// The index of its bucket; `None` for the tree that has the buckets.
    bucket: Option<usize>,
    range: KeyRange,
    depth: u64,
    /// The page that leads to it.
    from: PageId,
}

impl Tree {
    /// An empty one for a file with this many pages.
    pub(super) fn new(pages: u64) -> Self {
        Self {
            reached: Bitmap::new(pages),
            buckets: Vec::new(),
            names: HashSet::new(),
            leaves: Vec::new(),
            holes: Vec::new(),
            nodes: 0,
        }
    }

    /// Adds everything below the root bucket's node at `root`. Nodes that were reached before are
    /// holes. Buckets with a name that is known already are left out, with all below them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn add(&mut self, file: &PageFile, table: &PageTable, root: PageId) -> Result<()> {
        let mut batch = Batch::new(file);
        let mut stack = vec![Pending {
            page: root,
            bucket: None,
            range: KeyRange::default(),
            depth: 1,
            from: root,
        }];
        while let Some(pending) = stack.pop() {
            self.node(table, &mut batch, pending, &mut stack)?;
        }
        Ok(())
    }

    /// [`Self::add`], where names may be known already.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn add_names_again(
        &mut self,
        file: &PageFile,
        table: &PageTable,
        root: PageId,
    ) -> Result<()> {
        self.names.clear();
        self.add(file, table, root)
    }

    fn node(
        &mut self,
        table: &PageTable,
        batch: &mut Batch<'_>,
        pending: Pending,
        stack: &mut Vec<Pending>,
    ) -> Result<()> {
        let Pending {
            page,
            bucket,
            range,
            depth,
            from,
        } = pending;
        let entry = table.node(page).filter(|entry| {
            let of_root = entry.kind == NodeKind::BucketLeaf;
            let fits = match (entry.kind, bucket) {
                (NodeKind::Branch, _) | (NodeKind::Mixed, Some(_)) => true,
                // The root of a store without buckets.
                (NodeKind::Leaf, None) => entry.first.is_empty() && entry.whole,
                (_, bucket) => of_root == bucket.is_none(),
            };
            let allowed = entry.first.is_empty() || range.allows(&entry.first, &entry.last);
            fits && (allowed || !entry.whole) && depth <= MAX_DEPTH
        });
        let Some(entry) = entry.filter(|_| !self.reached.has(page)) else {
            let known = table.node(page).is_some() && self.reached.has(page);
            self.holes.push(Hole {
                page: if known { from } else { page },
                bucket,
                in_part: false,
            });
            return Ok(());
        };
        for span in page.0..page.0 + entry.pages {
            self.reached.insert(PageId(span));
        }
        self.nodes += 1;
        if !entry.whole {
            self.holes.push(Hole {
                page,
                bucket,
                in_part: entry.kind != NodeKind::Branch,
            });
        }
        let Some(node) = read_again(batch, page)? else {
            return Ok(());
        };
        match node.kind {
            Kind::Branch => {
                let first = stack.len();
                // Keys below the first separator belong to the first child.
                let mut low = range.low.clone();
                for element in node.elements() {
                    let Ok(element) = element else { continue };
                    // The range of the child before ends here.
                    if let Some(before) = stack.get_mut(first..).and_then(<[_]>::last_mut) {
                        let key: SharedKey = element.key.into();
                        before.range.high = Some(Arc::clone(&key));
                        low = Some(key);
                    }
                    stack.push(Pending {
                        page: element.child,
                        bucket,
                        range: KeyRange {
                            low: low.clone(),
                            high: range.high.clone(),
                        },
                        depth: depth + 1,
                        from: page,
                    });
                }
            }
            Kind::Leaf => match bucket {
                Some(bucket) => self.leaves.push(TreeLeaf {
                    page,
                    bucket,
                    range,
                }),
                None => {
                    for element in node.elements() {
                        let Ok(element) = element else { continue };
                        if !element.is_bucket() || node.fault(&element).is_some() {
                            continue;
                        }
                        let Ok((_, content)) = node.bucket(&element) else {
                            continue;
                        };
                        let (inline, root) = match content {
                            BucketContent::Inline(..) => (Some(element.index), None),
                            BucketContent::Tree(root) => (None, Some(root)),
                        };
                        let name: SharedKey = element.key.into();
                        if !self.names.insert(Arc::clone(&name)) {
                            continue;
                        }
                        self.buckets.push(TreeBucket { name, page, inline });
                        if let Some(root) = root {
                            stack.push(Pending {
                                page: root,
                                bucket: Some(self.buckets.len() - 1),
                                range: KeyRange::default(),
                                depth: 1,
                                from: page,
                            });
                        }
                    }
                }
            },
        }
        Ok(())
    }
}
