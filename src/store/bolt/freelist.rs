//! The freelist: the pages that bolt would allocate next.

use std::ops::{ControlFlow, Range};

use crate::error::Result;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::layout::{
    FREELIST, HEADER, Header, NO_FREELIST, PageId, header_at, meta_at, u64_at,
};
use crate::store::bolt::meta::Meta;
use crate::store::bolt::pages::PageFile;

/// A stored freelist.
pub(super) struct List {
    /// The pages that it is stored in.
    pub(super) span: Range<u64>,
    /// Where in the file its last page number ends.
    pub(super) end: u64,
    /// The pages that it lists, without numbers out of bounds.
    pub(super) free: Bitmap,
    /// How many of its numbers are valid.
    pub(super) count: u64,
}

/// The freelist of a meta.
pub(super) enum Freelist {
    /// Not stored: every page that is not reachable is free.
    Absent,
    /// Not readable; the report has the reason.
    Damaged,
    /// Readable; the report has the numbers that are wrong.
    Stored(List),
}

impl Freelist {
    /// Whether it is stored in `page`.
    pub(super) fn is_stored_in(&self, page: PageId) -> bool {
        matches!(self, Self::Stored(list) if list.span.contains(&page.0))
    }
}

/// Reads the freelist of `meta`. Adds what is wrong with it to `report`.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn read(file: &PageFile, meta: &Meta, report: &mut Report) -> Result<Freelist> {
    if meta.freelist == NO_FREELIST {
        let defect = meta.defect(
            file,
            Code::FreelistAbsent,
            meta_at::FREELIST,
            "no freelist is stored".into(),
        );
        report.add(defect, None);
        return Ok(Freelist::Absent);
    }
    let (span, ids) = match locate(file, meta)? {
        Ok(valid) => valid,
        Err(defect) => {
            report.add(defect, None);
            return Ok(Freelist::Damaged);
        }
    };
    let mut list = List {
        span,
        end: ids.end,
        free: Bitmap::new(meta.hwm.0.min(file.pages())),
        count: 0,
    };
    let mut previous = 0;
    file.stream(ids.start, ids.end, |piece, offset| {
        let numbers = piece.as_chunks::<8>().0.iter().zip((offset..).step_by(8));
        for (id, at) in numbers {
            let id = u64::from_le_bytes(*id);
            if let Some((code, why)) = list.add(id, previous, meta.hwm, file) {
                report.count_in(code, None, || {
                    let page = PageId(at / file.page_size() as u64);
                    let message = format!("the freelist lists page {id}, {why}");
                    Defect::new(code, page, at, message)
                });
            }
            previous = id;
        }
        ControlFlow::Continue(())
    })?;
    Ok(Freelist::Stored(list))
}

impl List {
    /// Adds a page number of the list. Returns what is wrong with it, if something is.
    fn add(
        &mut self,
        id: u64,
        previous: u64,
        hwm: PageId,
        file: &PageFile,
    ) -> Option<(Code, &'static str)> {
        if id < 2 {
            return Some((Code::FreelistBounds, "a meta page"));
        }
        if id >= hwm.0 {
            return Some((Code::FreelistBounds, "not below the high-water mark"));
        }
        if self.span.contains(&id) {
            return Some((Code::FreelistSelf, "where the list itself is stored"));
        }
        if id < file.pages() && !self.free.insert(PageId(id)) || id == previous {
            return Some((Code::FreelistDuplicate, "which it lists twice"));
        }
        self.count += 1;
        (id < previous).then_some((Code::FreelistOrder, "out of order"))
    }
}

/// The pages of a freelist, and the bytes of its page numbers in the file.
type Location = (Range<u64>, Range<u64>);

/// Finds the freelist. All numbers of the result are in bounds.
fn locate(file: &PageFile, meta: &Meta) -> Result<Result<Location, Defect>> {
    let page = PageId(meta.freelist);
    let refused = |why: &str| {
        let message = format!("the freelist should be at page {page}, {why}");
        Ok(Err(meta.defect(
            file,
            Code::FreelistPage,
            meta_at::FREELIST,
            message,
        )))
    };
    if page.0 < 2 {
        return refused("a meta page");
    }
    if page >= meta.hwm {
        return refused("not below the high-water mark");
    }
    let base = file.offset(page);
    // The header, and the count of a list with 65,535 numbers or more.
    let mut start = [0; HEADER + 8];
    if page.0 >= file.pages() || file.present(base, start.len()) < start.len() {
        return refused("beyond the end of the file");
    }
    file.read(&mut start, base)?;
    let wrong = |code, at, message: String| Ok(Err(Defect::new(code, page, base + at, message)));
    let Some(header) = Header::parse(&start) else {
        return refused("beyond the end of the file");
    };
    if header.id != page || header.flags != FREELIST {
        let (id, flags) = (header.id, header.flags);
        return wrong(
            Code::FreelistPage,
            0,
            format!("the freelist's header has the number {id} and the flags {flags:#06x}"),
        );
    }
    let last = page.0 + u64::from(header.overflow);
    if last >= meta.hwm.0 || last >= file.pages() {
        let what = "the high-water mark or the end of the file";
        return wrong(
            Code::FreelistPage,
            header_at::OVERFLOW as u64,
            format!("the freelist reaches to page {last}, beyond {what}"),
        );
    }
    let (count, first) = if header.count == u16::MAX {
        let count = u64_at(&start, HEADER).unwrap_or(u64::MAX);
        (count, base + HEADER as u64 + 8)
    } else {
        (u64::from(header.count), base + HEADER as u64)
    };
    let end = file.offset(PageId(last + 1)).min(file.size());
    let room = end.saturating_sub(first) / 8;
    if count > room {
        let message = format!("{count} page numbers do not fit, there is room for {room}");
        return wrong(Code::FreelistCount, header_at::COUNT as u64, message);
    }
    Ok(Ok((page.0..last + 1, first..first + 8 * count)))
}
