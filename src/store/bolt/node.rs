//! Branches and leaves: views of the bytes of one node, with bounds checks for each element.

use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::layout::{
    BRANCH, BUCKET_HEADER, ELEMENT, HEADER, Header, LEAF, PageId, header_at, index, put, u32_at,
    u64_at,
};
use crate::store::change::MAX_KEY_SIZE;

/// Where in a node the entry of element `index` begins.
fn element_at(index: usize) -> usize {
    HEADER + ELEMENT * index
}

/// The two kinds of node in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Leaf,
}

impl Kind {
    /// The kind of a node with these header flags; `None` for other flags.
    pub(super) fn of(flags: u16) -> Option<Self> {
        match flags {
            BRANCH => Some(Self::Branch),
            LEAF => Some(Self::Leaf),
            _ => None,
        }
    }
}

/// One node. Its element array is within its bytes.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) kind: Kind,
    /// The first page of the node; for an inline bucket, of the node that has its value.
    pub(super) page: PageId,
    /// Where in the file `bytes` begins.
    pub(super) base: u64,
    /// The bytes of the node that are in the file.
    pub(super) bytes: &'a [u8],
    /// The length that the node should have.
    pub(super) length: usize,
    pub(super) count: usize,
}

/// One element of a node.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) index: usize,
    /// A leaf element's flags; 0 in a branch.
    pub(super) flags: u32,
    pub(super) key: &'a [u8],
    /// A leaf element's value; empty in a branch.
    pub(super) value: &'a [u8],
    /// A branch element's child; page 0 in a leaf.
    pub(super) child: PageId,
    /// Where in the node the key begins.
    pub(super) start: usize,
}

impl Element<'_> {
    /// Whether it is a bucket rather than a plain value.
    pub(super) fn is_bucket(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Where in the node the value begins.
    pub(super) fn value_start(&self) -> usize {
        self.start + self.key.len()
    }

    /// Where in the node the value ends.
    pub(super) fn end(&self) -> usize {
        self.value_start() + self.value.len()
    }
}

impl<'a> Node<'a> {
    /// A node with this header. `bytes` are fewer than `length` if the file ends inside the node.
    /// Returns a defect when the element array does not fit.
    pub(super) fn new(
        kind: Kind,
        header: Header,
        page: PageId,
        base: u64,
        bytes: &'a [u8],
        length: usize,
    ) -> Result<Self, Defect> {
        let node = Self {
            kind,
            page,
            base,
            bytes,
            length,
            count: usize::from(header.count),
        };
        if node.array_end() > bytes.len() {
            return Err(node.defect(
                node.cut_or(Code::PageCount),
                header_at::COUNT,
                format!(
                    "{} elements do not fit into {} bytes",
                    node.count,
                    bytes.len()
                ),
            ));
        }
        Ok(node)
    }

    /// Where the element array ends and data may begin.
    pub(super) fn array_end(&self) -> usize {
        element_at(self.count)
    }

    /// Whether the file ends inside the node.
    pub(super) fn is_cut(&self) -> bool {
        self.bytes.len() < self.length
    }

    /// [`Code::PageMissing`] if the file ends inside the node, else `code`.
    fn cut_or(&self, code: Code) -> Code {
        if self.is_cut() {
            Code::PageMissing
        } else {
            code
        }
    }

    /// A defect at `at` bytes into the node.
    pub(super) fn defect(&self, code: Code, at: usize, message: impl Into<String>) -> Defect {
        Defect::new(code, self.page, self.base + at as u64, message)
    }

    /// A defect of element `index`.
    pub(super) fn element_defect(&self, code: Code, index: usize, what: &str) -> Defect {
        self.defect(code, element_at(index), format!("element {index} {what}"))
    }

    /// Element `index`, if its key and value are inside the node and after the array.
    pub(super) fn element(&self, index: usize) -> Result<Element<'a>, Defect> {
        self.locate(index).ok_or_else(|| {
            let code = self.cut_or(Code::ElementBounds);
            self.element_defect(
                code,
                index,
                "is outside its node or beyond the end of the file",
            )
        })
    }

    /// The child of element `index` of a branch. Does not need the key to be readable.
    pub(super) fn child(&self, index: usize) -> PageId {
        PageId(u64_at(self.bytes, element_at(index) + 8).unwrap_or(0))
    }

    fn locate(&self, number: usize) -> Option<Element<'a>> {
        let at = element_at(number);
        let field = |i: usize| u32_at(self.bytes, at + 4 * i);
        let (flags, pos, ksize, vsize, child) = match self.kind {
            Kind::Leaf => (field(0)?, field(1)?, field(2)?, field(3)?, 0),
            Kind::Branch => (0, field(0)?, field(1)?, 0, u64_at(self.bytes, at + 8)?),
        };
        let start = at.checked_add(index(pos))?;
        let middle = start.checked_add(index(ksize))?;
        let end = middle.checked_add(index(vsize))?;
        if start < self.array_end() {
            return None;
        }
        Some(Element {
            index: number,
            flags,
            key: self.bytes.get(start..middle)?,
            value: self.bytes.get(middle..end)?,
            child: PageId(child),
            start,
        })
    }

    /// What is wrong with an element that is in bounds: something that bolt never writes.
    pub(super) fn fault(&self, element: &Element<'_>) -> Option<Defect> {
        let (code, what) = if element.key.is_empty() {
            (Code::KeyEmpty, String::from("has an empty key"))
        } else if element.key.len() > MAX_KEY_SIZE
            && self.kind == Kind::Leaf
            && !element.is_bucket()
        {
            let length = element.key.len();
            (Code::KeySize, format!("has a key of {length} bytes"))
        } else if element.flags > 1 {
            let flags = element.flags;
            (Code::ElementFlags, format!("has the flags {flags:#x}"))
        } else {
            return None;
        };
        Some(self.element_defect(code, element.index, &what))
    }

    /// All elements in order. In total they have no more bytes than the node, so the work is
    /// bounded even if the elements of a damaged node overlap.
    pub(super) fn elements(self) -> Elements<'a> {
        Elements {
            node: self,
            next: 0,
            budget: self.bytes.len(),
        }
    }
}

/// See [`Node::elements`]. Yields the index and the defect of an element that can't be read.
pub(super) struct Elements<'a> {
    node: Node<'a>,
    next: usize,
    budget: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, (usize, Defect)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.node.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let element = self.node.element(index).and_then(|element| {
            self.budget = self
                .budget
                .checked_sub(element.end() - element.start)
                .ok_or_else(|| {
                    let what = "overlaps other elements";
                    self.node.element_defect(Code::ElementOverlap, index, what)
                })?;
            Ok(element)
        });
        Some(element.map_err(|defect| (index, defect)))
    }
}

/// The header of a bucket, at the start of its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct BucketHeader {
    /// The root of its tree; page 0 if the bucket is inline.
    pub(super) root: PageId,
    pub(super) sequence: u64,
}

impl BucketHeader {
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        Some(Self {
            root: PageId(u64_at(value, 0)?),
            sequence: u64_at(value, 8)?,
        })
    }

    /// The bytes that [`Self::parse`] reads.
    pub(super) fn encode(self) -> [u8; BUCKET_HEADER] {
        let mut value = [0; BUCKET_HEADER];
        put(&mut value, 0, &self.root.0.to_le_bytes());
        put(&mut value, 8, &self.sequence.to_le_bytes());
        value
    }
}

/// Where the content of a bucket is.
pub(super) enum BucketContent<'a> {
    /// In a tree with this root.
    Tree(PageId),
    /// In a leaf inside the value. The second field is the page number in its header, which should
    /// be 0.
    Inline(Node<'a>, PageId),
}

/// Decodes the value of a bucket, which is at byte `offset` of the file, on `page`.
pub(super) fn bucket(
    value: &[u8],
    page: PageId,
    offset: u64,
) -> Result<(BucketHeader, BucketContent<'_>), Defect> {
    let short = || {
        let message = format!("a bucket has a value of {} bytes", value.len());
        Defect::new(Code::BucketValue, page, offset, message)
    };
    let header = BucketHeader::parse(value).ok_or_else(short)?;
    if header.root != PageId(0) {
        return Ok((header, BucketContent::Tree(header.root)));
    }
    let bytes = value.get(BUCKET_HEADER..).ok_or_else(short)?;
    let inner = Header::parse(bytes).ok_or_else(short)?;
    let base = offset + BUCKET_HEADER as u64;
    if inner.flags != LEAF || inner.overflow != 0 {
        let (flags, overflow) = (inner.flags, inner.overflow);
        let message = format!("an inline bucket has flags {flags:#06x} and overflow {overflow}");
        return Err(Defect::new(Code::InlinePage, page, base, message));
    }
    let node =
        Node::new(Kind::Leaf, inner, page, base, bytes, bytes.len()).map_err(|mut defect| {
            defect.code = Code::InlinePage;
            defect
        })?;
    Ok((header, BucketContent::Inline(node, inner.id)))
}

impl<'a> Node<'a> {
    /// Where in the file the value of `element` of this node begins.
    pub(super) fn value_offset(&self, element: &Element<'_>) -> u64 {
        self.base + element.value_start() as u64
    }

    /// Decodes the bucket in `element` of this node.
    pub(super) fn bucket(
        &self,
        element: &Element<'a>,
    ) -> Result<(BucketHeader, BucketContent<'a>), Defect> {
        bucket(element.value, self.page, self.value_offset(element))
    }
}
