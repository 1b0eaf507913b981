//! Changing a bolt file in place: one transaction, the way the server itself would make it.
//!
//! `docs/design.md` argues step by step why a crash at any moment leaves the old contents or the
//! new ones. In short: nothing that the current meta reaches is written, until the new meta
//! stands in the other slot and is on disk.
//!
//! | module | knows |
//! | --- | --- |
//! | [`rebuild`] | one bucket: the old tree merged with what changes |
//! | [`pack`], [`encode`] | elements into nodes, nodes into pages |
//! | [`space`] | which pages may be written |
//! | [`wipe`] | overwriting what is no longer used |
//! | [`create`], [`load`] | a new file, laid out in one pass |

mod create;
mod encode;
mod load;
mod pack;
mod rebuild;
mod space;
mod wipe;

pub(super) use create::new_frame;
pub use create::{USUAL_PAGE_SIZE, create};

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Severity;
use crate::store::bolt::Bolt;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::check::{Examined, examine, shared_with_tree};
use crate::store::bolt::codes::{Code, Report};
use crate::store::bolt::freelist::{Freelist, read as read_freelist};
use crate::store::bolt::layout::{NO_FREELIST, PageId, TxId, all_zero};
use crate::store::bolt::meta::{Meta, Metas};
use crate::store::bolt::node::{BucketHeader, Content, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::survey::survey;
use crate::store::bolt::territories::Territories;
use crate::store::bolt::unused::unused;
use crate::store::bolt::write::encode::{freelist, freelist_size};
use crate::store::bolt::write::pack::NodeWriter;
use crate::store::bolt::write::rebuild::{Checked, Source, TreeChanges, rebuild};
use crate::store::bolt::write::space::{Space, contains, pages_of};
use crate::store::change::{BucketChange, Edit, no_such_bucket, valid_key};
use crate::store::device::View;
use crate::store::edits::Edits;
use crate::store::{ChangeSet, CommitOutcome, Committed, Device, Precious, Snapshot, Unused, Wipe};

/// Makes `changes` in the file that `bolt` was opened on and `device` writes to, entirely or not
/// at all. The lock is held, and everything written before is on disk (S0).
///
/// # Errors
/// When the change was certainly not made.
pub(super) fn commit(
    bolt: &Bolt,
    device: &Arc<dyn Device>,
    changes: &ChangeSet,
    protected: &Precious,
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
    /// Meta pages whose unused bytes show something protected.
    precious_metas: Vec<u64>,
    /// Pages that the old tree or freelist used and the new one does not, and that may be wiped.
    freed: Vec<Range<u64>>,
}

/// Steps S1 to S4: everything short of a meta that leads to it. Nothing to do gives `None`.
fn prepare(
    bolt: &Bolt,
    device: &Arc<dyn Device>,
    changes: &ChangeSet,
    protected: &Precious,
) -> Result<Option<Prepared>> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    let examined = examine(bolt)?;
    refuse_damage(file, &examined.report)?;

    let used = &examined.survey.used;
    let taken = |page: PageId| {
        used.has(page)
            || examined.list.stands_in(page)
            || examined.other.as_ref().is_some_and(|other| other.has(page))
    };
    let protected = pages_of(protected, file.page_size() as u64);
    let space = Space::new(meta.hwm.0, |page| !taken(page), protected.clone());
    let dirt = Dirt::before(bolt, changes, used)?;
    let mut out = NodeWriter::new(file, &**device, space);
    let root = match build(bolt, &examined, changes, dirt == Dirt::Live, &mut out)? {
        Some(root) => root,
        None if dirt == Dirt::Unused => meta.root,
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
    let new_survey = survey(&new, &next, None, None)?;
    refuse_own(file, &new_survey.report)?;
    let new_used = &new_survey.used;

    let (list, ids) = write_freelist(&mut out, |page| new_used.has(page))?;
    out.flush()?;
    if out.end() > meta.hwm.0 {
        let wanted = file.offset(PageId(out.end() + 1));
        grow(file, &**device, wanted)?; // S1
    }
    sync(file, &**device)?; // S3

    // S4, the rest: what was written reads back, and the freelist says what it should.
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
        (everything || used.has(page) || examined.list.stands_in(page))
            && !new_used.has(page)
            && !list.contains(&page.0)
            && !contains(&protected, page.0)
    });
    verify_edits(new, &next, changes)?;

    Ok(Some(Prepared {
        next,
        precious_metas: vec![0, 1]
            .into_iter()
            .filter(|page| contains(&protected, *page))
            .collect(),
        freed,
    }))
}

impl Prepared {
    /// Steps S5 to S10: the meta that makes the change hold, then the other one, then wiping.
    fn commit(&self, bolt: &Bolt, device: &dyn Device) -> Committed {
        let file = &bolt.file;
        let path = file.path().display();
        let incomplete = |message: String| {
            Some(
                Error::new(ErrorKind::Incomplete, message)
                    .with_hint("boltkey status tells what the file holds now"),
            )
        };
        if let Err(cause) = self.write_meta(file, device, &self.next) {
            return Committed {
                outcome: CommitOutcome::Unknown,
                failure: incomplete(format!(
                    "writing to {path} failed at the very moment of commit: {cause}; the change \
                     may or may not hold, and the file is whole either way"
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
                wipe::wipe(file, device, &self.freed)
                    .map_err(|why| format!("old versions of what was changed are left: {why}"))
            });
        Committed {
            outcome: CommitOutcome::Changed,
            failure: rest.err().and_then(|why| {
                incomplete(format!(
                    "the change to {path} is committed and holds, but {why}; unused parts of the \
                     file may still show the records as they were"
                ))
            }),
        }
    }

    /// Writes `meta` into its slot, and syncs it to disk. The rest of the page is filled with
    /// zeros unless it shows something protected.
    fn write_meta(&self, file: &PageFile, device: &dyn Device, meta: &Meta) -> std::io::Result<()> {
        let mut page = meta.encode().to_vec();
        if !self.precious_metas.contains(&meta.slot) {
            page.resize(file.page_size(), 0);
        }
        device.write_all_at(&page, file.offset(PageId(meta.slot)))?;
        device.sync()
    }
}

/// Where there are bytes that nothing uses and that are not zero, as far as they matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dirt {
    /// Nowhere, or it is not to be scrubbed.
    None,
    /// In pages that are not used, but in none that is.
    Unused,
    /// Perhaps in pages that are used as well, behind or between what counts in them.
    Live,
}

impl Dirt {
    fn before(bolt: &Bolt, changes: &ChangeSet, used: &Bitmap) -> Result<Self> {
        if changes.wipe != Wipe::Everything {
            return Ok(Self::None);
        }
        if changes.buckets().next().is_some() {
            return Ok(Self::Live);
        }
        let page_size = bolt.file.page_size() as u64;
        let mut dirt = Self::None;
        unused(bolt, &mut |unused| {
            let Unused::Run { offset, bytes, .. } = unused else {
                return;
            };
            let mut at = offset;
            let end = offset + bytes.len() as u64;
            while at < end && dirt != Self::Live {
                let page = at / page_size;
                let next = ((page + 1) * page_size).min(end);
                let piece = usize::try_from(at - offset)
                    .ok()
                    .zip(usize::try_from(next - offset).ok());
                let piece = piece.and_then(|(from, to)| bytes.get(from..to));
                if !all_zero(piece.unwrap_or_default()) {
                    dirt = if used.has(PageId(page)) {
                        Self::Live
                    } else {
                        Self::Unused
                    };
                }
                at = next;
            }
        })?;
        Ok(dirt)
    }
}

/// Refuses to write to a file whose structure is damaged.
fn refuse_damage(file: &PageFile, report: &Report) -> Result<()> {
    let truncated = report.has_code(Code::Truncated) || report.has_code(Code::ShortPage);
    if !truncated && !report.has(Severity::Error) {
        return Ok(());
    }
    let path = file.path().display();
    let why = if report.has(Severity::Error) {
        "its structure is damaged"
    } else {
        "its end is missing"
    };
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("{path} can't be changed: {why}"),
    )
    .with_hint("boltkey check names the pages; restore a backup, or work on a copy of the file"))
}

/// Refuses to commit a tree of our own that does not read back as it should.
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
    .with_hint("the disk may be failing: copy the file to another one and try there")
}

/// Builds the new version of every bucket that changes, of all of them if the file is to be
/// written anew as a `whole`, and then of the root bucket. The page of the new root, or `None`
/// when nothing changes.
fn build(
    bolt: &Bolt,
    examined: &Examined<'_>,
    changes: &ChangeSet,
    whole: bool,
    out: &mut NodeWriter<'_>,
) -> Result<Option<PageId>> {
    let old = Checked {
        file: &bolt.file,
        hwm: bolt.metas.current.hwm,
        balanced: examined.survey.balanced,
    };
    let mut elements: BTreeMap<Vec<u8>, Edit> = BTreeMap::new();
    for (name, change) in changes.buckets() {
        let value = bolt.bucket_value(name)?;
        if change.delete {
            if value.is_some() {
                elements.insert(name.to_vec(), None);
            }
        } else if let Some(value) = build_bucket(old, name, value, change, whole, out)? {
            elements.insert(name.to_vec(), Some(value));
        }
    }
    if elements.is_empty() && !whole {
        return Ok(None);
    }
    let changes = TreeChanges {
        of_buckets: true,
        edits: Edits::new(&elements, None),
        transform: None,
        repack: whole,
        depth: 0,
    };
    let root = Source::Tree(bolt.metas.current.root);
    let value = rebuild(old, &root, changes, false, out)?.value(0);
    let header = value.as_ref().and_then(|value| BucketHeader::parse(value));
    Ok(header.map(|header| header.root))
}

/// The new value of a bucket; none when it stays as it is.
fn build_bucket(
    old: Checked<'_>,
    name: &[u8],
    value: Option<Vec<u8>>,
    change: &BucketChange,
    whole: bool,
    out: &mut NodeWriter<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut edits = Edits::of(change);
    while let Some((key, edit)) = edits.peek() {
        if edit.is_some() {
            valid_key(key)?;
        }
        edits.advance();
    }
    let changes = TreeChanges {
        of_buckets: false,
        edits: Edits::of(change),
        transform: change.transform.as_deref(),
        repack: whole,
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
        Content::Tree(root) => Source::Tree(root),
        Content::Inline(node, _) => Source::Inline(node),
    };
    Ok(rebuild(old, &source, changes, true, out)?.value(header.sequence))
}

/// Writes the list of all pages that are not `used`. Returns where it stands, and its numbers.
fn write_freelist(
    out: &mut NodeWriter<'_>,
    used: impl Fn(PageId) -> bool,
) -> Result<(Range<u64>, Vec<u64>)> {
    let page_size = out.page_size() as u64;
    let free = |end: u64| (2..end).filter(|page| !used(PageId(*page))).count() as u64;
    let mut pages = freelist_size(free(out.end()) + 1).div_ceil(page_size);
    loop {
        // To take pages for the list makes it shorter, or lets the file grow, perhaps past
        // protected pages, which then have to be listed too.
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

/// Everything that was to be put or removed is so in the new tree.
fn verify_edits(file: PageFile, next: &Meta, changes: &ChangeSet) -> Result<()> {
    let path = file.path().to_path_buf();
    let new = Bolt {
        file,
        metas: Metas {
            slots: [Ok(*next), Ok(*next)],
            current: *next,
            other: None,
        },
        notices: Vec::new(),
        top_level: OnceLock::new(),
        territories: Territories::default(),
        surveyed: OnceLock::new(),
    };
    for (name, change) in changes.buckets() {
        let exists = new.bucket_value(name)?.is_some();
        let mut right = exists != change.delete || (!exists && !change.create);
        if !change.delete {
            right &= if change.additions.is_some() {
                holds_all(&new, name, change)?
            } else {
                holds_each(&new, name, change)?
            };
        }
        if !right {
            let name = crate::store::bolt::read::named(name);
            return Err(Error::new(
                ErrorKind::Io,
                format!(
                    "{name} does not read back from {} as it was changed",
                    path.display()
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a few edits hold: each one is looked up.
fn holds_each(new: &Bolt, name: &[u8], change: &BucketChange) -> Result<bool> {
    let mut edits = Edits::of(change);
    while let Some((key, edit)) = edits.peek() {
        let found = new.get(name, key)?.map(Zeroizing::new);
        if found.as_ref().map(|value| value.as_slice()) != edit {
            return Ok(false);
        }
        edits.advance();
    }
    Ok(true)
}

/// Whether many edits hold: the bucket is read from end to end beside them.
fn holds_all(new: &Bolt, name: &[u8], change: &BucketChange) -> Result<bool> {
    let mut edits = Edits::of(change);
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

/// The transaction number for the meta in the slot that is not the current one's: the next one
/// that belongs there, as Bolt numbers them.
fn next_txid(meta: &Meta) -> Result<TxId> {
    let slot = 1 - meta.slot;
    let next = meta.txid.0.checked_add(1);
    let fitting = next.and_then(|next| next.checked_add((next ^ slot) & 1));
    // One more is needed for the other slot.
    match fitting.filter(|txid| *txid < u64::MAX) {
        Some(txid) => Ok(TxId(txid)),
        None => Err(Error::new(
            ErrorKind::Refused,
            format!("transaction number {} leaves no higher one", meta.txid),
        )),
    }
}

/// Runs of pages in `range` that `wanted` takes.
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

/// The file as it is now.
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
