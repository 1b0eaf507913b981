//! Walking trees: each page at most once, without recursion, checking every rule of the format.

use std::cmp::Reverse;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::layout::{ELEMENT, HEADER, PageId, header_at};
use crate::store::bolt::node::{Element, Kind, Node};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::validate::{Reference, read_node, validate};

/// The deepest level of a tree that is walked. Bolt adds a level only by splitting the root, so a
/// tree of this depth would need more pages than 64-bit page numbers can count.
pub(super) const MAX_DEPTH: u64 = 64;

/// Why a page is not walked a second time.
pub(super) const REACHED: &str = "which was reached before";

/// Receives what a walk finds.
pub(super) trait Visit {
    /// A defect of kind `code`. Call `describe` only if the defect is listed: it is much slower than
    /// counting, which matters in a heavily damaged file. The walk continues with what can be read.
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect);

    /// Whether leaves must be visited in the order of keys. In the order of pages they are read
    /// with fewer and longer reads.
    fn in_order(&self) -> bool {
        true
    }

    /// An element of a leaf. The elements of one leaf are visited in order. A break ends the walk.
    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()>;

    /// A node of `pages` pages at level `depth` (the root is 1), called after its elements. The
    /// last element ends `end` bytes after the start of the node.
    fn node(&mut self, _node: &Node<'_>, _pages: u64, _depth: u64, _end: usize) {}

    /// The bytes `from..to` of a node, which no element uses: between two elements, or after the
    /// last one.
    fn unused(&mut self, _node: &Node<'_>, _from: usize, _to: usize) {}

    /// The key that the branch above has for a node is not the first key of the node. That happens
    /// when the first key is removed; the branch may then have the last copy of it.
    fn separator_not_in_leaf(&mut self, _node: &Node<'_>) {}
}

/// The range of keys that the branches above allow in a node: `low <= key < high`.
#[derive(Clone, Copy, Default)]
struct Bounds<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

/// The children of a branch, in the order of its elements.
#[derive(Default)]
struct Children {
    list: Vec<ChildRef>,
    /// Their separators, one after the other.
    keys: Vec<u8>,
}

struct ChildRef {
    page: PageId,
    /// The range of its separator in the keys; `None` if it can't be read.
    key: Option<Range<usize>>,
}

impl Children {
    fn add(&mut self, page: PageId, key: Option<&[u8]>) {
        let key = key.map(|key| {
            let start = self.keys.len();
            self.keys.extend_from_slice(key);
            start..self.keys.len()
        });
        self.list.push(ChildRef { page, key });
    }

    fn key(&self, number: usize) -> Option<&[u8]> {
        self.keys.get(self.list.get(number)?.key.clone()?)
    }
}

/// The data of a branch that is needed while its children are walked.
struct Branch {
    page: PageId,
    /// Where in the file it begins.
    base: u64,
    /// The level of its children.
    below: u64,
    children: Children,
    /// The parent, and the index of this branch among its children.
    above: Option<(Rc<Branch>, usize)>,
}

impl Branch {
    fn child(&self, number: usize) -> Option<PageId> {
        Some(self.children.list.get(number)?.page)
    }

    /// Where the page number of a child is.
    fn reference(&self, number: usize) -> Reference {
        Reference {
            page: self.page,
            offset: self.base + (HEADER + ELEMENT * number) as u64,
        }
    }

    /// The range of a child begins at its own separator and ends at the next one. If a separator
    /// is missing or can't be read, the bound of this branch is used. Keys are borrowed, not
    /// copied: one key may be as long as the file.
    fn bounds(&self, number: usize) -> Bounds<'_> {
        Bounds {
            low: self.separator(number, 0),
            high: self.separator(number, 1),
        }
    }

    fn separator(&self, number: usize, next: usize) -> Option<&[u8]> {
        let (mut branch, mut number) = (self, number);
        loop {
            if let Some(key) = branch.children.key(number + next) {
                return Some(key);
            }
            let (above, place) = branch.above.as_ref()?;
            (branch, number) = (above, *place);
        }
    }

    /// Its approximate size in memory, in bytes.
    fn weight(&self) -> usize {
        self.children.keys.len() + self.children.list.len() * size_of::<ChildRef>()
    }
}

/// A branch whose children are being walked.
struct OpenBranch {
    branch: Rc<Branch>,
    next: usize,
    /// Whether its first child was a leaf. The others are leaves too, unless the tree is damaged.
    of_leaves: bool,
}

impl OpenBranch {
    fn new(branch: Branch) -> Self {
        Self {
            branch: Rc::new(branch),
            next: 0,
            of_leaves: false,
        }
    }
}

/// Leaves that are walked later, in the order of pages.
#[derive(Default)]
struct DeferredLeaves {
    /// The page of each leaf, its branch, and its index in the branch.
    leaves: Vec<(PageId, Rc<Branch>, usize)>,
    /// The approximate size in memory of the branches that the leaves keep alive, in bytes.
    weight: usize,
}

impl DeferredLeaves {
    /// Adds the remaining children of an open branch.
    fn add(&mut self, open: &mut OpenBranch) {
        let branch = &open.branch;
        while let Some(page) = branch.child(open.next) {
            self.leaves.push((page, Rc::clone(branch), open.next));
            open.next += 1;
        }
    }

    /// Sorts the leaves by page, the first one to walk at the end. Among several references to
    /// one page the order stays.
    fn sort(&mut self) {
        self.leaves.reverse();
        self.leaves.sort_by_key(|(page, ..)| Reverse(*page));
        self.weight = 0;
    }

    fn is_full(&self) -> bool {
        const MOST: usize = 16 << 20;
        self.weight >= MOST
    }
}

/// What the walk does after a node.
enum VisitedNode {
    /// The node was skipped: it can't be read, or was read before.
    Skipped,
    /// The node is a leaf and has been visited.
    Leaf,
    /// The node is a branch, whose children come next.
    Descend(Branch),
    /// The visitor ended the walk.
    Stop,
}

/// Walks trees of one file and records which pages they use.
pub(super) struct Walker<'f> {
    batch: Batch<'f>,
    hwm: PageId,
    /// The first page of each node that was read, so that none is walked twice.
    heads: Bitmap,
    /// All pages of these nodes.
    used: Bitmap,
    /// Those of them that their node claims, but does not need: they come after its last element.
    excess: Bitmap,
    /// How many more pages may be read although another node claims them. Bounds the work when
    /// damaged nodes overlap.
    spare: u64,
    /// Pages of nodes that another walker has walked. They are skipped.
    known: Option<Bitmap>,
    /// Leaves that another walker has found sound and that are unchanged: their first pages, and
    /// all used pages. Their pages are marked, but not read.
    kept: Option<(&'f Bitmap, &'f Bitmap)>,
    /// Whether a supposed leaf was a branch. From then on nodes are walked in order, one by one:
    /// otherwise a damaged tree could use unbounded memory for branches and read ahead in vain.
    uneven: bool,
}

impl<'f> Walker<'f> {
    /// A walker that accepts pages that are below `hwm` and in the file.
    pub(super) fn new(file: &'f PageFile, hwm: PageId) -> Self {
        let pages = hwm.0.min(file.pages());
        Self {
            batch: Batch::new(file),
            hwm,
            heads: Bitmap::new(pages),
            used: Bitmap::new(pages),
            excess: Bitmap::new(pages),
            spare: pages,
            known: None,
            kept: None,
            uneven: false,
        }
    }

    /// Skips the nodes at `known` pages.
    pub(super) fn knowing(mut self, known: Bitmap) -> Self {
        self.known = Some(known);
        self
    }

    /// Does not read leaves that begin at these `heads`; `used` are the pages of all nodes that do.
    pub(super) fn keeping(mut self, heads: &'f Bitmap, used: &'f Bitmap) -> Self {
        self.kept = Some((heads, used));
        self
    }

    /// Treats the nodes at `foreign` pages as reached already, because another tree has them.
    pub(super) fn avoiding(mut self, foreign: Bitmap) -> Self {
        self.heads = foreign;
        self
    }

    /// The first pages of the nodes that were reached so far.
    pub(super) fn heads(&self) -> &Bitmap {
        &self.heads
    }

    /// All pages of the trees that were walked, and the first pages of their nodes.
    pub(super) fn into_pages(self) -> (Bitmap, Bitmap) {
        (self.used, self.heads)
    }

    /// Walks the tree at `root`, to which `from` refers.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn tree(
        &mut self,
        root: PageId,
        from: Reference,
        visit: &mut impl Visit,
    ) -> Result<ControlFlow<()>> {
        let mut stack = Vec::new();
        let mut deferred = DeferredLeaves::default();
        match self.node(root, from, None, visit)? {
            VisitedNode::Skipped | VisitedNode::Leaf => {}
            VisitedNode::Descend(branch) => stack.push(OpenBranch::new(branch)),
            VisitedNode::Stop => return Ok(ControlFlow::Break(())),
        }
        loop {
            if stack.is_empty() || deferred.is_full() && !self.uneven {
                if deferred.leaves.is_empty() {
                    return Ok(ControlFlow::Continue(()));
                }
                if self.leaves(&mut deferred, &mut stack, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(open) = stack.last_mut() else {
                continue;
            };
            if open.of_leaves && !self.uneven && !visit.in_order() {
                deferred.add(open);
            }
            let Some(page) = open.branch.child(open.next) else {
                stack.pop();
                continue;
            };
            let (branch, number) = (Rc::clone(&open.branch), open.next);
            open.next += 1;
            if open.of_leaves && !self.uneven && self.readable(page) && !self.batch.holds(page) {
                self.read_ahead(&branch, number)?;
            }
            match self.child(&branch, number, visit)? {
                VisitedNode::Skipped => {}
                VisitedNode::Leaf => open.of_leaves |= number == 0,
                VisitedNode::Descend(branch) => {
                    self.uneven |= open.of_leaves;
                    open.of_leaves = false;
                    deferred.weight += branch.weight();
                    stack.push(OpenBranch::new(branch));
                }
                VisitedNode::Stop => return Ok(ControlFlow::Break(())),
            }
        }
    }

    /// Walks deferred leaves. If one of them is a branch, it is pushed on `stack`, and the leaves
    /// after it stay deferred.
    fn leaves(
        &mut self,
        deferred: &mut DeferredLeaves,
        stack: &mut Vec<OpenBranch>,
        visit: &mut impl Visit,
    ) -> Result<ControlFlow<()>> {
        if !self.uneven {
            deferred.sort();
            deferred.leaves.retain(|(page, ..)| !self.take_kept(*page));
        }
        while !deferred.leaves.is_empty() {
            let capacity = if self.uneven {
                1
            } else {
                self.batch.capacity()
            };
            let pages = deferred.leaves.iter().rev().take(capacity.max(1));
            let pages: Vec<PageId> = pages.map(|(page, ..)| *page).collect();
            let count = pages.len();
            let readable = pages.into_iter().filter(|page| self.readable(*page));
            self.batch.load(readable.collect())?;
            for _ in 0..count {
                let Some((_, branch, number)) = deferred.leaves.pop() else {
                    break;
                };
                match self.child(&branch, number, visit)? {
                    VisitedNode::Skipped | VisitedNode::Leaf => {}
                    VisitedNode::Descend(branch) => {
                        self.uneven = true;
                        stack.push(OpenBranch::new(branch));
                        return Ok(ControlFlow::Continue(()));
                    }
                    VisitedNode::Stop => return Ok(ControlFlow::Break(())),
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Marks the pages of a kept leaf. False if it is none, or if another node uses one of them.
    fn take_kept(&mut self, page: PageId) -> bool {
        let Some((heads, used)) = self.kept else {
            return false;
        };
        if !heads.has(page) || self.heads.has(page) {
            return false;
        }
        let rest = (page.0 + 1..self.hwm.0).map(PageId);
        let rest = rest.take_while(|page| used.has(*page) && !heads.has(*page));
        let pages: Vec<PageId> = [page].into_iter().chain(rest).collect();
        if pages.iter().any(|page| self.used.has(*page)) {
            return false;
        }
        for page in pages {
            self.used.insert(page);
        }
        self.heads.insert(page)
    }

    /// Whether `page` is a page of the file, below the high-water mark and not a meta page.
    fn exists(&self, page: PageId) -> bool {
        (2..self.hwm.0.min(self.batch.file().pages())).contains(&page.0)
    }

    fn readable(&self, page: PageId) -> bool {
        self.exists(page) && !self.heads.has(page)
    }

    fn read_ahead(&mut self, branch: &Branch, number: usize) -> Result<()> {
        let next = branch.children.list.iter().skip(number);
        let pages: Vec<PageId> = next
            .take(self.batch.capacity())
            .map(|child| child.page)
            .filter(|page| self.readable(*page))
            .collect();
        self.batch.load(pages)
    }

    fn child(
        &mut self,
        branch: &Rc<Branch>,
        number: usize,
        visit: &mut impl Visit,
    ) -> Result<VisitedNode> {
        let Some(page) = branch.child(number) else {
            return Ok(VisitedNode::Skipped);
        };
        self.node(
            page,
            branch.reference(number),
            Some((branch, number)),
            visit,
        )
    }

    fn node(
        &mut self,
        page: PageId,
        from: Reference,
        above: Option<(&Rc<Branch>, usize)>,
        visit: &mut impl Visit,
    ) -> Result<VisitedNode> {
        let depth = above.map_or(1, |(branch, _)| branch.below);
        if self.known.as_ref().is_some_and(|known| known.has(page)) {
            return Ok(VisitedNode::Skipped);
        }
        if depth > MAX_DEPTH {
            let code = Code::TreeDepth;
            visit.defect(code, || {
                from.defect(page, code, "too many levels below the root")
            });
            return Ok(VisitedNode::Skipped);
        }
        if self.exists(page) && !self.heads.insert(page) {
            let code = Code::PageShared;
            visit.defect(code, || from.defect(page, code, REACHED));
            return Ok(VisitedNode::Skipped);
        }
        let (header, kind) = match validate(&mut self.batch, page, self.hwm, from)? {
            Ok(valid) => valid,
            Err(defect) => {
                visit.defect(defect.code, || defect);
                return Ok(VisitedNode::Skipped);
            }
        };
        let pages = u64::from(header.overflow) + 1;
        let page_size = self.batch.file().page_size();
        let claim = self.claim(page, pages);
        let offset = self.batch.file().offset(page) + header_at::OVERFLOW as u64;
        if !claim.readable {
            claim.report_shared(page, offset, visit);
            return Ok(VisitedNode::Skipped);
        }
        let node = match read_node(&mut self.batch, page, header, kind)? {
            Ok(node) => node,
            Err(defect) => {
                claim.report_shared(page, offset, visit);
                visit.defect(defect.code, || defect);
                return Ok(VisitedNode::Skipped);
            }
        };
        if kind == Kind::Branch && node.count == 0 {
            let code = Code::EmptyBranch;
            visit.defect(code, || {
                node.defect(code, header_at::COUNT, "the branch has no elements")
            });
        }
        let mut children = Children::default();
        let bounds = above.map_or_else(Bounds::default, |(branch, number)| branch.bounds(number));
        let ControlFlow::Continue(end) = elements(&node, bounds, visit, &mut children) else {
            return Ok(VisitedNode::Stop);
        };
        let needed = end.div_ceil(page_size).max(1) as u64;
        let needs_shared = claim
            .shared
            .is_some_and(|shared| shared.0 < page.0 + needed);
        if needs_shared {
            claim.report_shared(page, offset, visit);
        } else if claim.shared.is_some() || claim.excess_of_other {
            visit.defect(Code::ExcessShared, || {
                let message = match claim.shared {
                    Some(shared) => {
                        format!("the node claims page {shared} of another one, but ends before it")
                    }
                    None => String::from("another node, which ends before it, claims this page"),
                };
                Defect::new(Code::ExcessShared, page, offset, message)
            });
        }
        for page in (page.0 + needed..page.0 + pages).map(PageId) {
            if claim.shared.is_none_or(|shared| page < shared) {
                self.excess.insert(page);
            }
        }
        visit.node(&node, pages, depth, end);
        Ok(match kind {
            Kind::Leaf => VisitedNode::Leaf,
            Kind::Branch => VisitedNode::Descend(Branch {
                page,
                base: node.base,
                below: depth + 1,
                children,
                above: above.map(|(branch, number)| (Rc::clone(branch), number)),
            }),
        })
    }

    /// Marks the pages of a node as used.
    fn claim(&mut self, page: PageId, pages: u64) -> Claim {
        let mut claim = Claim {
            shared: None,
            excess_of_other: false,
            readable: true,
        };
        for page in (page.0..page.0 + pages).map(PageId) {
            if self.used.insert(page) {
                continue;
            }
            match self.excess.remove(page) {
                true => claim.excess_of_other = true,
                false => {
                    claim.shared.get_or_insert(page);
                }
            }
            match self.spare.checked_sub(1) {
                Some(spare) => self.spare = spare,
                None => {
                    claim.readable = false;
                    return claim;
                }
            }
        }
        claim
    }
}

/// Which pages of a node others use too.
struct Claim {
    /// The first page that another node uses.
    shared: Option<PageId>,
    /// Whether another node claims one of the pages without needing it.
    excess_of_other: bool,
    /// Whether the node may be read nevertheless.
    readable: bool,
}

impl Claim {
    /// Reports a page that two nodes use. The field with the number of pages is at `offset`.
    fn report_shared(&self, page: PageId, offset: u64, visit: &mut impl Visit) {
        let Some(shared) = self.shared else { return };
        visit.defect(Code::PageShared, || {
            let message =
                format!("the node's pages include page {shared}, which belongs to another one");
            Defect::new(Code::PageShared, page, offset, message)
        });
    }
}

/// Visits the elements of a node and checks them: rules, order, range, gaps. Adds the children of
/// a branch to `children`. Continues with the end of the last element in the node.
fn elements(
    node: &Node<'_>,
    bounds: Bounds<'_>,
    visit: &mut impl Visit,
    children: &mut Children,
) -> ControlFlow<(), usize> {
    let mut previous: Option<Element<'_>> = None;
    let mut end = node.array_end();
    if node.count == 0 && bounds.low.is_some() {
        visit.separator_not_in_leaf(node);
    }
    for element in node.elements() {
        let element = match element {
            Ok(element) => element,
            Err((index, defect)) => {
                visit.defect(defect.code, || defect);
                if node.kind == Kind::Branch {
                    children.add(node.child(index), None);
                }
                continue;
            }
        };
        if let Some(defect) = node.fault(&element) {
            visit.defect(defect.code, || defect);
        }
        if element.index == 0 && bounds.low.is_some_and(|low| element.key != low) {
            visit.separator_not_in_leaf(node);
        }
        let mut complain = |code, what| {
            visit.defect(code, || node.element_defect(code, element.index, what));
        };
        if previous.is_some_and(|previous| previous.key >= element.key) {
            complain(
                Code::KeyOrder,
                "has a key that does not follow the one before",
            );
        }
        if bounds.low.is_some_and(|low| element.key < low) {
            complain(Code::KeyRange, "has a key below its page's range");
        }
        if bounds.high.is_some_and(|high| element.key >= high) {
            complain(Code::KeyRange, "has a key above its page's range");
        }
        if element.start < end {
            complain(
                Code::ElementOverlap,
                "begins before the end of the one before",
            );
        } else if element.start > end {
            visit.unused(node, end, element.start);
        }
        end = element.end();
        previous = Some(element);
        match node.kind {
            Kind::Leaf => visit.element(node, &element)?,
            Kind::Branch => children.add(element.child, Some(element.key)),
        }
    }
    if end < node.bytes.len() {
        visit.unused(node, end, node.bytes.len());
    }
    ControlFlow::Continue(end)
}

/// Visits the elements of the page of an inline bucket, as a walk does.
pub(super) fn inline(node: &Node<'_>, visit: &mut impl Visit) -> ControlFlow<()> {
    match elements(node, Bounds::default(), visit, &mut Children::default()) {
        ControlFlow::Continue(_) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    }
}
