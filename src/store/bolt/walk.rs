//! Walking trees: every page at most once, no recursion, every rule checked on the way.

use std::cmp::Reverse;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::judge::{Reference, fetch, judge};
use crate::store::bolt::layout::{ELEMENT, HEADER, PageId, header_at};
use crate::store::bolt::node::{Element, Kind, Node};
use crate::store::bolt::pages::PageFile;

/// The deepest level that a walk goes to. Bolt makes a tree deeper only by splitting its root,
/// so this many levels would have taken more pages than there are numbers for.
pub(super) const DEEPEST: u64 = 64;

/// Why a page is not walked a second time.
pub(super) const REACHED: &str = "which was reached before";

/// What a walk meets.
pub(super) trait Visit {
    /// Something of kind `code` is wrong; `tell` puts it into words, which takes much longer
    /// than counting where a file is nothing but damage. The walk goes on with what can be read.
    fn defect(&mut self, code: Code, tell: impl FnOnce() -> Defect);

    /// Whether leaves have to come in the order of keys. Taken in the order of pages instead,
    /// they are read in much fewer and longer stretches.
    fn in_order(&self) -> bool {
        true
    }

    /// An element of a leaf; those of one leaf come in the order of keys. A break ends the walk.
    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()>;

    /// A node of `pages` pages at level `depth` (the root is 1), after its elements, the last
    /// of which ends `end` bytes from its start.
    fn node(&mut self, _node: &Node<'_>, _pages: u64, _depth: u64, _end: usize) {}

    /// Bytes inside a node, `from..to` from its start, that no element uses: between elements,
    /// or behind the last one.
    fn unused(&mut self, _node: &Node<'_>, _from: usize, _to: usize) {}

    /// The key by which the branch above leads to a node is not the node's first one, as it is
    /// after that was removed; it may be read nowhere else.
    fn separator_alone(&mut self) {}
}

/// The range that branches above give to the keys of a node: from `low` on, and below `high`.
#[derive(Clone, Copy, Default)]
struct Bounds<'a> {
    low: Option<&'a [u8]>,
    high: Option<&'a [u8]>,
}

/// The children of a branch, in the order of its elements.
#[derive(Default)]
struct Children {
    list: Vec<Child>,
    /// Their separators, one after the other.
    keys: Vec<u8>,
}

struct Child {
    page: PageId,
    /// Where its separator stands among the keys; none if that can't be read.
    key: Option<Range<usize>>,
}

impl Children {
    fn add(&mut self, page: PageId, key: Option<&[u8]>) {
        let key = key.map(|key| {
            let start = self.keys.len();
            self.keys.extend_from_slice(key);
            start..self.keys.len()
        });
        self.list.push(Child { page, key });
    }

    fn key(&self, number: usize) -> Option<&[u8]> {
        self.keys.get(self.list.get(number)?.key.clone()?)
    }
}

/// What is kept of a branch while its children are walked.
struct Branch {
    page: PageId,
    /// Where in the file it begins.
    base: u64,
    /// The level that its children are at.
    below: u64,
    children: Children,
    /// The branch above, and which of its children this is.
    above: Option<(Rc<Branch>, usize)>,
}

impl Branch {
    fn child(&self, number: usize) -> Option<PageId> {
        Some(self.children.list.get(number)?.page)
    }

    /// Where a child's page number stands.
    fn reference(&self, number: usize) -> Reference {
        Reference {
            page: self.page,
            offset: self.base + (HEADER + ELEMENT * number) as u64,
        }
    }

    /// A child's range begins at its own separator and ends at the next one's; where those can't
    /// be read or there is none, so does this branch's own. Looked up rather than copied: one key
    /// may be as long as the file.
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

    /// Roughly the memory it takes.
    fn weight(&self) -> usize {
        self.children.keys.len() + self.children.list.len() * size_of::<Child>()
    }
}

/// A branch on the way down.
struct Frame {
    branch: Rc<Branch>,
    next: usize,
    /// Whether its first child proved to be a leaf: the others then are leaves too, unless the
    /// tree is damaged.
    of_leaves: bool,
}

impl Frame {
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
struct Later {
    /// Which child of which branch, and its page.
    leaves: Vec<(PageId, Rc<Branch>, usize)>,
    /// Roughly the memory that the branches take that may be kept for them.
    weight: usize,
}

impl Later {
    /// Takes what is left of a frame.
    fn add(&mut self, frame: &mut Frame) {
        let branch = &frame.branch;
        while let Some(page) = branch.child(frame.next) {
            self.leaves.push((page, Rc::clone(branch), frame.next));
            frame.next += 1;
        }
    }

    /// Puts them in the order of pages, the last one to be walked first. Of several references
    /// to a page the first stays the first to be walked.
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

/// What became of a node.
enum VisitedNode {
    /// Passed over: it can't be read, or was read before.
    Skipped,
    Leaf,
    Descend(Branch),
    Stop,
}

/// Walks trees of one file and remembers which pages they use.
pub(super) struct Walker<'f> {
    batch: Batch<'f>,
    hwm: PageId,
    /// The pages at which a node was read, so that none is walked twice.
    heads: Bitmap,
    /// The pages that belong to some node.
    used: Bitmap,
    /// Pages that may be read though another node claims them; bounds the work where damaged
    /// nodes overlap.
    spare: u64,
    /// Pages whose nodes were walked before, by another walker, and are passed over here.
    known: Option<Bitmap>,
    /// Whether something taken for a leaf proved to be a branch. From then on all nodes are
    /// walked in order, one by one: otherwise a damaged tree could make us keep any number of
    /// branches, and read ahead what is not used.
    uneven: bool,
}

impl<'f> Walker<'f> {
    /// A walker that believes in the pages below `hwm`, as far as the file has them.
    pub(super) fn new(file: &'f PageFile, hwm: PageId) -> Self {
        let pages = hwm.0.min(file.pages());
        Self {
            batch: Batch::new(file),
            hwm,
            heads: Bitmap::new(pages),
            used: Bitmap::new(pages),
            spare: pages,
            known: None,
            uneven: false,
        }
    }

    /// Passes over the nodes at `known` pages.
    pub(super) fn knowing(mut self, known: Bitmap) -> Self {
        self.known = Some(known);
        self
    }

    /// Takes the nodes at `foreign` pages for reached already: they belong to another tree.
    pub(super) fn avoiding(mut self, foreign: Bitmap) -> Self {
        self.heads = foreign;
        self
    }

    /// The pages at which the nodes begin that were reached so far.
    pub(super) fn heads(&self) -> &Bitmap {
        &self.heads
    }

    /// The pages that the trees walked use, and those at which their nodes begin.
    pub(super) fn into_pages(self) -> (Bitmap, Bitmap) {
        (self.used, self.heads)
    }

    /// Walks the tree at `root`, whose number was found at `from`.
    ///
    /// # Errors
    /// When the system can't read the file.
    pub(super) fn tree(
        &mut self,
        root: PageId,
        from: Reference,
        visit: &mut impl Visit,
    ) -> Result<ControlFlow<()>> {
        let mut stack = Vec::new();
        let mut later = Later::default();
        match self.node(root, from, None, visit)? {
            VisitedNode::Skipped | VisitedNode::Leaf => {}
            VisitedNode::Descend(branch) => stack.push(Frame::new(branch)),
            VisitedNode::Stop => return Ok(ControlFlow::Break(())),
        }
        loop {
            if stack.is_empty() || later.is_full() && !self.uneven {
                if later.leaves.is_empty() {
                    return Ok(ControlFlow::Continue(()));
                }
                if self.leaves(&mut later, &mut stack, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(frame) = stack.last_mut() else {
                continue;
            };
            if frame.of_leaves && !self.uneven && !visit.in_order() {
                later.add(frame);
            }
            let Some(page) = frame.branch.child(frame.next) else {
                stack.pop();
                continue;
            };
            let (branch, number) = (Rc::clone(&frame.branch), frame.next);
            frame.next += 1;
            if frame.of_leaves && !self.uneven && self.readable(page) && !self.batch.holds(page) {
                self.read_ahead(&branch, number)?;
            }
            match self.child(&branch, number, visit)? {
                VisitedNode::Skipped => {}
                VisitedNode::Leaf => frame.of_leaves |= number == 0,
                VisitedNode::Descend(branch) => {
                    self.uneven |= frame.of_leaves;
                    frame.of_leaves = false;
                    later.weight += branch.weight();
                    stack.push(Frame::new(branch));
                }
                VisitedNode::Stop => return Ok(ControlFlow::Break(())),
            }
        }
    }

    /// Walks leaves that were put off. Those after one that proved to be a branch, which is
    /// added to `stack`, stay put off.
    fn leaves(
        &mut self,
        later: &mut Later,
        stack: &mut Vec<Frame>,
        visit: &mut impl Visit,
    ) -> Result<ControlFlow<()>> {
        if !self.uneven {
            later.sort();
        }
        while !later.leaves.is_empty() {
            let capacity = if self.uneven {
                1
            } else {
                self.batch.capacity()
            };
            let pages = later.leaves.iter().rev().take(capacity.max(1));
            let pages: Vec<PageId> = pages.map(|(page, ..)| *page).collect();
            let count = pages.len();
            let readable = pages.into_iter().filter(|page| self.readable(*page));
            self.batch.load(readable.collect())?;
            for _ in 0..count {
                let Some((_, branch, number)) = later.leaves.pop() else {
                    break;
                };
                match self.child(&branch, number, visit)? {
                    VisitedNode::Skipped | VisitedNode::Leaf => {}
                    VisitedNode::Descend(branch) => {
                        self.uneven = true;
                        stack.push(Frame::new(branch));
                        return Ok(ControlFlow::Continue(()));
                    }
                    VisitedNode::Stop => return Ok(ControlFlow::Break(())),
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the file has such a page below the high-water mark.
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
        if depth > DEEPEST {
            let code = Code::TreeDepth;
            visit.defect(code, || {
                from.refused(page, code, "too many levels below the root")
            });
            return Ok(VisitedNode::Skipped);
        }
        if self.exists(page) && !self.heads.insert(page) {
            let code = Code::PageShared;
            visit.defect(code, || from.refused(page, code, REACHED));
            return Ok(VisitedNode::Skipped);
        }
        let (header, kind) = match judge(&mut self.batch, page, self.hwm, from)? {
            Ok(sound) => sound,
            Err(defect) => {
                visit.defect(defect.code, || defect);
                return Ok(VisitedNode::Skipped);
            }
        };
        let pages = u64::from(header.overflow) + 1;
        let (shared, claimed) = self.claim(page, pages);
        if let Some(shared) = shared {
            let offset = self.batch.file().offset(page) + header_at::OVERFLOW as u64;
            visit.defect(Code::PageShared, || {
                let message =
                    format!("the node's pages include page {shared}, which belongs to another one");
                Defect::new(Code::PageShared, page, offset, message)
            });
        }
        if !claimed {
            return Ok(VisitedNode::Skipped);
        }
        let node = match fetch(&mut self.batch, page, header, kind)? {
            Ok(node) => node,
            Err(defect) => {
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

    /// Marks the pages of a node as used. Returns the first one that already was, and whether
    /// the node may be read all the same.
    fn claim(&mut self, page: PageId, pages: u64) -> (Option<PageId>, bool) {
        let mut shared = None;
        for page in (page.0..page.0 + pages).map(PageId) {
            if self.used.insert(page) {
                continue;
            }
            shared.get_or_insert(page);
            match self.spare.checked_sub(1) {
                Some(spare) => self.spare = spare,
                None => return (shared, false),
            }
        }
        (shared, true)
    }
}

/// Goes through the elements of a node: rules, order, range, gaps. Collects the children of a
/// branch. Goes on with where in the node the last element ends.
fn elements(
    node: &Node<'_>,
    bounds: Bounds<'_>,
    visit: &mut impl Visit,
    children: &mut Children,
) -> ControlFlow<(), usize> {
    let mut previous: Option<Element<'_>> = None;
    let mut end = node.array_end();
    if node.count == 0 && bounds.low.is_some() {
        visit.separator_alone();
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
            visit.separator_alone();
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

/// Goes through the elements of an inline bucket's page as a walk does.
pub(super) fn inline(node: &Node<'_>, visit: &mut impl Visit) -> ControlFlow<()> {
    match elements(node, Bounds::default(), visit, &mut Children::default()) {
        ControlFlow::Continue(_) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    }
}
