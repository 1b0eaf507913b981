//! Validating the header of one node, then reading the node.

use crate::error::Result;
use crate::store::bolt::batch::Batch;
use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::layout::{
    ELEMENT, HEADER, Header, LONGEST_NODE, PageId, all_zero, header_at,
};
use crate::store::bolt::node::{Kind, Node};

/// Where the number of a page was read, for messages.
#[derive(Clone, Copy)]
pub(super) struct Reference {
    /// The page that has the reference.
    pub(super) page: PageId,
    /// Where the reference is, in bytes from the start of the file.
    pub(super) offset: u64,
}

impl Reference {
    /// A defect of the reference to `page` that was read here.
    pub(super) fn defect(self, page: PageId, code: Code, why: &str) -> Defect {
        let message = format!("refers to page {page}, {why}");
        Defect::new(code, self.page, self.offset, message)
    }
}

/// Why `page` can't be a node, if its number is out of bounds in a file of `pages` pages.
pub(super) fn out_of_bounds(page: PageId, hwm: PageId, pages: u64) -> Option<(Code, String)> {
    if page.0 < 2 {
        Some((Code::PageBounds, "a meta page".into()))
    } else if page >= hwm {
        let why = format!("not below the high-water mark {hwm}");
        Some((Code::PageBounds, why))
    } else if page.0 >= pages {
        Some((Code::PageMissing, "beyond the end of the file".into()))
    } else {
        None
    }
}

/// Reads and validates the header of the node at `page`, to which `from` refers. If there is no
/// defect, the number, type, overflow and count of the node are in bounds.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn validate(
    batch: &mut Batch<'_>,
    page: PageId,
    hwm: PageId,
    from: Reference,
) -> Result<Result<(Header, Kind), Defect>> {
    let file = batch.file();
    if let Some((code, why)) = out_of_bounds(page, hwm, file.pages()) {
        return Ok(Err(from.defect(page, code, &why)));
    }
    let bytes = batch.bytes(page, 1)?;
    let Some(header) = Header::parse(bytes) else {
        let why = "whose header lies beyond the end of the file";
        return Ok(Err(from.defect(page, Code::PageMissing, why)));
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
            header_at::FLAGS as u64,
            format!("the flags {flags:#06x} are neither a branch's nor a leaf's"),
        );
    };
    // No overflow: the page is in the file, and the overflow field has 32 bits.
    let last = page.0 + u64::from(header.overflow);
    if last >= hwm.0 {
        return wrong(
            Code::PageBounds,
            header_at::OVERFLOW as u64,
            format!("the node reaches to page {last}, the high-water mark is {hwm}"),
        );
    }
    if last >= file.pages() {
        return wrong(
            Code::PageMissing,
            header_at::OVERFLOW as u64,
            format!("the node reaches to page {last}, beyond the end of the file"),
        );
    }
    let length = batch.length(u64::from(header.overflow) + 1);
    if length > LONGEST_NODE {
        return wrong(
            Code::PageBounds,
            header_at::OVERFLOW as u64,
            format!("the node has {length} bytes; the maximum is {LONGEST_NODE}"),
        );
    }
    let present = file.present(base, length);
    let count = usize::from(header.count);
    if HEADER + ELEMENT * count > present {
        let code = if present < length {
            Code::PageMissing
        } else {
            Code::PageCount
        };
        return wrong(
            code,
            header_at::COUNT as u64,
            format!("{count} elements do not fit into {present} bytes"),
        );
    }
    Ok(Ok((header, kind)))
}

/// Reads the node at `page`, whose header was validated.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn read_node<'b>(
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
