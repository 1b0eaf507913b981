//! What each page of a damaged file looks like, whether or not anything leads to it.

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::layout::{
    ELEMENT, FREELIST, HEADER, Header, LONGEST_NODE, PageId, index, u64_at,
};
use crate::store::bolt::node::{BucketContent, Kind, Node};
use crate::store::bolt::pages::PageFile;

/// The kind of node that begins on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    Branch,
    /// A leaf with plain values, or without elements.
    Leaf,
    /// A leaf that has buckets only, as those of the root bucket.
    BucketLeaf,
    /// A leaf that has both, or a bucket inside another one; InfluxDB makes none.
    Mixed,
}

/// The node that begins on a page.
pub(super) struct PageEntry {
    pub(super) kind: NodeKind,
    /// The number of its pages, all of them in the file but for a cut last one.
    pub(super) pages: u64,
    /// Whether all elements can be read, and their keys ascend.
    pub(super) whole: bool,
    /// The first and the last key; empty if there is none.
    pub(super) first: Box<[u8]>,
    pub(super) last: Box<[u8]>,
    /// A branch's children, or the roots of the buckets of a leaf.
    pub(super) children: Box<[PageId]>,
}

/// A stored freelist on any page, with numbers that ascend.
pub(super) struct FreelistEntry {
    pub(super) page: PageId,
    /// The number of its own pages.
    pub(super) pages: u64,
    /// The pages that it lists.
    pub(super) free: Box<[PageId]>,
}

/// All nodes and freelists of a file.
pub(super) struct PageTable {
    entries: Vec<Option<Box<PageEntry>>>,
    pub(super) freelists: Vec<FreelistEntry>,
}

impl PageTable {
    /// Reads every page once, and the further pages of nodes that have several. `progress` is
    /// called with the number of bytes read so far.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn read(file: &PageFile, progress: &dyn Fn(u64)) -> Result<Self> {
        let pages = file.pages();
        let mut table = Self {
            entries: Vec::new(),
            freelists: Vec::new(),
        };
        let mut batch = Batch::new(file);
        let mut budget = Budget {
            pages: pages.saturating_mul(2),
        };
        let group = (batch.capacity() as u64).max(1);
        let mut next = 0;
        while next < pages {
            let end = (next + group).min(pages);
            batch.load((next..end).map(PageId).collect())?;
            for page in next..end {
                let entry = match page {
                    0 | 1 => None,
                    _ => table.look_at(&mut batch, PageId(page), &mut budget)?,
                };
                table.entries.push(entry.map(Box::new));
            }
            progress(file.offset(PageId(end)).min(file.size()));
            next = end;
        }
        Ok(table)
    }

    /// The node that begins on `page`.
    pub(super) fn node(&self, page: PageId) -> Option<&PageEntry> {
        let at = usize::try_from(page.0).ok()?;
        self.entries.get(at)?.as_deref()
    }

    /// All nodes, in the order of their pages.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (PageId, &PageEntry)> {
        let numbered = (0..).map(PageId).zip(&self.entries);
        numbered.filter_map(|(page, entry)| Some((page, entry.as_deref()?)))
    }

    /// The number of pages.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    fn look_at(
        &mut self,
        batch: &mut Batch<'_>,
        page: PageId,
        budget: &mut Budget,
    ) -> Result<Option<PageEntry>> {
        let Some((header, pages)) = header(batch, page)? else {
            return Ok(None);
        };
        if !budget.take(pages) {
            return Ok(None);
        }
        if header.flags == FREELIST {
            let found = read_freelist(batch, page, header, pages)?;
            self.freelists.extend(found);
            return Ok(None);
        }
        let Some(kind) = Kind::of(header.flags) else {
            return Ok(None);
        };
        Ok(node_at(batch, page, header, kind, pages)?.map(|node| describe(&node, pages)))
    }
}

/// How many pages may still be read for nodes of several pages: they may overlap.
struct Budget {
    pages: u64,
}

impl Budget {
    fn take(&mut self, pages: u64) -> bool {
        if pages <= 1 {
            return true;
        }
        match self.pages.checked_sub(pages) {
            Some(rest) => {
                self.pages = rest;
                true
            }
            None => false,
        }
    }
}

/// The header of the node on `page`, if there can be one, and the number of its pages that are in
/// the file.
fn header(batch: &mut Batch<'_>, page: PageId) -> Result<Option<(Header, u64)>> {
    let left = batch.file().pages() - page.0;
    let Some(header) = Header::parse(batch.bytes(page, 1)?) else {
        return Ok(None);
    };
    let known = header.flags == FREELIST || Kind::of(header.flags).is_some();
    let pages = u64::from(header.overflow) + 1;
    // A node may reach beyond the end of a file that was cut.
    if header.id != page || !known || batch.length(pages) > LONGEST_NODE {
        return Ok(None);
    }
    Ok(Some((header, pages.min(left))))
}

/// Reads the node on `page`; `None` if its elements can't be in it.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
fn node_at<'b>(
    batch: &'b mut Batch<'_>,
    page: PageId,
    header: Header,
    kind: Kind,
    pages: u64,
) -> Result<Option<Node<'b>>> {
    let base = batch.file().offset(page);
    let length = batch.length(u64::from(header.overflow) + 1);
    let bytes = batch.bytes(page, pages)?;
    if HEADER + ELEMENT * usize::from(header.count) > bytes.len() {
        return Ok(None);
    }
    Ok(Node::new(kind, header, page, base, bytes, length).ok())
}

/// Reads the node on `page` again.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn read_again<'b>(batch: &'b mut Batch<'_>, page: PageId) -> Result<Option<Node<'b>>> {
    let Some((header, pages)) = header(batch, page)? else {
        return Ok(None);
    };
    match Kind::of(header.flags) {
        Some(kind) => node_at(batch, page, header, kind, pages),
        None => Ok(None),
    }
}

fn describe(node: &Node<'_>, pages: u64) -> PageEntry {
    let mut entry = PageEntry {
        kind: match node.kind {
            Kind::Branch => NodeKind::Branch,
            Kind::Leaf => NodeKind::Leaf,
        },
        pages,
        whole: !(node.kind == Kind::Branch && node.count == 0),
        first: Box::default(),
        last: Box::default(),
        children: Box::default(),
    };
    let mut children = Vec::new();
    let (mut buckets, mut values) = (0_usize, 0_usize);
    let mut previous: Option<&[u8]> = None;
    for element in node.elements() {
        let Ok(element) = element else {
            entry.whole = false;
            continue;
        };
        if node.fault(&element).is_some() || previous.is_some_and(|key| key >= element.key) {
            entry.whole = false;
        }
        if previous.is_none() {
            entry.first = element.key.into();
        }
        previous = Some(element.key);
        match node.kind {
            Kind::Branch => children.push(element.child),
            Kind::Leaf if element.is_bucket() => {
                buckets += 1;
                match node.bucket(&element) {
                    Ok((_, BucketContent::Tree(root))) => children.push(root),
                    Ok((_, BucketContent::Inline(..))) => {}
                    Err(_) => entry.whole = false,
                }
            }
            Kind::Leaf => values += 1,
        }
    }
    entry.last = previous.unwrap_or_default().into();
    entry.children = children.into_boxed_slice();
    if node.kind == Kind::Leaf && buckets > 0 {
        entry.kind = match values {
            0 => NodeKind::BucketLeaf,
            _ => NodeKind::Mixed,
        };
    }
    entry
}

fn read_freelist(
    batch: &mut Batch<'_>,
    page: PageId,
    header: Header,
    pages: u64,
) -> Result<Option<FreelistEntry>> {
    if pages != u64::from(header.overflow) + 1 {
        return Ok(None);
    }
    let bytes = batch.bytes(page, pages)?;
    let (count, start) = match header.count {
        u16::MAX => (u64_at(bytes, HEADER), HEADER + 8),
        count => (Some(u64::from(count)), HEADER),
    };
    let room = (bytes.len().saturating_sub(start) / 8) as u64;
    let Some(count) = count.filter(|count| *count <= room) else {
        return Ok(None);
    };
    let count = u32::try_from(count).map_or(usize::MAX, index);
    let own = page.0..page.0 + pages;
    let numbers = bytes.get(start..).unwrap_or_default().as_chunks::<8>().0;
    let mut free = Vec::with_capacity(count.min(numbers.len()));
    let mut previous = 1;
    for number in numbers.iter().take(count) {
        let number = u64::from_le_bytes(*number);
        if number <= previous || own.contains(&number) {
            return Ok(None);
        }
        previous = number;
        free.push(PageId(number));
    }
    Ok(Some(FreelistEntry {
        page,
        pages,
        free: free.into_boxed_slice(),
    }))
}
