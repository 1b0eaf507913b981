//! One look at everything a meta reaches: the trees of all buckets, and what is wrong with them.

use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use crate::error::Result;
use crate::store::Pages;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::judge::{Reference, outside};
use crate::store::bolt::layout::{BUCKET_HEADER, PageId, all_zero, header_at};
use crate::store::bolt::meta::Meta;
use crate::store::bolt::node::{Content, Element, Kind, Node, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::read::named;
use crate::store::bolt::walk::{REACHED, Visit, Walker, inline};

/// What the walk of all trees of a meta found.
pub(super) struct Survey {
    /// The pages that the trees use.
    pub(super) used: Bitmap,
    /// The pages at which their nodes begin.
    pub(super) heads: Bitmap,
    pub(super) report: Report,
    /// Only what trees tell: pages of branches and leaves, buckets, keys, depth.
    pub(super) pages: Pages,
    /// The bytes inside live nodes that nothing uses, as ranges of the file. Those between or
    /// behind elements that are all zero are left out: nearly every node has some.
    pub(super) gaps: Vec<Range<u64>>,
    /// Whether in each tree all leaves are equally deep, as bolt's are.
    pub(super) balanced: bool,
    /// Whether every key in a branch is the first one of the node it leads to.
    pub(super) separators_in_leaves: bool,
}

/// A bucket whose pairs are wanted as they are come upon: what for, and its name.
pub(super) struct Wanted<'w> {
    pub(super) bucket: &'w [u8],
    pub(super) visit: &'w mut dyn FnMut(&[u8], &[u8]),
}

/// Walks the trees of all buckets that `meta` reaches. Nodes at `known` pages, and what is
/// below them, are passed over.
///
/// # Errors
/// When the system can't read the file.
pub(super) fn survey(
    file: &PageFile,
    meta: &Meta,
    known: Option<Bitmap>,
    wanted: Option<Wanted<'_>>,
) -> Result<Survey> {
    let mut walker = Walker::new(file, meta.hwm);
    if let Some(known) = known {
        walker = walker.knowing(known);
    }
    let mut notes = Notes {
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
        showing: false,
        leaf_depth: None,
        balanced: true,
        separators_in_leaves: true,
    };
    let _ = walker.tree(meta.root, meta.root_field(file), &mut notes)?;
    while let Some(tree) = notes.trees.pop() {
        notes.nested = true;
        notes.leaf_depth = None;
        notes.place = Some(tree.place);
        notes.showing = tree.wanted;
        let _ = walker.tree(tree.root, tree.from, &mut notes)?;
    }
    let (used, heads) = walker.into_pages();
    Ok(Survey {
        used,
        heads,
        report: notes.report,
        pages: notes.pages,
        gaps: notes.gaps,
        balanced: notes.balanced,
        separators_in_leaves: notes.separators_in_leaves,
    })
}

/// A bucket's tree that is still to be walked.
struct Tree {
    root: PageId,
    from: Reference,
    place: Rc<str>,
    wanted: bool,
}

/// The visitor that takes everything down.
struct Notes<'f, 'w> {
    file: &'f PageFile,
    hwm: PageId,
    /// Pages at which trees of buckets begin, so that no more are kept than there are pages.
    roots: Bitmap,
    report: Report,
    pages: Pages,
    gaps: Vec<Range<u64>>,
    trees: Vec<Tree>,
    /// How findings name the bucket whose tree is walked; none for the root bucket.
    place: Option<Rc<str>>,
    /// Whether a bucket found now stands inside another one.
    nested: bool,
    wanted: Option<Wanted<'w>>,
    /// Whether the bucket that is gone through is the one that is wanted.
    showing: bool,
    /// How deep the leaves of the tree that is walked are.
    leaf_depth: Option<u64>,
    balanced: bool,
    separators_in_leaves: bool,
}

impl Notes<'_, '_> {
    /// Counts a pair, and shows it if its bucket is wanted.
    fn pair(&mut self, element: &Element<'_>) {
        self.pages.keys += 1;
        if let Some(wanted) = self.wanted.as_mut().filter(|_| self.showing) {
            (wanted.visit)(element.key, element.value);
        }
    }

    fn add(&mut self, defect: Defect) {
        self.count(defect.code, || defect);
    }

    fn count(&mut self, code: Code, tell: impl FnOnce() -> Defect) {
        self.report.count_in(code, self.place.as_deref(), tell);
    }

    /// Takes down a bucket whose value stands in `node`; its inline page, and what is in there,
    /// with it. Works by a list of ranges rather than by recursion.
    fn bucket(&mut self, node: &Node<'_>, element: &Element<'_>) {
        let place: Rc<str> = match &self.place {
            None => named(element.key).into(),
            Some(place) if place.starts_with("inside ") => Rc::clone(place),
            Some(place) => format!("inside {place}").into(),
        };
        let wanted = self.wanted.as_ref();
        let wanted = !self.nested && wanted.is_some_and(|wanted| wanted.bucket == element.key);
        let showing = std::mem::replace(&mut self.showing, wanted);
        let outer = self.place.replace(place);
        let mut pending = Vec::new();
        pending.push(element.value_start()..element.end());
        while let Some(value) = pending.pop() {
            let bytes = node.bytes.get(value.clone()).unwrap_or_default();
            let offset = node.base + value.start as u64;
            self.pages.buckets += 1;
            match bucket(bytes, node.page, offset) {
                Err(defect) => self.add(defect),
                Ok((_, Content::Tree(root))) => self.tree(node, root, offset, bytes.len()),
                Ok((_, Content::Inline(inner, id))) => {
                    self.pages.inline_buckets += 1;
                    if id != PageId(0) {
                        let message = format!("an inline bucket carries the page number {id}");
                        self.add(inner.defect(Code::InlineHeader, 0, message));
                    }
                    let mut visit = Inline {
                        notes: self,
                        pending: &mut pending,
                        start: value.start + BUCKET_HEADER,
                    };
                    let _ = inline(&inner, &mut visit);
                }
            }
            // Buckets inside it are others.
            self.showing = false;
        }
        self.showing = showing;
        self.place = outer;
    }

    /// Takes down a bucket that has a tree of its own.
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
        }
        let from = Reference {
            page: node.page,
            offset,
        };
        if let Some((code, why)) = outside(root, self.hwm, self.file.pages()) {
            return self.count(code, || from.refused(root, code, &why));
        }
        if !self.roots.insert(root) {
            let code = Code::PageShared;
            return self.count(code, || from.refused(root, code, REACHED));
        }
        self.trees.push(Tree {
            root,
            from,
            place: self.place.clone().unwrap_or_else(|| Rc::from("")),
            wanted: self.showing,
        });
    }

    fn gap(&mut self, node: &Node<'_>, from: usize, to: usize) {
        self.gaps
            .push(node.base + from as u64..node.base + to as u64);
    }
}

impl Visit for Notes<'_, '_> {
    fn defect(&mut self, code: Code, tell: impl FnOnce() -> Defect) {
        self.count(code, tell);
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

    fn separator_alone(&mut self) {
        self.separators_in_leaves = false;
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
            let message = "bytes behind the last element are not zero";
            self.add(node.defect(Code::Slack, from, message));
        }
    }
}

/// The visitor inside an inline bucket.
struct Inline<'n, 'f, 'w> {
    notes: &'n mut Notes<'f, 'w>,
    /// Values of buckets inside, as ranges of the outermost node.
    pending: &'n mut Vec<Range<usize>>,
    /// Where in the outermost node this inline page begins.
    start: usize,
}

impl Visit for Inline<'_, '_, '_> {
    fn defect(&mut self, code: Code, tell: impl FnOnce() -> Defect) {
        self.notes.count(code, tell);
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if element.is_bucket() {
            let (code, what) = (Code::InlineNested, "is a bucket inside an inline bucket");
            let tell = || node.element_defect(code, element.index, what);
            self.notes.count(code, tell);
            let value = element.value_start()..element.end();
            self.pending
                .push(self.start + value.start..self.start + value.end);
        } else {
            self.notes.pair(element);
        }
        ControlFlow::Continue(())
    }

    fn unused(&mut self, node: &Node<'_>, from: usize, to: usize) {
        self.notes.gap(node, from, to);
        let (code, message) = if to < node.bytes.len() {
            (Code::Packing, "bytes between two elements are not used")
        } else {
            (
                Code::BucketTrailing,
                "an inline bucket's value goes on behind its last element",
            )
        };
        self.notes.count(code, || node.defect(code, from, message));
    }
}
