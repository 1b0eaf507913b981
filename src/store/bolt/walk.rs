//! Walking trees: every page at most once, no recursion, every rule checked on the way.

use std::ops::ControlFlow;
use std::rc::Rc;

use super::batch::Batch;
use super::bitmap::Bitmap;
use super::codes::{Code, Defect};
use super::layout::{HEADER, Header, PageId, all_zero};
use super::node::{Element, Kind, Node};
use super::pages::PageFile;
use crate::error::Result;

/// What a walk meets.
pub(super) trait Visit {
    /// Something wrong. The walk goes on with what can be read.
    fn defect(&mut self, defect: Defect);

    /// An element of a leaf, in the order of keys. A break ends the walk.
    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()>;

    /// A node of `pages` pages at level `depth` (the root is 1), after its elements, the last
    /// of which ends `end` bytes from its start.
    fn node(&mut self, _node: &Node<'_>, _pages: u64, _depth: u64, _end: usize) {}

    /// Bytes inside a node, `from..to` from its start, that no element uses: between elements,
    /// or behind the last one.
    fn unused(&mut self, _node: &Node<'_>, _from: usize, _to: usize) {}
}

/// Where the number of a page was read, for messages.
#[derive(Clone, Copy)]
pub(super) struct Reference {
    pub(super) page: PageId,
    /// In bytes from the start of the file.
    pub(super) offset: u64,
}

/// The range that branches above give to the keys of a node: from `low` on, and below `high`.
#[derive(Clone, Default)]
struct Range {
    low: Option<Rc<[u8]>>,
    high: Option<Rc<[u8]>>,
}

/// A branch on the way down.
struct Frame {
    children: Vec<Child>,
    next: usize,
    /// Whether its children proved to be leaves, so that reading them ahead pays.
    ahead: bool,
}

struct Child {
    page: PageId,
    from: Reference,
    range: Range,
}

/// What became of a node.
enum Outcome {
    Done,
    Descend(Vec<Child>),
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
        }
    }

    /// Passes over the nodes at `known` pages.
    pub(super) fn knowing(mut self, known: Bitmap) -> Self {
        self.known = Some(known);
        self
    }

    /// The pages that the trees walked so far use.
    pub(super) fn used(&self) -> &Bitmap {
        &self.used
    }

    /// The pages at which their nodes begin.
    pub(super) fn heads(&self) -> &Bitmap {
        &self.heads
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
        let mut stack = vec![Frame {
            children: vec![Child {
                page: root,
                from,
                range: Range::default(),
            }],
            next: 0,
            ahead: false,
        }];
        while let Some(frame) = stack.last_mut() {
            let Some(child) = frame.children.get(frame.next) else {
                stack.pop();
                continue;
            };
            if frame.ahead && self.readable(child.page) && !self.batch.holds(child.page) {
                self.read_ahead(frame.children.get(frame.next..).unwrap_or_default())?;
            }
            frame.next += 1;
            let first = frame.next == 1;
            let depth = stack.len() as u64;
            let Some(frame) = stack.last_mut() else { break };
            let Some(child) = frame.children.get(frame.next - 1) else {
                break;
            };
            match self.node(child, depth, visit)? {
                Outcome::Stop => return Ok(ControlFlow::Break(())),
                Outcome::Done => frame.ahead |= first,
                Outcome::Descend(children) => {
                    frame.ahead = false;
                    stack.push(Frame {
                        children,
                        next: 0,
                        ahead: false,
                    });
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

    fn read_ahead(&mut self, children: &[Child]) -> Result<()> {
        let next = children.iter().take(self.batch.capacity());
        let pages: Vec<PageId> = next
            .map(|child| child.page)
            .filter(|page| self.readable(*page))
            .collect();
        self.batch.load(pages)
    }

    fn node(&mut self, child: &Child, depth: u64, visit: &mut impl Visit) -> Result<Outcome> {
        if self
            .known
            .as_ref()
            .is_some_and(|known| known.has(child.page))
        {
            return Ok(Outcome::Done);
        }
        if self.exists(child.page) && !self.heads.insert(child.page) {
            let message = format!("refers to page {}, which was reached before", child.page);
            let Reference { page, offset } = child.from;
            visit.defect(Defect::new(Code::PageShared, page, offset, message));
            return Ok(Outcome::Done);
        }
        let (header, kind) = match judge(&mut self.batch, child.page, self.hwm, child.from)? {
            Ok(sound) => sound,
            Err(defect) => {
                visit.defect(defect);
                return Ok(Outcome::Done);
            }
        };
        let pages = u64::from(header.overflow) + 1;
        let (shared, claimed) = self.claim(child.page, pages);
        if let Some(shared) = shared {
            visit.defect(self.defect(
                Code::PageShared,
                child.page,
                12,
                format!("the node's pages include page {shared}, which belongs to another one"),
            ));
        }
        if !claimed {
            return Ok(Outcome::Done);
        }
        let node = match fetch(&mut self.batch, child.page, header, kind)? {
            Ok(node) => node,
            Err(defect) => {
                visit.defect(defect);
                return Ok(Outcome::Done);
            }
        };
        if kind == Kind::Branch && node.count == 0 {
            visit.defect(node.defect(Code::EmptyBranch, 10, "the branch has no elements"));
        }
        let mut children = Vec::new();
        let ControlFlow::Continue(end) = elements(&node, &child.range, visit, &mut children) else {
            return Ok(Outcome::Stop);
        };
        visit.node(&node, pages, depth, end);
        Ok(match kind {
            Kind::Leaf => Outcome::Done,
            Kind::Branch => Outcome::Descend(children),
        })
    }

    fn defect(&self, code: Code, page: PageId, at: u64, message: String) -> Defect {
        let offset = self.batch.file().offset(page).saturating_add(at);
        Defect::new(code, page, offset, message)
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

/// Reads and judges the header of the node at `page`, whose number was found at `from`; every
/// number in it is in bounds afterwards.
pub(super) fn judge(
    batch: &mut Batch<'_>,
    page: PageId,
    hwm: PageId,
    from: Reference,
) -> Result<Result<(Header, Kind), Defect>> {
    let file = batch.file();
    let refused = |code, why: String| {
        let message = format!("refers to page {page}, {why}");
        Ok(Err(Defect::new(code, from.page, from.offset, message)))
    };
    if page.0 < 2 {
        return refused(Code::PageBounds, "a meta page".into());
    }
    if page >= hwm {
        return refused(
            Code::PageBounds,
            format!("not below the high-water mark {hwm}"),
        );
    }
    if page.0 >= file.pages() {
        return refused(Code::PageMissing, "beyond the end of the file".into());
    }
    let bytes = batch.bytes(page, 1)?;
    let Some(header) = Header::parse(bytes) else {
        return refused(
            Code::PageMissing,
            "whose header lies beyond the end of the file".into(),
        );
    };
    let base = file.offset(page);
    let wrong = |code, at, message| Ok(Err(Defect::new(code, page, base + at, message)));
    if header.id != page {
        let found = header.id;
        let zero = all_zero(bytes);
        let all = if zero { ", the whole page is zero" } else { "" };
        return wrong(
            Code::PageId,
            0,
            format!("the header carries the number {found}{all}"),
        );
    }
    let Some(kind) = Kind::of(header.flags) else {
        let flags = header.flags;
        return wrong(
            Code::PageType,
            8,
            format!("the flags {flags:#06x} are neither a branch's nor a leaf's"),
        );
    };
    // Fits in 64 bits: the page is in the file, the overflow has 32 bits.
    let last = page.0 + u64::from(header.overflow);
    if last >= hwm.0 {
        return wrong(
            Code::PageBounds,
            12,
            format!("the node reaches to page {last}, the high-water mark is {hwm}"),
        );
    }
    if last >= file.pages() {
        return wrong(
            Code::PageMissing,
            12,
            format!("the node reaches to page {last}, beyond the end of the file"),
        );
    }
    let length = batch.length(u64::from(header.overflow) + 1);
    let present = file.present(base, length);
    let count = usize::from(header.count);
    if HEADER + HEADER * count > present {
        let code = if present < length {
            Code::PageMissing
        } else {
            Code::PageCount
        };
        return wrong(
            code,
            10,
            format!("{count} elements do not fit into {present} bytes"),
        );
    }
    Ok(Ok((header, kind)))
}

/// Reads the node at `page`, whose header was judged.
pub(super) fn fetch<'b>(
    batch: &'b mut Batch<'_>,
    page: PageId,
    header: Header,
    kind: Kind,
) -> Result<Result<Node<'b>, Defect>> {
    let pages = u64::from(header.overflow) + 1;
    let (base, length) = (batch.file().offset(page), batch.length(pages));
    let bytes = batch.bytes(page, pages)?;
    Ok(Node::new(kind, header, page, base, bytes, length))
}

/// Goes through the elements of a node: rules, order, range, gaps. Collects the children of a
/// branch. Goes on with where in the node the last element ends.
fn elements(
    node: &Node<'_>,
    range: &Range,
    visit: &mut impl Visit,
    children: &mut Vec<Child>,
) -> ControlFlow<(), usize> {
    let mut previous: Option<Element<'_>> = None;
    let mut end = node.array_end();
    for element in node.elements() {
        let element = match element {
            Ok(element) => element,
            Err((index, defect)) => {
                visit.defect(defect);
                if node.kind == Kind::Branch {
                    adopt(node, index, node.child(index), None, range, children);
                }
                continue;
            }
        };
        if let Some(defect) = node.fault(&element) {
            visit.defect(defect);
        }
        let mut complain = |code, what| {
            visit.defect(node.element_defect(code, element.index, what));
        };
        if previous.is_some_and(|previous| previous.key >= element.key) {
            complain(
                Code::KeyOrder,
                "has a key that does not follow the one before",
            );
        }
        if range.low.as_deref().is_some_and(|low| element.key < low) {
            complain(Code::KeyRange, "has a key below its page's range");
        }
        if range
            .high
            .as_deref()
            .is_some_and(|high| element.key >= high)
        {
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
            Kind::Branch => {
                let key = Some(element.key);
                adopt(node, element.index, element.child, key, range, children);
            }
        }
    }
    if end < node.bytes.len() {
        visit.unused(node, end, node.bytes.len());
    }
    ControlFlow::Continue(end)
}

/// Adds a branch's element to its children. Its key, where it can be read, is where the child's
/// range begins and that of the one before ends.
fn adopt(
    node: &Node<'_>,
    index: usize,
    page: PageId,
    key: Option<&[u8]>,
    range: &Range,
    children: &mut Vec<Child>,
) {
    let separator: Option<Rc<[u8]>> = key.map(Into::into);
    if let (Some(before), Some(separator)) = (children.last_mut(), &separator) {
        before.range.high = Some(Rc::clone(separator));
    }
    children.push(Child {
        page,
        from: Reference {
            page: node.page,
            offset: node.base + (HEADER * (index + 1)) as u64,
        },
        range: Range {
            low: separator.or_else(|| range.low.clone()),
            high: range.high.clone(),
        },
    });
}

/// Goes through the elements of an inline bucket's page as a walk does.
pub(super) fn inline(node: &Node<'_>, visit: &mut impl Visit) -> ControlFlow<()> {
    match elements(node, &Range::default(), visit, &mut Vec::new()) {
        ControlFlow::Continue(_) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    }
}
