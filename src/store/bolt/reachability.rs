//! Everything that a meta page reaches: the trees of all buckets, and the defects in them.

use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use crate::error::Result;
use crate::store::Pages;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::layout::{BUCKET_HEADER, PageId, all_zero, header_at};
use crate::store::bolt::meta::Meta;
use crate::store::bolt::node::{BucketContent, Element, Kind, Node, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::read::named;
use crate::store::bolt::validate::{Reference, out_of_bounds};
use crate::store::bolt::walk::{REACHED, Visit, Walker, inline};

/// The result of walking all trees of a meta.
pub(super) struct Reachability {
    /// The pages that the trees use.
    pub(super) used: Bitmap,
    /// The first page of each node.
    pub(super) heads: Bitmap,
    /// The defects found.
    pub(super) report: Report,
    /// Counts of branch and leaf pages, buckets and keys, and the depth. Other fields are 0.
    pub(super) pages: Pages,
    /// Byte ranges of the file that are inside live nodes and unused. Ranges of zeros between or
    /// after elements are left out: nearly every node has some.
    pub(super) gaps: Vec<Range<u64>>,
    /// Whether all leaves of each tree are at the same level, as in trees that bolt writes.
    pub(super) balanced: bool,
    /// Whether every key in a branch is the first key of the child that it refers to.
    pub(super) separators_in_leaves: bool,
    /// The first page of each node that has gaps, or whose key in the branch above is not its
    /// first key. Packing them anew removes all bytes that no record uses from live pages.
    pub(super) showing: Bitmap,
}

impl Reachability {
    /// Whether a bucket has another one in it. InfluxDB has no such buckets.
    pub(super) fn has_nested_buckets(&self) -> bool {
        let report = &self.report;
        report.has_code(Code::NestedBucket) || report.has_code(Code::InlineNested)
    }
}

/// A bucket whose pairs are passed to a callback during the walk.
pub(super) struct StreamedBucket<'w> {
    pub(super) bucket: &'w [u8],
    pub(super) visit: &'w mut dyn FnMut(&[u8], &[u8]),
}

/// How the trees are walked.
#[derive(Default)]
pub(super) struct Walk<'w> {
    /// Nodes that begin at these pages, and everything below them, are skipped.
    pub(super) known: Option<Bitmap>,
    /// A bucket whose pairs are wanted.
    pub(super) wanted: Option<StreamedBucket<'w>>,
    /// Leaves of this walk are not read again, only their pages are added. Those that were replaced
    /// since have other pages.
    pub(super) kept: Option<&'w Reachability>,
}

impl<'w> Walk<'w> {
    /// The walk after a change: leaves that were walked `before`, and that the change kept, are not
    /// read again. Their pages are in the result, but they are not counted.
    pub(super) fn keeping(before: &'w Reachability) -> Self {
        // Kept leaves of uneven trees may be branches, and others may have more trees below them.
        let flat = before.balanced && !before.has_nested_buckets();
        Self {
            kept: flat.then_some(before),
            ..Self::default()
        }
    }
}

/// Walks the trees of all buckets that `meta` reaches.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn find_reachable(
    file: &PageFile,
    meta: &Meta,
    Walk {
        known,
        wanted,
        kept,
    }: Walk<'_>,
) -> Result<Reachability> {
    let mut walker = Walker::new(file, meta.hwm);
    if let Some(known) = known {
        walker = walker.knowing(known);
    }
    let mut visitor = ReachabilityVisitor {
        file,
        hwm: meta.hwm,
        roots: Bitmap::new(meta.hwm.0.min(file.pages())),
        report: Report::default(),
        pages: Pages::default(),
        gaps: Vec::new(),
        trees: Vec::new(),
        place: None,
        nested: false,
        wanted,
        streaming: false,
        leaf_depth: None,
        balanced: true,
        separators_in_leaves: true,
        showing: Bitmap::new(meta.hwm.0.min(file.pages())),
    };
    let _ = walker.tree(meta.root, meta.root_field(file), &mut visitor)?;
    if let Some(kept) = kept {
        walker = walker.keeping(&kept.heads, &kept.used);
    }
    while let Some(tree) = visitor.trees.pop() {
        visitor.nested = true;
        visitor.leaf_depth = None;
        visitor.place = Some(tree.place);
        visitor.streaming = tree.wanted;
        let _ = walker.tree(tree.root, tree.from, &mut visitor)?;
    }
    let (used, heads) = walker.into_pages();
    Ok(Reachability {
        used,
        heads,
        report: visitor.report,
        pages: visitor.pages,
        gaps: visitor.gaps,
        balanced: visitor.balanced,
        separators_in_leaves: visitor.separators_in_leaves,
        showing: visitor.showing,
    })
}

/// The tree of a bucket that is not walked yet.
struct PendingTree {
    root: PageId,
    from: Reference,
    place: Rc<str>,
    wanted: bool,
}

/// The visitor that collects a [`Reachability`].
struct ReachabilityVisitor<'f, 'w> {
    file: &'f PageFile,
    hwm: PageId,
    /// The roots of the trees in `trees` and of those walked, so that each is walked once.
    roots: Bitmap,
    report: Report,
    pages: Pages,
    gaps: Vec<Range<u64>>,
    trees: Vec<PendingTree>,
    /// The bucket whose tree is walked, as findings name it; `None` for the root bucket.
    place: Option<Rc<str>>,
    /// Whether the bucket whose tree is walked is not the root bucket.
    nested: bool,
    wanted: Option<StreamedBucket<'w>>,
    /// Whether the bucket being walked is the one in `wanted`.
    streaming: bool,
    /// The level of the first leaf of the tree being walked.
    leaf_depth: Option<u64>,
    balanced: bool,
    separators_in_leaves: bool,
    showing: Bitmap,
}

impl ReachabilityVisitor<'_, '_> {
    /// Counts a pair, and passes it to the callback if its bucket is the wanted one.
    fn pair(&mut self, element: &Element<'_>) {
        self.pages.keys += 1;
        if let Some(wanted) = self.wanted.as_mut().filter(|_| self.streaming) {
            (wanted.visit)(element.key, element.value);
        }
    }

    fn add(&mut self, defect: Defect) {
        self.count(defect.code, || defect);
    }

    fn count(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        self.report.count_in(code, self.place.as_deref(), describe);
    }

    /// Records a bucket whose value is in `node`, and the inline buckets in it. Inline buckets are
    /// kept in a list rather than visited by recursion.
    fn bucket(&mut self, node: &Node<'_>, element: &Element<'_>) {
        let place: Rc<str> = match &self.place {
            None => named(element.key).into(),
            Some(place) if place.starts_with("inside ") => Rc::clone(place),
            Some(place) => format!("inside {place}").into(),
        };
        let wanted = self.wanted.as_ref();
        let wanted = !self.nested && wanted.is_some_and(|wanted| wanted.bucket == element.key);
        let streaming = std::mem::replace(&mut self.streaming, wanted);
        let outer = self.place.replace(place);
        let mut pending = Vec::new();
        pending.push(element.value_start()..element.end());
        while let Some(value) = pending.pop() {
            let bytes = node.bytes.get(value.clone()).unwrap_or_default();
            let offset = node.base + value.start as u64;
            self.pages.buckets += 1;
            match bucket(bytes, node.page, offset) {
                Err(defect) => self.add(defect),
                Ok((_, BucketContent::Tree(root))) => self.tree(node, root, offset, bytes.len()),
                Ok((_, BucketContent::Inline(inner, id))) => {
                    self.pages.inline_buckets += 1;
                    if id != PageId(0) {
                        let message = format!("an inline bucket carries the page number {id}");
                        self.add(inner.defect(Code::InlineHeader, 0, message));
                    }
                    let mut visit = InlineVisitor {
                        visitor: self,
                        pending: &mut pending,
                        start: value.start + BUCKET_HEADER,
                    };
                    let _ = inline(&inner, &mut visit);
                }
            }
            // The buckets inside it are not the wanted one.
            self.streaming = false;
        }
        self.streaming = streaming;
        self.place = outer;
    }

    /// Records a bucket that has its own tree.
    fn tree(&mut self, node: &Node<'_>, root: PageId, offset: u64, length: usize) {
        if length > BUCKET_HEADER {
            let message = format!("a bucket with its own pages has a value of {length} bytes");
            self.add(Defect::new(
                Code::BucketTrailing,
                node.page,
                offset,
                message,
            ));
            self.gaps
                .push(offset + BUCKET_HEADER as u64..offset + length as u64);
            self.showing.insert(node.page);
        }
        let from = Reference {
            page: node.page,
            offset,
        };
        if let Some((code, why)) = out_of_bounds(root, self.hwm, self.file.pages()) {
            return self.count(code, || from.defect(root, code, &why));
        }
        if !self.roots.insert(root) {
            let code = Code::PageShared;
            return self.count(code, || from.defect(root, code, REACHED));
        }
        self.trees.push(PendingTree {
            root,
            from,
            place: self.place.clone().unwrap_or_else(|| Rc::from("")),
            wanted: self.streaming,
        });
    }

    fn gap(&mut self, node: &Node<'_>, from: usize, to: usize) {
        self.gaps
            .push(node.base + from as u64..node.base + to as u64);
        // An inline bucket's node has the page of the node around it.
        self.showing.insert(node.page);
    }
}

impl Visit for ReachabilityVisitor<'_, '_> {
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        self.count(code, describe);
    }

    fn in_order(&self) -> bool {
        false
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if element.is_bucket() {
            if self.nested {
                let what = "is a bucket inside another one";
                let code = Code::NestedBucket;
                self.count(code, || node.element_defect(code, element.index, what));
            }
            self.bucket(node, element);
        } else {
            self.pair(element);
            if !self.nested {
                let what = "is a plain value beside the buckets";
                let code = Code::RootValue;
                self.count(code, || node.element_defect(code, element.index, what));
            }
        }
        ControlFlow::Continue(())
    }

    fn node(&mut self, node: &Node<'_>, pages: u64, depth: u64, end: usize) {
        self.pages.depth = self.pages.depth.max(depth);
        match node.kind {
            Kind::Branch => self.pages.branch += pages,
            Kind::Leaf => {
                self.pages.leaf += pages;
                let others = *self.leaf_depth.get_or_insert(depth);
                if others != depth {
                    self.balanced = false;
                    self.count(Code::TreeUneven, || {
                        let message = format!(
                            "the leaf is at level {depth}, and others of its tree at {others}"
                        );
                        node.defect(Code::TreeUneven, header_at::FLAGS, message)
                    });
                }
            }
        }
        match (node.kind, node.count) {
            (Kind::Branch, 1) => {
                self.add(node.defect(
                    Code::SingleChild,
                    header_at::COUNT,
                    "the branch has one child only",
                ));
            }
            (Kind::Leaf, 0) if depth > 1 => {
                self.add(node.defect(
                    Code::EmptyLeaf,
                    header_at::COUNT,
                    "the leaf has no elements",
                ));
            }
            _ => {}
        }
        let needed = end.div_ceil(self.file.page_size()).max(1) as u64;
        if pages > needed {
            let message = format!("the node takes {pages} pages and needs {needed}");
            self.add(node.defect(Code::ExcessPages, header_at::OVERFLOW, message));
        }
        if node.is_cut() {
            let missing = node.length - node.bytes.len();
            let message = format!("the last {missing} bytes of the node's pages are missing");
            self.add(node.defect(Code::ShortPage, node.bytes.len(), message));
        }
    }

    fn separator_not_in_leaf(&mut self, node: &Node<'_>) {
        self.separators_in_leaves = false;
        self.showing.insert(node.page);
    }

    fn unused(&mut self, node: &Node<'_>, from: usize, to: usize) {
        let blank = node.bytes.get(from..to).is_none_or(all_zero);
        if !blank {
            self.gap(node, from, to);
        }
        if to < node.bytes.len() {
            self.count(Code::Packing, || {
                let message = format!("{} bytes between two elements are not used", to - from);
                node.defect(Code::Packing, from, message)
            });
        } else if !blank {
            let message = "bytes after the last element are not zero";
            self.add(node.defect(Code::Slack, from, message));
        }
    }
}

/// The visitor inside an inline bucket.
struct InlineVisitor<'n, 'f, 'w> {
    visitor: &'n mut ReachabilityVisitor<'f, 'w>,
    /// The values of buckets found, as ranges of the bytes of the enclosing node.
    pending: &'n mut Vec<Range<usize>>,
    /// Where in the enclosing node the inline page begins.
    start: usize,
}

impl Visit for InlineVisitor<'_, '_, '_> {
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        self.visitor.count(code, describe);
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if element.is_bucket() {
            let (code, what) = (Code::InlineNested, "is a bucket inside an inline bucket");
            let describe = || node.element_defect(code, element.index, what);
            self.visitor.count(code, describe);
            let value = element.value_start()..element.end();
            self.pending
                .push(self.start + value.start..self.start + value.end);
        } else {
            self.visitor.pair(element);
        }
        ControlFlow::Continue(())
    }

    fn unused(&mut self, node: &Node<'_>, from: usize, to: usize) {
        self.visitor.gap(node, from, to);
        let (code, message) = if to < node.bytes.len() {
            (Code::Packing, "bytes between two elements are not used")
        } else {
            (
                Code::BucketTrailing,
                "an inline bucket's value has bytes after its last element",
            )
        };
        self.visitor
            .count(code, || node.defect(code, from, message));
    }
}
