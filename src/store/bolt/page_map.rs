//! How each page of a file is used.

use std::ops::{ControlFlow, Range};

use crate::error::Result;
use crate::finding::Severity;
use crate::store::PageUse;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::freelist::Freelist;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::{BucketContent, Element, Node};
use crate::store::bolt::validate::Reference;
use crate::store::bolt::walk::{Visit, Walker};
use crate::store::bolt::{Bolt, freelist};

/// How many defects are asked for their page. A damaged file may have one for each element.
const MOST_DEFECTS: u64 = 100_000;

/// See [`crate::store::Inspect::page_uses`].
pub(super) fn page_uses(bolt: &Bolt, visit: &mut dyn FnMut(Range<u64>, PageUse<'_>)) -> Result<()> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    let trees = walk(bolt)?;
    let list = freelist::read(file, meta, &mut Report::default())?;
    let use_of = |page: u64| {
        let id = PageId(page);
        if page < 2 {
            return PageUse::Meta;
        }
        if trees.damaged.has(id) {
            return PageUse::Damaged;
        }
        if let Some(owner) = trees.owner(page) {
            return owner;
        }
        if page >= meta.hwm.0 {
            return PageUse::Tail;
        }
        match &list {
            Freelist::Stored(list) if list.span.contains(&page) => PageUse::Freelist,
            Freelist::Stored(list) if list.free.has(id) => PageUse::Free,
            Freelist::Absent => PageUse::Free,
            Freelist::Stored(_) | Freelist::Damaged => PageUse::Unreferenced,
        }
    };
    let pages = file.pages();
    let mut first = 0;
    while first < pages {
        let used = use_of(first);
        let mut end = first + 1;
        while end < pages && use_of(end) == used {
            end += 1;
        }
        visit(first..end, used);
        first = end;
    }
    if pages < meta.hwm.0 {
        visit(pages..meta.hwm.0, PageUse::Missing);
    }
    Ok(())
}

/// The pages of all trees.
struct Trees {
    /// For each page of the file: 0, or the number of its tree plus one. Number 0 is the root.
    owners: Vec<u32>,
    /// The names of the buckets. The tree of bucket `n` has number `n + 1`.
    names: Vec<Vec<u8>>,
    /// The pages that have an error.
    damaged: Bitmap,
}

impl Trees {
    fn owner(&self, page: u64) -> Option<PageUse<'_>> {
        let owner = *self.owners.get(usize::try_from(page).ok()?)?;
        let number = usize::try_from(owner).ok()?.checked_sub(1)?;
        Some(match number.checked_sub(1) {
            None => PageUse::Root,
            Some(bucket) => PageUse::Bucket(self.names.get(bucket)?),
        })
    }
}

/// The tree of a bucket, or of a bucket inside it.
struct Tree {
    root: PageId,
    from: Reference,
    number: u32,
}

/// Walks the trees one after the other. No page is walked twice.
fn walk(bolt: &Bolt) -> Result<Trees> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    let mut visitor = TreeVisitor {
        // Bounded by the length of the file.
        owners: vec![0; usize::try_from(file.pages()).unwrap_or(0)],
        names: Vec::new(),
        damaged: Bitmap::new(file.pages()),
        defects: 0,
        pending: Vec::new(),
        number: 0,
        roots: Bitmap::new(file.pages()),
    };
    let mut walker = Walker::new(file, meta.hwm);
    let _ = walker.tree(meta.root, meta.root_field(file), &mut visitor)?;
    while let Some(tree) = visitor.pending.pop() {
        visitor.number = tree.number;
        let _ = walker.tree(tree.root, tree.from, &mut visitor)?;
    }
    Ok(Trees {
        owners: visitor.owners,
        names: visitor.names,
        damaged: visitor.damaged,
    })
}

/// The visitor that notes which tree has which page.
struct TreeVisitor {
    owners: Vec<u32>,
    names: Vec<Vec<u8>>,
    damaged: Bitmap,
    defects: u64,
    pending: Vec<Tree>,
    /// The number of the tree being walked.
    number: u32,
    /// The roots of the trees in `pending` and of those walked.
    roots: Bitmap,
}

impl TreeVisitor {
    fn add(&mut self, defect: &Defect) {
        self.damaged.insert(defect.page);
    }
}

impl Visit for TreeVisitor {
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        if code.severity() == Severity::Error && self.defects < MOST_DEFECTS {
            self.defects += 1;
            self.add(&describe());
        }
    }

    fn in_order(&self) -> bool {
        false
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if !element.is_bucket() {
            return ControlFlow::Continue(());
        }
        let number = match self.number {
            0 => {
                self.names.push(element.key.to_vec());
                u32::try_from(self.names.len()).unwrap_or(u32::MAX)
            }
            // A bucket inside a bucket counts as a part of it.
            number => number,
        };
        match node.bucket(element) {
            Ok((_, BucketContent::Tree(root))) if self.roots.insert(root) => {
                let offset = node.value_offset(element);
                let page = node.page;
                let from = Reference { page, offset };
                self.pending.push(Tree { root, from, number });
            }
            Ok(_) => {}
            Err(defect) => self.add(&defect),
        }
        ControlFlow::Continue(())
    }

    fn node(&mut self, node: &Node<'_>, pages: u64, _: u64, _: usize) {
        let owner = self.number.saturating_add(1);
        let first = usize::try_from(node.page.0).unwrap_or(usize::MAX);
        let count = usize::try_from(pages).unwrap_or(usize::MAX);
        let rest = self.owners.get_mut(first..).unwrap_or_default();
        for place in rest.iter_mut().take(count) {
            if *place == 0 {
                *place = owner;
            }
        }
    }
}
