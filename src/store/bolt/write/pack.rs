//! Packing sorted elements into nodes, and writing nodes to pages of the file.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::Device;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::Kind;
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::write::encode::{Body, Draft, MOST_ELEMENTS};
use crate::store::bolt::write::space::Space;
use crate::store::device::checksum_on_medium;

/// How many bytes are collected for one write call.
const CHUNK: usize = 256 << 10;

/// A node that was written.
struct WrittenNode {
    page: PageId,
    pages: u64,
    /// The CRC-32 of all its pages.
    sum: u32,
}

/// Checksums of the written pages, to verify them later.
enum Sums {
    /// One for each node.
    Each(Vec<WrittenNode>),
    /// One for all nodes, which are written in the order of their pages. Memory does not grow with
    /// their number.
    InOrder(crc32fast::Hasher),
}

/// Allocates pages for nodes and writes them, with neighbours in one write call.
pub(super) struct NodeWriter<'a> {
    file: &'a PageFile,
    device: &'a dyn Device,
    space: Space,
    /// Images of consecutive pages, beginning at byte `at` of the file.
    buffer: Zeroizing<Vec<u8>>,
    at: u64,
    sums: Sums,
}

impl<'a> NodeWriter<'a> {
    pub(super) fn new(file: &'a PageFile, device: &'a dyn Device, space: Space) -> Self {
        Self {
            file,
            device,
            space,
            buffer: Zeroizing::new(Vec::with_capacity(CHUNK)),
            at: 0,
            sums: Sums::Each(Vec::new()),
        }
    }

    /// A writer for a new file, whose pages are written in order.
    pub(super) fn in_order(file: &'a PageFile, device: &'a dyn Device, space: Space) -> Self {
        Self {
            sums: Sums::InOrder(crc32fast::Hasher::new()),
            ..Self::new(file, device, space)
        }
    }

    pub(super) fn page_size(&self) -> usize {
        self.file.page_size()
    }

    /// The high-water mark after the pages that were allocated.
    pub(super) fn end(&self) -> u64 {
        self.space.end()
    }

    /// Writes a node. Returns its page.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the device fails; [`ErrorKind::Refused`] when the node is larger than
    /// 2 GiB.
    pub(super) fn node(&mut self, draft: &Draft) -> Result<PageId> {
        let pages = draft.size().div_ceil(self.page_size()).max(1);
        let overflow = u32::try_from(pages - 1).map_err(|_| too_large())?;
        if u32::try_from(draft.size()).map_or(true, |size| size > i32::MAX.unsigned_abs()) {
            return Err(too_large());
        }
        self.image(pages as u64, |page, out| {
            draft.append_to(page, overflow, out);
        })
    }

    /// Allocates `pages` consecutive pages. Returns the first one.
    pub(super) fn reserve(&mut self, pages: u64) -> PageId {
        self.space.take(pages)
    }

    fn image(&mut self, pages: u64, fill: impl FnOnce(PageId, &mut Vec<u8>)) -> Result<PageId> {
        let page = self.reserve(pages);
        self.image_at(page, pages, fill)?;
        Ok(page)
    }

    /// Writes the `pages` reserved pages from `page`. `fill` appends their content; zeros follow.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the device fails.
    pub(super) fn image_at(
        &mut self,
        page: PageId,
        pages: u64,
        fill: impl FnOnce(PageId, &mut Vec<u8>),
    ) -> Result<()> {
        let offset = self.file.offset(page);
        let length = usize::try_from(pages)
            .ok()
            .and_then(|pages| pages.checked_mul(self.page_size()))
            .ok_or_else(too_large)?;
        let follows = self.at + self.buffer.len() as u64 == offset;
        if !follows || self.buffer.len() + length > CHUNK {
            self.flush()?;
            self.at = offset;
        }
        if length > self.buffer.capacity() {
            // The buffer is empty now. A reallocation would leave a copy of secrets in memory.
            self.buffer = Zeroizing::new(Vec::with_capacity(length));
        }
        let start = self.buffer.len();
        fill(page, &mut self.buffer);
        self.buffer.resize(start + length, 0);
        let image = self.buffer.get(start..).unwrap_or_default();
        match &mut self.sums {
            Sums::InOrder(hasher) => hasher.update(image),
            Sums::Each(written) => written.push(WrittenNode {
                page,
                pages,
                sum: crc32fast::hash(image),
            }),
        }
        Ok(())
    }

    /// Writes the collected pages.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the device fails.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let page = self.at / self.page_size() as u64;
        self.device
            .write_all_at(&self.buffer, self.at)
            .map_err(|cause| {
                Error::new(
                    ErrorKind::Io,
                    format!(
                        "can't write page {page} of {}: {cause}",
                        self.file.path().display()
                    ),
                )
                .with_source(cause)
            })?;
        self.buffer.clear();
        Ok(())
    }

    /// Reads all written pages and compares their checksums. Asks the system to read from the
    /// medium and not from its cache.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the device fails, or a checksum differs.
    pub(super) fn verify(&self) -> Result<()> {
        let Sums::Each(written) = &self.sums else {
            return Ok(());
        };
        let mut nodes: Vec<&WrittenNode> = written.iter().collect();
        nodes.sort_unstable_by_key(|node| node.page);
        let page_size = self.page_size() as u64;
        let mut buffer = Zeroizing::new(Vec::new());
        let mut rest = nodes.as_slice();
        while let Some(first) = rest.first() {
            // Neighbours are read with one call.
            let mut pages = 0;
            let mut count = 0;
            for node in rest {
                let apart = node.page.0 - first.page.0;
                if apart != pages || (count > 0 && (pages + node.pages) * page_size > CHUNK as u64)
                {
                    break;
                }
                pages += node.pages;
                count += 1;
            }
            let (now, later) = rest.split_at_checked(count.max(1)).unwrap_or((rest, &[]));
            rest = later;
            let offset = self.file.offset(first.page);
            let length = usize::try_from(pages * page_size).map_err(|_| too_large())?;
            self.device.forget(offset, length as u64);
            if buffer.len() < length {
                buffer = Zeroizing::new(vec![0; length]);
            }
            let bytes = buffer.get_mut(..length).unwrap_or_default();
            self.device.read_exact_at(bytes, offset).map_err(|cause| {
                Error::new(
                    ErrorKind::Io,
                    format!(
                        "can't read page {} of {} back: {cause}",
                        first.page,
                        self.file.path().display()
                    ),
                )
                .with_source(cause)
            })?;
            let mut at = 0;
            for node in now {
                let length = usize::try_from(node.pages * page_size).map_err(|_| too_large())?;
                if crc32fast::hash(bytes.get(at..at + length).unwrap_or_default()) != node.sum {
                    return Err(not_as_written(self.file.path(), node.page));
                }
                at += length;
            }
        }
        Ok(())
    }

    /// [`Self::verify`] for a writer made with [`Self::in_order`], whose first page is `first`.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub(super) fn verify_in_order(&self, first: PageId) -> Result<()> {
        let Sums::InOrder(expected) = &self.sums else {
            return Ok(());
        };
        let bytes = self.file.offset(first)..self.file.offset(PageId(self.end()));
        let sum = checksum_on_medium(self.device, bytes).map_err(|cause| {
            let path = self.file.path().display();
            Error::new(ErrorKind::Io, format!("can't read {path} back: {cause}"))
        })?;
        if sum == expected.clone().finalize() {
            Ok(())
        } else {
            Err(not_as_written(self.file.path(), first))
        }
    }
}

fn not_as_written(path: &Path, page: PageId) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::Io,
        format!("page {page} of {path} does not read back as it was written"),
    )
    .with_hint("the disk is failing: copy the file to another disk")
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::Refused,
        "a record is too large for a node of a Bolt file",
    )
}

/// The entry of a node in its parent.
pub(super) struct ChildEntry {
    pub(super) key: Vec<u8>,
    pub(super) page: PageId,
}

/// Packs elements, added in ascending order, into nodes of one kind.
///
/// The last two nodes are kept in memory, so that the last one is not nearly empty, and no branch
/// has a single child: bolt panics when the only child of a branch shrinks.
pub(super) struct Packer {
    kind: Kind,
    before: Draft,
    current: Draft,
}

impl Packer {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            before: Draft::new(kind),
            current: Draft::new(kind),
        }
    }

    /// The lowest number of elements in a node.
    fn least(&self) -> usize {
        match self.kind {
            Kind::Branch => 2,
            Kind::Leaf => 1,
        }
    }

    /// Adds an element. Writes full nodes and adds them to `done`.
    ///
    /// # Errors
    /// As [`NodeWriter::node`].
    pub(super) fn push(
        &mut self,
        key: &[u8],
        body: Body<'_>,
        out: &mut NodeWriter<'_>,
        done: &mut Vec<ChildEntry>,
    ) -> Result<()> {
        let full = self.current.size_with(key, body) > out.page_size()
            || self.current.count() >= MOST_ELEMENTS;
        if full && self.current.count() >= self.least() {
            write(&mut self.before, out, done)?;
            std::mem::swap(&mut self.before, &mut self.current);
        }
        self.current.push(key, body);
        Ok(())
    }

    /// The node with all elements, if they fit into one that was not written yet.
    pub(super) fn only_node(&self) -> Option<&Draft> {
        self.before.is_empty().then_some(&self.current)
    }

    /// Writes the remaining elements. The packer is empty then.
    ///
    /// # Errors
    /// As [`NodeWriter::node`].
    pub(super) fn finish(
        &mut self,
        out: &mut NodeWriter<'_>,
        done: &mut Vec<ChildEntry>,
    ) -> Result<()> {
        let page_size = out.page_size();
        let small = self.current.size() < page_size / 2 || self.current.count() < self.least();
        if !self.before.is_empty() && !self.current.is_empty() && small {
            // Join both nodes and split them in the middle.
            self.before.split_off(0, &mut self.current);
            let count = self.current.count();
            let one_is_enough = self.current.size() <= page_size && count <= MOST_ELEMENTS;
            if one_is_enough || count < 2 * self.least() {
                self.before.clear();
            } else {
                let at = self.current.middle(self.least());
                let mut rest = Draft::new(self.kind);
                self.current.split_off(at, &mut rest);
                std::mem::swap(&mut self.before, &mut self.current);
                self.current = rest;
            }
        }
        write(&mut self.before, out, done)?;
        write(&mut self.current, out, done)
    }
}

fn write(draft: &mut Draft, out: &mut NodeWriter<'_>, done: &mut Vec<ChildEntry>) -> Result<()> {
    if !draft.is_empty() {
        done.push(ChildEntry {
            key: draft.first_key().to_vec(),
            page: out.node(draft)?,
        });
        draft.clear();
    }
    Ok(())
}
