//! Writes a new bolt file in one pass. It has no unused pages, and no bytes but its content.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::bolt::Bolt;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::layout::{PageId, TxId};
use crate::store::bolt::meta::Meta;
use crate::store::bolt::node::{BucketContent, Element, Kind, Node, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::read::named;
use crate::store::bolt::validate::{Reference, read_node, validate};
use crate::store::bolt::walk::{Visit, Walker, inline};
use crate::store::bolt::write::encode::freelist;
use crate::store::bolt::write::load::Loader;
use crate::store::bolt::write::pack::NodeWriter;
use crate::store::bolt::write::space::Space;
use crate::store::change::no_such_bucket;
use crate::store::partial_reads::whole;
use crate::store::progress::Progress;
use crate::store::{ChangeSet, Device, MemoryFile, Preview, Snapshot};

/// The page size of new files in bytes: bolt's own on most machines.
pub const USUAL_PAGE_SIZE: u64 = 4096;

/// The shortest file in bytes that bolt opens: it reads this much to learn the page size.
const MIN_LENGTH: u64 = 4096;

/// The page of the freelist of a new file: after the metas.
const FREELIST: PageId = PageId(2);

/// Writes all buckets, pairs and sequences of `source`, which has no nested buckets, to an empty
/// device. Messages show `path`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when damage hides a part of `source`; [`ErrorKind::Io`] when `source`
/// can't be read or the device fails.
pub fn create(
    source: &dyn Snapshot,
    page_size: u64,
    device: &Arc<dyn Device>,
    path: &Path,
    progress: &Progress<'_>,
) -> Result<()> {
    new_file(page_size, 0, device, path, |root, out| {
        for found in whole(source.buckets()?)? {
            let value = load_bucket(source, &found.name, found.sequence, progress, out)?;
            root.push(&found.name, 1, &value, out)?;
        }
        Ok(())
    })
}

/// Writes one flat bucket of `source`. Returns its value.
fn load_bucket(
    source: &dyn Snapshot,
    name: &[u8],
    sequence: u64,
    progress: &Progress<'_>,
    out: &mut NodeWriter<'_>,
) -> Result<Vec<u8>> {
    let mut loader = Loader::default();
    let mut failed = None;
    let findings = source.scan(name, &mut |key, value| {
        progress.add(key.len() + value.len());
        match loader.push(key, 0, value, out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    whole(((), findings))?;
    let value = loader.finish(true, out)?.value(sequence);
    Ok(value.unwrap_or_default().to_vec())
}

/// Writes a new file: freelist, trees, metas. `fill` adds the elements of the root bucket.
fn new_file(
    page_size: u64,
    root_sequence: u64,
    device: &Arc<dyn Device>,
    path: &Path,
    fill: impl FnOnce(&mut Loader, &mut NodeWriter<'_>) -> Result<()>,
) -> Result<()> {
    let page_size = usize::try_from(page_size).unwrap_or(0);
    let file = PageFile::new(Box::new(MemoryFile::new(Vec::new())), path, page_size);
    // No page is free; the first node follows the freelist.
    let space = Space::new(FREELIST.0 + 1, |_| false, Vec::new());
    let mut out = NodeWriter::in_order(&file, &**device, space);
    out.image_at(FREELIST, 1, |page, image| {
        image.extend(freelist(page, 0, &[]));
    })?;
    let mut root = Loader::default();
    fill(&mut root, &mut out)?;
    let root = root.finish(false, &mut out)?.root();
    out.flush()?;
    let metas = metas(page_size, root, root_sequence, out.end());
    let failed = |action: &str, cause: &std::io::Error| {
        let path = path.display();
        Error::new(ErrorKind::Io, format!("can't {action} {path}: {cause}"))
    };
    device
        .write_all_at(&metas, 0)
        .map_err(|cause| failed("write", &cause))?;
    let length = device
        .length()
        .map_err(|cause| failed("read the length of", &cause))?;
    if length < MIN_LENGTH {
        device
            .set_length(MIN_LENGTH)
            .map_err(|cause| failed("extend", &cause))?;
    }
    device.sync().map_err(|cause| failed("sync", &cause))?;
    out.verify_in_order(FREELIST)?;
    let mut read = vec![0; metas.len()];
    device
        .read_exact_at(&mut read, 0)
        .map_err(|cause| failed("read", &cause))?;
    if read == metas {
        Ok(())
    } else {
        Err(crate::store::copy::does_not_read_back(path))
    }
}

/// The pages before the first node of a new file: both metas, and a freelist of no pages.
pub(in crate::store::bolt) fn new_frame(
    page_size: usize,
    root: PageId,
    root_sequence: u64,
    hwm: u64,
) -> Vec<u8> {
    let mut frame = metas(page_size, root, root_sequence, hwm);
    frame.extend(freelist(FREELIST, 0, &[]));
    frame.resize(3 * page_size, 0);
    frame
}

/// Both meta pages of a new file. The transaction number of each is its slot.
fn metas(page_size: usize, root: PageId, root_sequence: u64, hwm: u64) -> Vec<u8> {
    let mut pages = Vec::with_capacity(2 * page_size);
    for slot in [0, 1] {
        let meta = Meta {
            slot,
            header_ok: true,
            page_size: page_size as u64,
            flags: 0,
            root,
            root_sequence,
            freelist: FREELIST.0,
            hwm: PageId(hwm),
            txid: TxId(slot),
        };
        let start = pages.len();
        pages.extend(meta.encode());
        pages.resize(start + page_size, 0);
    }
    pages
}

impl Bolt {
    /// Writes everything to an empty device, with `changes` applied: also nested buckets and the
    /// sequence of the root bucket. The page size stays the same.
    ///
    /// # Errors
    /// As [`create`]; [`ErrorKind::Refused`] for changes to buckets that do not exist.
    pub(crate) fn copy_to(
        &self,
        changes: &ChangeSet,
        device: &Arc<dyn Device>,
        path: &Path,
        progress: &Progress<'_>,
    ) -> Result<()> {
        let sequence = self.metas.current.root_sequence;
        let copy = |nested| self.try_copy(sequence, changes, nested, device, path, progress);
        if !copy(false)? {
            // There are nested buckets: start again, in the slower way.
            device.set_length(0).map_err(|cause| {
                let path = path.display();
                Error::new(ErrorKind::Io, format!("can't truncate {path}: {cause}"))
            })?;
            copy(true)?;
        }
        Ok(())
    }

    /// [`Self::copy_to`] with or without support for `nested` buckets. Returns false when it found
    /// a nested bucket without having that support.
    fn try_copy(
        &self,
        sequence: u64,
        changes: &ChangeSet,
        nested: bool,
        device: &Arc<dyn Device>,
        path: &Path,
        progress: &Progress<'_>,
    ) -> Result<bool> {
        if nested {
            // Copying nested buckets relies on trees without cycles.
            let report = self.reachability()?.report.clone();
            whole(((), report.into_findings()))?;
        }
        let mut complete = true;
        new_file(self.page_size(), sequence, device, path, |root, out| {
            let mut buckets = Buckets::default();
            self.walk_root(&mut buckets)?;
            whole(((), buckets.report.into_findings()))?;
            let known = |name: &[u8]| buckets.found.iter().any(|(key, ..)| key == name);
            if let Some((name, _)) = changes.buckets().find(|(name, _)| !known(name)) {
                return Err(no_such_bucket(name));
            }
            for (key, flags, value, offset) in buckets.found {
                let new = if flags & 1 == 0 {
                    Some(value)
                } else if changes.of(&key).is_some() {
                    let bucket = bucket(&value, PageId(offset / self.page_size()), offset);
                    let (header, _) = bucket.map_err(|defect| self.corrupt(&defect))?;
                    let preview = Preview::new(self, changes);
                    Some(load_bucket(&preview, &key, header.sequence, progress, out)?)
                } else if nested {
                    Some(self.copy_nested(&value, progress, out)?)
                } else {
                    self.copy_flat(&key, &value, offset, progress, out)?
                };
                let Some(new) = new else {
                    complete = false;
                    return Ok(());
                };
                root.push(&key, flags, &new, out)?;
            }
            Ok(())
        })?;
        Ok(complete)
    }

    /// Checks whether [`Self::copy_to`] would accept the file.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when damage hides a part of it.
    pub(crate) fn could_copy(&self) -> Result<()> {
        let report = self.reachability()?.report.clone();
        let mut buckets = Buckets::default();
        self.walk_root(&mut buckets)?;
        whole(((), buckets.report.into_findings()))?;
        let nested = [Code::NestedBucket, Code::InlineNested];
        if nested.iter().any(|code| report.has_code(*code)) {
            whole(((), report.into_findings()))?;
        }
        Ok(())
    }

    /// Checks that the file has only top-level buckets with plain values.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with the name of the bucket if not; [`ErrorKind::Corrupt`] for a
    /// damaged file.
    pub(crate) fn must_be_flat(&self) -> Result<()> {
        let report = self.reachability()?.report.clone();
        let nested = [Code::NestedBucket, Code::InlineNested];
        let flat = !nested.iter().any(|code| report.has_code(*code));
        let findings = report.into_findings();
        if flat {
            return whole(((), findings));
        }
        let deeper = findings
            .iter()
            .find(|finding| nested.contains(&finding.code));
        let (place, message) =
            deeper.map_or(("", ""), |finding| (&*finding.place, &*finding.message));
        Err(Error::new(
            ErrorKind::Refused,
            format!("a redb store can't have nested buckets: {place} {message}"),
        )
        .with_hint("boltkey compact can copy such a file; the copy is a bolt file"))
    }

    /// Copies one bucket. Returns its new value, or `None` if there are buckets in it.
    fn copy_flat(
        &self,
        key: &[u8],
        value: &[u8],
        offset: u64,
        progress: &Progress<'_>,
        out: &mut NodeWriter<'_>,
    ) -> Result<Option<Vec<u8>>> {
        let page = PageId(offset / self.page_size());
        let (header, content) =
            bucket(value, page, offset).map_err(|defect| self.corrupt(&defect))?;
        let mut load = FlatCopy {
            name: named(key),
            loader: Loader::default(),
            out,
            progress,
            nested: false,
            report: Report::default(),
            failed: None,
        };
        match content {
            BucketContent::Inline(node, _) => {
                let _ = inline(&node, &mut load);
            }
            BucketContent::Tree(root) => {
                let from = Reference { page, offset };
                let mut walker = Walker::new(&self.file, self.metas.current.hwm);
                let _ = walker.tree(root, from, &mut load)?;
            }
        }
        let FlatCopy {
            loader,
            nested,
            report,
            failed,
            ..
        } = load;
        if let Some(error) = failed {
            return Err(error);
        }
        whole(((), report.into_findings()))?;
        if nested {
            return Ok(None);
        }
        let new = loader.finish(true, out)?.value(header.sequence);
        Ok(Some(new.unwrap_or_default().to_vec()))
    }

    /// Copies a bucket with buckets in it, to any depth, without recursion.
    fn copy_nested(
        &self,
        value: &[u8],
        progress: &Progress<'_>,
        out: &mut NodeWriter<'_>,
    ) -> Result<Vec<u8>> {
        let open = |key: Vec<u8>, value: &[u8]| {
            let decoded = bucket(value, PageId(0), 0).map_err(|defect| self.corrupt(&defect));
            let (header, content) = decoded?;
            Ok::<BucketCopy, Error>(BucketCopy {
                cursor: Cursor::new(self, &content)?,
                loader: Loader::default(),
                key,
                sequence: header.sequence,
            })
        };
        let mut copies = vec![open(Vec::new(), value)?];
        while let Some(copy) = copies.last_mut() {
            match copy.cursor.next(self)? {
                Some(element) if element.flags & 1 == 0 => {
                    progress.add(element.key.len() + element.value.len());
                    copy.loader
                        .push(&element.key, element.flags, &element.value, out)?;
                }
                Some(element) => copies.push(open(element.key, &element.value)?),
                None => {
                    let Some(done) = copies.pop() else { break };
                    let new = done.loader.finish(true, out)?.value(done.sequence);
                    let new = new.unwrap_or_default();
                    match copies.last_mut() {
                        None => return Ok(new.to_vec()),
                        Some(parent) => parent.loader.push(&done.key, 1, &new, out)?,
                    }
                }
            }
        }
        Err(crate::store::copy::does_not_read_back(self.file.path()))
    }
}

/// A visitor that collects the elements of the root bucket: key, flags, value, and the offset of
/// the value in the file.
#[derive(Default)]
struct Buckets {
    found: Vec<(Vec<u8>, u32, Vec<u8>, u64)>,
    report: Report,
}

impl Visit for Buckets {
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        self.report.count_in(code, None, describe);
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if !element.is_bucket() {
            // Bolt stores no values there: the page belongs to another tree.
            let what = "is a plain value beside the buckets";
            let defect = node.element_defect(Code::RootValue, element.index, what);
            self.defect(Code::RootValue, || defect);
        }
        self.found.push((
            element.key.to_vec(),
            element.flags,
            element.value.to_vec(),
            node.value_offset(element),
        ));
        ControlFlow::Continue(())
    }
}

/// A visitor that writes the elements of a bucket to a new tree, until it finds a bucket.
struct FlatCopy<'l, 'o> {
    name: String,
    loader: Loader,
    out: &'l mut NodeWriter<'o>,
    progress: &'l Progress<'l>,
    nested: bool,
    report: Report,
    failed: Option<Error>,
}

impl Visit for FlatCopy<'_, '_> {
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        self.report.count_in(code, Some(&self.name), describe);
    }

    fn element(&mut self, _: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        if element.is_bucket() {
            self.nested = true;
            return ControlFlow::Break(());
        }
        self.progress.add(element.key.len() + element.value.len());
        match self
            .loader
            .push(element.key, element.flags, element.value, self.out)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// A bucket that is being copied.
struct BucketCopy {
    cursor: Cursor,
    loader: Loader,
    key: Vec<u8>,
    sequence: u64,
}

/// Iterates over the elements of a tree without damage.
struct Cursor {
    /// The pages to visit, the next one last.
    pages: Vec<PageId>,
    /// The elements of the current leaf, the next one last.
    elements: Vec<OwnedElement>,
}

struct OwnedElement {
    flags: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Cursor {
    /// A cursor before the first element of a bucket.
    fn new(bolt: &Bolt, content: &BucketContent<'_>) -> Result<Self> {
        let mut cursor = Self {
            pages: Vec::new(),
            elements: Vec::new(),
        };
        match content {
            BucketContent::Tree(root) => cursor.pages.push(*root),
            BucketContent::Inline(node, _) => cursor.take(bolt, node)?,
        }
        cursor.elements.reverse();
        Ok(cursor)
    }

    fn take(&mut self, bolt: &Bolt, node: &Node<'_>) -> Result<()> {
        for element in node.elements() {
            let element = element.map_err(|(_, defect)| bolt.corrupt(&defect))?;
            match node.kind {
                Kind::Branch => self.pages.push(element.child),
                Kind::Leaf => self.elements.push(OwnedElement {
                    flags: element.flags,
                    key: element.key.to_vec(),
                    value: element.value.to_vec(),
                }),
            }
        }
        Ok(())
    }

    fn next(&mut self, bolt: &Bolt) -> Result<Option<OwnedElement>> {
        while self.elements.is_empty() {
            let Some(page) = self.pages.pop() else {
                return Ok(None);
            };
            let mut batch = Batch::new(&bolt.file);
            let from = Reference {
                page,
                offset: bolt.file.offset(page),
            };
            let corrupt = |defect: Defect| bolt.corrupt(&defect);
            let hwm = bolt.metas.current.hwm;
            let (header, kind) = validate(&mut batch, page, hwm, from)?.map_err(corrupt)?;
            let node = read_node(&mut batch, page, header, kind)?.map_err(corrupt)?;
            let before = self.pages.len();
            self.take(bolt, &node)?;
            self.pages.get_mut(before..).unwrap_or_default().reverse();
            self.elements.reverse();
        }
        Ok(self.elements.pop())
    }
}
