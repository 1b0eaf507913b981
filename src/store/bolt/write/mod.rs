//! Changing a bolt file in place, in one transaction, as bolt does.
//!
//! `docs/design.md` shows step by step why a crash at any moment leaves either the old content or
//! the new content. In short: no page that the current meta reaches is overwritten until the new
//! meta is on disk in the other slot.
//!
//! | module | knows |
//! | --- | --- |
//! | [`mod@rebuild`] | one bucket: merging the old tree with the changes |
//! | [`pack`], [`encode`] | packing elements into nodes, encoding nodes as pages |
//! | [`space`] | which pages may be written |
//! | [`mend`] | which damage a commit may find, and what it mends |
//! | [`wipe`] | overwriting unused pages |
//! | [`mod@create`], [`load`] | writing a new file in one pass |

mod create;
mod encode;
mod load;
mod mend;
mod pack;
mod rebuild;
mod space;
mod wipe;

pub(super) use create::new_frame;
pub use create::{USUAL_PAGE_SIZE, create};

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Severity;
use crate::store::bolt::Bolt;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::check::{examine, shared_with_tree};
use crate::store::bolt::codes::Report;
use crate::store::bolt::freelist::{Freelist, read as read_freelist};
use crate::store::bolt::layout::{BUCKET_HEADER, NO_FREELIST, PageId, TxId};
use crate::store::bolt::meta::{Meta, Metas};
use crate::store::bolt::node::{BucketContent, BucketHeader, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::reachability::{Walk, find_reachable};
use crate::store::bolt::unused::has_unused_bytes;
use crate::store::bolt::write::encode::{freelist, freelist_size};
use crate::store::bolt::write::mend::refuse_damage;
use crate::store::bolt::write::pack::NodeWriter;
use crate::store::bolt::write::rebuild::{Checked, Rebuilt, Repack, Source, TreeChanges, rebuild};
use crate::store::bolt::write::space::{Space, contains, pages_of};
use crate::store::bucket_edits::{Edit, Edits};
use crate::store::change::{BucketChange, no_such_bucket, valid_key};
use crate::store::device::View;
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Device, Mend, ProtectedBytes, Snapshot, Wipe,
};

/// Commits all of `changes`, or none of them, to the file that `bolt` reads and `device` writes.
/// The caller holds the lock and has synced earlier writes (S0).
///
/// # Errors
/// Only when the change was not committed, as [`crate::store::Commit::commit`].
pub(super) fn commit(
    bolt: &Bolt,
    device: &Arc<dyn Device>,
    changes: &ChangeSet,
    protected: &ProtectedBytes,
) -> Result<Committed> {
    let prepared = prepare(bolt, device, changes, protected)?;
    let Some(prepared) = prepared else {
        return Ok(Committed {
            outcome: CommitOutcome::Unchanged,
            failure: None,
        });
    };
    Ok(prepared.commit(bolt, &**device))
}

/// A transaction whose new tree and freelist are on disk; no meta page leads to them yet.
struct Prepared {
    /// The meta to write, for the slot that is not the current one's.
    next: Meta,
    /// Meta pages with protected bytes after the meta. Only the meta itself is written there.
    protected_metas: Vec<u64>,
    /// Pages to wipe: those that the old tree or freelist used and the new one does not.
    freed: Vec<Range<u64>>,
    /// The pages that the old tree used. They need not be read to know that they are not zero.
    replaced: Bitmap,
}

/// Steps S1 to S4: writes everything except the meta. `None` when there is nothing to change.
fn prepare(
    bolt: &Bolt,
    device: &Arc<dyn Device>,
    changes: &ChangeSet,
    protected: &ProtectedBytes,
) -> Result<Option<Prepared>> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    let examined = examine(bolt)?;
    refuse_damage(file, &examined.report, changes.mend)?;
    let mends = changes.mend != Mend::Nothing;
    if mends {
        // The pages that are missing at the end are free.
        grow(file, &**device, file.offset(meta.hwm))?;
    }

    let used = &bolt.reachability()?.used;
    let taken = |page: PageId| {
        used.has(page)
            || page.0 == meta.freelist
            || examined.list.is_stored_in(page)
            || examined.other.as_ref().is_some_and(|other| other.has(page))
    };
    let protected = pages_of(protected, file.page_size() as u64);
    let space = Space::new(meta.hwm.0, |page| !taken(page), protected.clone());
    let mut out = NodeWriter::new(file, &**device, space);
    let root = match build(bolt, changes, repack(bolt, changes)?, &mut out)? {
        Some(root) => root,
        None if mends || (changes.wipe == Wipe::Everything && has_unused_bytes(bolt)?) => meta.root,
        None => return Ok(None),
    };
    out.flush()?;
    sync(file, &**device)?; // S2

    let new = view(file, device)?;
    let mut next = Meta {
        slot: 1 - meta.slot,
        header_ok: true,
        root,
        freelist: NO_FREELIST,
        hwm: PageId(out.end()),
        txid: next_txid(meta)?,
        ..*meta
    };
    let walk = match mends {
        true => Walk::default(),
        false => Walk::keeping(bolt.reachability()?),
    };
    let new_reachability = find_reachable(&new, &next, walk)?;
    refuse_own(file, &new_reachability.report)?;
    let new_used = &new_reachability.used;

    let (list, ids) = write_freelist(&mut out, |page| new_used.has(page))?;
    out.flush()?;
    if out.end() > meta.hwm.0 {
        let wanted = file.offset(PageId(out.end() + 1));
        grow(file, &**device, wanted)?; // S1
    }
    sync(file, &**device)?; // S3

    // S4, continued: verify what was written, and that the freelist has the right pages.
    out.verify()?;
    let new = view(file, device)?;
    next.hwm = PageId(out.end());
    next.freelist = list.start;
    let mut report = Report::default();
    match read_freelist(&new, &next, &mut report)? {
        Freelist::Stored(read) if read.count == ids.len() as u64 && read.span == list => {
            shared_with_tree(&new, &read, |page| new_used.has(page), &mut report);
        }
        _ => return Err(does_not_read_back(file, "the freelist")),
    }
    refuse_own(file, &report)?;
    let everything = changes.wipe == Wipe::Everything;
    let all = match changes.wipe {
        Wipe::Everything => file.pages().max(next.hwm.0),
        Wipe::Freed => meta.hwm.0,
        Wipe::Nothing => 0,
    };
    let freed = runs(2..all, |page| {
        (everything || used.has(page) || examined.list.is_stored_in(page))
            && !new_used.has(page)
            && !list.contains(&page.0)
            && !contains(&protected, page.0)
    });
    verify_edits(new, &next, changes)?;

    Ok(Some(Prepared {
        next,
        protected_metas: vec![0, 1]
            .into_iter()
            .filter(|page| contains(&protected, *page))
            .collect(),
        freed,
        replaced: used.clone(),
    }))
}

impl Prepared {
    /// Steps S5 to S10: writes the meta that commits, then the other meta, then wipes.
    fn commit(&self, bolt: &Bolt, device: &dyn Device) -> Committed {
        let file = &bolt.file;
        let path = file.path().display();
        let incomplete = |message: String| {
            Some(
                Error::new(ErrorKind::Incomplete, message)
                    .with_hint("run boltkey status to see the current content of the file"),
            )
        };
        if let Err(cause) = self.write_meta(file, device, &self.next) {
            return Committed {
                outcome: CommitOutcome::Unknown,
                failure: incomplete(format!(
                    "the write that commits the change to {path} failed: {cause}; the change may or \
                     may not be committed, and the file is intact in both cases"
                )),
            };
        }
        let second = Meta {
            slot: 1 - self.next.slot,
            txid: TxId(self.next.txid.0 + 1),
            ..self.next
        };
        let rest = self
            .write_meta(file, device, &second)
            .map_err(|cause| format!("the second meta page could not be written: {cause}"))
            .and_then(|()| {
                wipe::wipe(file, device, &self.freed, &|page| self.replaced.has(page))
                    .map_err(|why| format!("old versions of the changed records are left: {why}"))
            });
        Committed {
            outcome: CommitOutcome::Changed,
            failure: rest.err().and_then(|why| {
                incomplete(format!(
                    "the change to {path} is committed, but {why}; unused parts of the file may still \
                     show the old records"
                ))
            }),
        }
    }

    /// Writes `meta` into its slot, and syncs it to disk. The rest of the page is filled with
    /// zeros unless it shows something protected.
    fn write_meta(&self, file: &PageFile, device: &dyn Device, meta: &Meta) -> std::io::Result<()> {
        let mut page = meta.encode().to_vec();
        if !self.protected_metas.contains(&meta.slot) {
            page.resize(file.page_size(), 0);
        }
        device.write_all_at(&page, file.offset(PageId(meta.slot)))?;
        device.sync()
    }
}

/// Which nodes are packed anew so that no live page has bytes that no record uses.
fn repack<'b>(bolt: &'b Bolt, changes: &ChangeSet) -> Result<Repack<'b>> {
    if changes.mend == Mend::Trees {
        return Ok(Repack::Everything);
    }
    if changes.wipe != Wipe::Everything {
        return Ok(Repack::Nothing);
    }
    let reachability = bolt.reachability()?;
    Ok(match reachability.has_nested_buckets() {
        false => Repack::Nodes(&reachability.showing),
        // InfluxDB has no buckets inside others. They are found only by reading every leaf.
        true if reachability.showing.is_empty() => Repack::Nothing,
        true => Repack::Everything,
    })
}

/// Refuses to commit a new tree that has errors.
fn refuse_own(file: &PageFile, report: &Report) -> Result<()> {
    if report.has(Severity::Error) {
        return Err(does_not_read_back(file, "the new tree"));
    }
    Ok(())
}

fn does_not_read_back(file: &PageFile, what: &str) -> Error {
    let path = file.path().display();
    Error::new(
        ErrorKind::Io,
        format!("{what} does not read back from {path} as it was written"),
    )
    .with_hint("the disk may be failing: copy the file to another disk and try again there")
}

/// Builds the new version of every bucket that changes or is packed anew, and then of the root
/// bucket. Returns the page of the new root, or `None` when nothing changes.
fn build(
    bolt: &Bolt,
    changes: &ChangeSet,
    repack: Repack<'_>,
    out: &mut NodeWriter<'_>,
) -> Result<Option<PageId>> {
    let old = Checked {
        file: &bolt.file,
        hwm: bolt.metas.current.hwm,
        balanced: bolt.reachability()?.balanced,
    };
    let mut elements: BTreeMap<Vec<u8>, Edit> = BTreeMap::new();
    for (name, change) in changes.buckets() {
        let value = bolt.bucket_value(name)?;
        if change.delete {
            if value.is_some() {
                elements.insert(name.to_vec(), None);
            }
        } else if let Some(value) = build_bucket(old, name, value, change, repack, out)? {
            elements.insert(name.to_vec(), Some(value));
        }
    }
    if let Repack::Nodes(_) = repack {
        let unchanged = BucketChange::default();
        for bucket in bolt.buckets()?.0 {
            let name = bucket.name;
            if changes.of(&name).is_some() {
                continue;
            }
            let value = bolt.bucket_value(&name)?;
            if let Some(value) = build_bucket(old, &name, value, &unchanged, repack, out)? {
                elements.insert(name, Some(value));
            }
        }
    }
    let changes = TreeChanges {
        of_buckets: true,
        edits: Edits::new(&elements, None),
        transform: None,
        repack,
        depth: 0,
    };
    let root = Source::Tree(bolt.metas.current.root);
    let value = rebuild(old, &root, changes, false, out)?.value(0);
    let header = value.as_ref().and_then(|value| BucketHeader::parse(value));
    Ok(header.map(|header| header.root))
}

/// The new value of a bucket; `None` when it does not change.
fn build_bucket(
    old: Checked<'_>,
    name: &[u8],
    value: Option<Vec<u8>>,
    change: &BucketChange,
    repack: Repack<'_>,
    out: &mut NodeWriter<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut edits = change.in_order();
    while let Some((key, edit)) = edits.peek() {
        if edit.is_some() {
            valid_key(key)?;
        }
        edits.advance();
    }
    let changes = TreeChanges {
        of_buckets: false,
        edits: change.in_order(),
        transform: change.transform.as_deref(),
        repack,
        depth: 0,
    };
    let Some(value) = value.map(Zeroizing::new) else {
        if !change.create {
            return Err(no_such_bucket(name));
        }
        return Ok(rebuild(old, &Source::Nothing, changes, true, out)?.value(0));
    };
    let (header, content) = bucket(&value, PageId(0), 0)
        .map_err(|defect| Error::new(ErrorKind::Corrupt, defect.message))?;
    let source = match content {
        BucketContent::Tree(root) => Source::Tree(root),
        BucketContent::Inline(node, _) => Source::Inline(node),
    };
    let rebuilt = rebuild(old, &source, changes, true, out)?;
    // A bucket with its own tree has nothing but a header. Bytes after it are not used.
    let trailing = header.root != PageId(0) && value.len() > BUCKET_HEADER;
    match (rebuilt, repack) {
        (Rebuilt::Same, Repack::Nodes(_)) if trailing => {
            Ok(Some(Zeroizing::new(header.encode().to_vec())))
        }
        (rebuilt, _) => Ok(rebuilt.value(header.sequence)),
    }
}

/// Writes the list of all pages that are not `used`. Returns its own pages and the page numbers
/// in it.
fn write_freelist(
    out: &mut NodeWriter<'_>,
    used: impl Fn(PageId) -> bool,
) -> Result<(Range<u64>, Vec<u64>)> {
    let page_size = out.page_size() as u64;
    let free = |end: u64| (2..end).filter(|page| !used(PageId(*page))).count() as u64;
    let mut pages = freelist_size(free(out.end()) + 1).div_ceil(page_size);
    loop {
        // Pages allocated for the list are no longer in it, or they extend the file, perhaps past
        // protected pages, which are added to the list then.
        let span = out.reserve(pages);
        let span = span.0..span.0 + pages;
        let ids: Vec<u64> = (2..out.end())
            .filter(|page| !used(PageId(*page)) && !span.contains(page))
            .collect();
        let needed = freelist_size(ids.len() as u64).div_ceil(page_size);
        if needed <= pages {
            let overflow = u32::try_from(pages - 1).unwrap_or(u32::MAX);
            out.image_at(PageId(span.start), pages, |page, image| {
                image.extend(freelist(page, overflow, &ids));
            })?;
            return Ok((span, ids));
        }
        pages = needed;
    }
}

/// Verifies that the new tree has every edit.
///
/// # Errors
/// [`ErrorKind::Io`] when it does not, or when the file can't be read.
fn verify_edits(file: PageFile, next: &Meta, changes: &ChangeSet) -> Result<()> {
    let path = file.path().to_path_buf();
    let metas = Metas {
        slots: [Ok(*next), Ok(*next)],
        current: *next,
        other: None,
    };
    let new = Bolt::by(file, metas);
    for (name, change) in changes.buckets() {
        let exists = new.bucket_value(name)?.is_some();
        let mut right = exists != change.delete || (!exists && !change.create);
        if !change.delete {
            right &= if change.additions.is_some() {
                has_all_edits(&new, name, change)?
            } else {
                has_each_edit(&new, name, change)?
            };
        }
        if !right {
            let name = crate::store::bolt::read::named(name);
            return Err(Error::new(
                ErrorKind::Io,
                format!(
                    "{name} does not read back from {} as it was written",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}

/// Looks up each edit. For few edits.
fn has_each_edit(new: &Bolt, name: &[u8], change: &BucketChange) -> Result<bool> {
    let mut edits = change.in_order();
    while let Some((key, edit)) = edits.peek() {
        let found = new.get(name, key)?.map(Zeroizing::new);
        if found.as_ref().map(|value| value.as_slice()) != edit {
            return Ok(false);
        }
        edits.advance();
    }
    Ok(true)
}

/// Compares the edits with the whole bucket in one pass. For many edits.
fn has_all_edits(new: &Bolt, name: &[u8], change: &BucketChange) -> Result<bool> {
    let mut edits = change.in_order();
    let mut right = true;
    let findings = new.scan(name, &mut |key, value| {
        while let Some((_, edit)) = edits.peek_below(Some(key)) {
            right &= edit.is_none();
            edits.advance();
        }
        if let Some((_, edit)) = edits.peek().filter(|(edited, _)| *edited == key) {
            right &= edit == Some(value);
            edits.advance();
        }
        if right {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    while let Some((_, edit)) = edits.peek() {
        right &= edit.is_none();
        edits.advance();
    }
    Ok(right && findings.is_empty())
}

/// The number of the next transaction that bolt would write to the other slot: even numbers go to
/// slot 0, odd ones to slot 1.
///
/// # Errors
/// [`ErrorKind::Refused`] when the numbers are used up.
fn next_txid(meta: &Meta) -> Result<TxId> {
    let slot = 1 - meta.slot;
    let next = meta.txid.0.checked_add(1);
    let fitting = next.and_then(|next| next.checked_add((next ^ slot) & 1));
    // The second meta takes one number more.
    match fitting.filter(|txid| *txid < u64::MAX) {
        Some(txid) => Ok(TxId(txid)),
        None => Err(Error::new(
            ErrorKind::Refused,
            format!("transaction number {} is the highest possible", meta.txid),
        )),
    }
}

/// The pages in `range` for which `wanted` is true, as ranges.
fn runs(range: Range<u64>, wanted: impl Fn(PageId) -> bool) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for page in range.filter(|page| wanted(PageId(*page))) {
        match runs.last_mut() {
            Some(run) if run.end == page => run.end += 1,
            _ => runs.push(page..page + 1),
        }
    }
    runs
}

/// A view of the current content of the file.
fn view(file: &PageFile, device: &Arc<dyn Device>) -> Result<PageFile> {
    let view = View::new(Arc::clone(device)).map_err(|cause| failed(file, "read", &cause))?;
    Ok(PageFile::new(Box::new(view), file.path(), file.page_size()))
}

fn grow(file: &PageFile, device: &dyn Device, wanted: u64) -> Result<()> {
    let length = device
        .length()
        .map_err(|cause| failed(file, "read", &cause))?;
    if length < wanted {
        device
            .set_length(wanted)
            .map_err(|cause| failed(file, "extend", &cause))?;
    }
    Ok(())
}

fn sync(file: &PageFile, device: &dyn Device) -> Result<()> {
    device.sync().map_err(|cause| failed(file, "sync", &cause))
}

fn failed(file: &PageFile, action: &str, cause: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("can't {action} {}: {cause}", file.path().display()),
    )
}
