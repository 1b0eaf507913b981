//! The structure check: every invariant of the format, including those that bolt never checks.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Severity, counted};
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::freelist::{Freelist, List};
use crate::store::bolt::layout::{PageId, all_zero, meta_at};
use crate::store::bolt::meta::{Flaw, Meta, Metas};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::reachability::{Reachability, Walk, find_reachable};
use crate::store::bolt::{Bolt, freelist};
use crate::store::{Pages, StructureCheck};

/// Checks everything that the current meta reaches, the freelist, the other meta and the tail.
pub(super) fn check(bolt: &Bolt) -> Result<StructureCheck> {
    let Examined { report, pages, .. } = examine(bolt)?;
    Ok(StructureCheck {
        findings: report.clone().into_findings(),
        pages: pages.clone(),
    })
}

/// The result of a check, and who uses which pages.
pub(super) struct Examined {
    pub(super) report: Report,
    pub(super) pages: Pages,
    pub(super) list: Freelist,
    /// The pages that only the other meta uses, if nothing of it is damaged.
    pub(super) other: Option<PagesOfMeta>,
}

/// The pages that a meta uses.
pub(super) struct PagesOfMeta {
    used: Bitmap,
    list: Freelist,
}

impl PagesOfMeta {
    pub(super) fn has(&self, page: PageId) -> bool {
        self.used.has(page) || self.list.is_stored_in(page)
    }
}

/// Checks everything, once for as long as the file is open.
pub(super) fn examine(bolt: &Bolt) -> Result<&Examined> {
    if let Some(known) = bolt.examined.get() {
        return Ok(known);
    }
    let found = examine_anew(bolt)?;
    Ok(bolt.examined.get_or_init(|| found))
}

fn examine_anew(bolt: &Bolt) -> Result<Examined> {
    let (file, metas) = (&bolt.file, &bolt.metas);
    let meta = &metas.current;
    let reachability = bolt.reachability()?;
    let mut report = reachability.report.clone();
    let mut pages = reachability.pages.clone();
    check_metas(file, metas, report.count(Severity::Error), &mut report);

    let used = &reachability.used;
    pages.page_size = file.page_size() as u64;
    pages.allocated = meta.hwm.0;
    pages.tail_bytes = file.size().saturating_sub(file.offset(meta.hwm));
    let list = freelist::read(file, meta, &mut report)?;
    if let Freelist::Stored(list) = &list {
        pages.freelist = list.span.end - list.span.start;
        pages.free = list.count;
        shared_with_tree(file, list, |page| used.has(page), &mut report);
        let end = file.offset(PageId(list.span.end)).min(file.size());
        if let Some(at) = first_nonzero(file, list.end, end)? {
            let page = PageId(list.span.start);
            let message = "bytes after the freelist's last number are not zero";
            report.add(Defect::new(Code::Slack, page, at, message), None);
        }
    }
    count_rest(
        file,
        meta,
        &list,
        |page| used.has(page),
        &mut pages,
        &mut report,
    );
    let other = match &metas.other {
        Some(other) => check_other_meta(file, other, &reachability.heads, &mut report)?,
        None => None,
    };
    check_unreferenced_bytes(file, meta, &mut report)?;
    Ok(Examined {
        report,
        pages,
        list,
        other,
    })
}

/// Checks the two meta pages. The tree of the current one has `errors` errors.
pub(super) fn check_metas(file: &PageFile, metas: &Metas, errors: u64, report: &mut Report) {
    let current = &metas.current;
    let whole = if errors == 0 {
        String::from("its tree is intact")
    } else {
        format!("its tree is damaged in {}", counted(errors, "place"))
    };
    let in_use = format!(
        "meta page {} of transaction {} is used; {whole}, and it may be one transaction older",
        current.slot, current.txid
    );
    for (slot, found) in (0..).zip(&metas.slots) {
        let page = PageId(slot);
        let add = |code, at: usize, message: String, report: &mut Report| {
            let offset = file.offset(page).saturating_add(at as u64);
            report.add(Defect::new(code, page, offset, message), None);
        };
        match found {
            Ok(meta) => {
                if !meta.header_ok {
                    let message = format!("the page header of meta page {slot} is wrong");
                    add(Code::MetaHeader, 0, message, report);
                }
                if meta.txid.0 % 2 != slot {
                    let message = format!("transaction {} is in slot {slot}", meta.txid);
                    add(Code::MetaParity, meta_at::TXID, message, report);
                }
                if meta.page_size != file.page_size() as u64 {
                    let code = if slot == current.slot {
                        Code::MetaPageSize
                    } else {
                        Code::OtherMetaPageSize
                    };
                    let (here, laid_out) = (meta.page_size, file.page_size());
                    let message = format!("page size {here}, but the file's is {laid_out}");
                    add(code, meta_at::PAGE_SIZE, message, report);
                }
            }
            Err(flaw) => {
                let message = format!("meta page {slot} {flaw}; {in_use}");
                add(Code::OlderMeta, 0, message, report);
                if let Flaw::Checksum(0, _) = flaw {
                    let message = format!("bbolt 1.3.6 would accept meta page {slot}");
                    add(Code::MetaChecksumZero, meta_at::CHECKSUM, message, report);
                }
            }
        }
    }
    if let Some(passed) = metas.passed_over() {
        let (slot, root) = (passed.slot, passed.root);
        let message = format!("meta page {slot} names page {root} as its root; {in_use}");
        report.add(
            passed.defect(file, Code::OlderMeta, meta_at::ROOT, message),
            None,
        );
    }
    let broken = [Some(current), metas.passed_over()];
    for meta in broken.into_iter().flatten() {
        if !meta.has_root(file) {
            let (slot, root) = (meta.slot, meta.root);
            let message = format!("meta page {slot} names page {root} as its root");
            report.add(
                meta.defect(file, Code::MetaRoot, meta_at::ROOT, message),
                None,
            );
        }
    }
    if metas.other.is_some_and(|other| other.txid == current.txid) {
        let message = format!("both metas have transaction {}", current.txid);
        report.add(
            current.defect(file, Code::MetaTwins, meta_at::TXID, message),
            None,
        );
    }
    if !file.page_size().is_power_of_two() {
        let message = format!("the page size is {} bytes", file.page_size());
        report.add(
            current.defect(file, Code::OddPageSize, meta_at::PAGE_SIZE, message),
            None,
        );
    }
}

/// Reports pages that a tree uses and that the freelist lists or is stored in.
pub(super) fn shared_with_tree(
    file: &PageFile,
    list: &List,
    used: impl Fn(PageId) -> bool,
    report: &mut Report,
) {
    for page in list.span.clone().map(PageId).filter(|page| used(*page)) {
        let message = format!("the freelist is stored in page {page}, which a tree uses");
        report.add(
            Defect::new(Code::PageShared, page, file.offset(page), message),
            None,
        );
    }
    for page in (2..file.pages()).map(PageId) {
        if list.free.has(page) && used(page) {
            let code = Code::FreelistLive;
            report.count_in(code, None, || {
                let message = format!("page {page} is in use and on the freelist");
                Defect::new(code, page, file.offset(page), message)
            });
        }
    }
}

/// Counts pages that no tree uses and the freelist does not list. They are reported as leaked only
/// if the freelist is stored and readable.
fn count_rest(
    file: &PageFile,
    meta: &Meta,
    list: &Freelist,
    used: impl Fn(PageId) -> bool,
    pages: &mut Pages,
    report: &mut Report,
) {
    let damaged = report.has(Severity::Error);
    let limit = meta.hwm.0.min(file.pages());
    let rest = |page: u64| {
        let page = PageId(page);
        let listed = match list {
            Freelist::Stored(list) => list.span.contains(&page.0) || list.free.has(page),
            Freelist::Absent | Freelist::Damaged => false,
        };
        !listed && !used(page)
    };
    let mut page = 2;
    while page < limit {
        let first = page;
        while page < limit && rest(page) {
            page += 1;
        }
        let run = page - first;
        match list {
            _ if run == 0 => {}
            Freelist::Absent => pages.free += run,
            Freelist::Damaged => pages.leaked += run,
            Freelist::Stored(_) => {
                pages.leaked += run;
                let lost = match (damaged, run) {
                    (false, _) => "",
                    (true, 1) => "; it may contain records of the damaged parts",
                    (true, _) => "; they may contain records of the damaged parts",
                };
                let message = if run == 1 {
                    format!("page {first} is neither in use nor on the freelist{lost}")
                } else {
                    let last = page - 1;
                    format!("pages {first} to {last} are neither in use nor on the freelist{lost}")
                };
                let (first, code) = (PageId(first), Code::Leaked);
                report.add(Defect::new(code, first, file.offset(first), message), None);
            }
        }
        page += 1;
    }
}

/// Checks the freelist of the other meta and the part of its tree that the current meta does not
/// use. If they have no errors, returns the pages that only the other meta uses.
fn check_other_meta(
    file: &PageFile,
    other: &Meta,
    heads: &Bitmap,
    report: &mut Report,
) -> Result<Option<PagesOfMeta>> {
    if other.page_size != file.page_size() as u64 {
        return Ok(None);
    }
    let Reachability {
        used,
        report: mut found,
        ..
    } = find_reachable(
        file,
        other,
        Walk {
            known: Some(heads.clone()),
            ..Walk::default()
        },
    )?;
    let list = freelist::read(file, other, &mut found)?;
    if let Freelist::Stored(list) = &list {
        shared_with_tree(file, list, |page| used.has(page), &mut found);
    }
    let errors = found.count(Severity::Error);
    if errors == 0 {
        return Ok(Some(PagesOfMeta { used, list }));
    }
    let first = found
        .into_findings()
        .into_iter()
        .find(|finding| finding.severity == Severity::Error)
        .map_or_else(String::new, |finding| {
            format!(", first at {}: {}", finding.place, finding.message)
        });
    let (slot, txid) = (other.slot, other.txid);
    let message = format!(
        "meta page {slot}, transaction {txid}, is damaged in {}{first}",
        counted(errors, "place")
    );
    report.add(other.defect(file, Code::OtherMeta, 0, message), None);
    Ok(None)
}

/// Checks the length of the file and the bytes outside all nodes.
fn check_unreferenced_bytes(file: &PageFile, meta: &Meta, report: &mut Report) -> Result<()> {
    let end = file.offset(meta.hwm);
    if file.size() < end {
        let missing = end - file.size();
        let page = PageId(file.size() / file.page_size() as u64);
        let hwm = meta.hwm;
        let message = format!("{missing} bytes below the high-water mark {hwm} are missing");
        report.add(
            Defect::new(Code::Truncated, page, file.size(), message),
            None,
        );
    }
    if let Some(at) = first_nonzero(file, end, file.size())? {
        let page = PageId(at / file.page_size() as u64);
        let message = "bytes beyond the high-water mark are not zero";
        report.add(Defect::new(Code::Tail, page, at, message), None);
    }
    for slot in [PageId(0), PageId(1)] {
        let start = file.offset(slot);
        let end = file.offset(PageId(slot.0 + 1)).min(file.size());
        if let Some(at) = first_nonzero(file, start + meta_at::END as u64, end)? {
            let message = format!("bytes after meta {slot} are not zero");
            report.add(Defect::new(Code::Slack, slot, at, message), None);
        }
    }
    Ok(())
}

/// Where the first byte is that is not zero.
fn first_nonzero(file: &PageFile, from: u64, to: u64) -> Result<Option<u64>> {
    let mut found = None;
    file.stream(from, to, |piece, offset| {
        if all_zero(piece) {
            return ControlFlow::Continue(());
        }
        let at = piece.iter().position(|byte| *byte != 0).unwrap_or_default();
        found = Some(offset + at as u64);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
