//! Whether a file is as a copy of it would be, which `write::create` lays out: then it need not
//! be copied.

use super::Bolt;
use super::check::examine;
use super::codes::Report;
use super::freelist::{self, Freelist};
use super::layout::all_zero;
use super::meta;
use super::unused::unused;
use super::write::FREELIST;
use crate::error::Result;
use crate::store::{MemoryFile, Unused};

/// The first bytes of a file by which [`begins_compact`] judges: the metas and the freelist of one
/// with pages of 64 KiB.
pub(crate) const BEGINNING: usize = 3 * (64 << 10);

/// See [`crate::store::Inspect::is_compact`].
pub(super) fn is_compact(bolt: &Bolt) -> Result<bool> {
    let examined = examine(bolt)?;
    let pages = &examined.pages;
    if pages.freelist == 0 || pages.free + pages.leaked + pages.tail_bytes > 0 {
        return Ok(false);
    }
    let mut blank = examined.survey.separators_in_leaves;
    let findings = unused(bolt, &mut |unused| {
        blank &= matches!(unused, Unused::Run { bytes, .. } if all_zero(bytes));
    })?;
    Ok(blank && findings.is_empty())
}

/// Whether a file that begins so may be compact: an empty freelist stands where a new file has it.
pub(crate) fn begins_compact(beginning: &[u8]) -> bool {
    let source = Box::new(MemoryFile::new(beginning.to_vec()));
    let Ok((file, metas)) = meta::find(source, "".as_ref()) else {
        return false;
    };
    let list = freelist::read(&file, &metas.current, &mut Report::default());
    !metas.fell_back()
        && matches!(list, Ok(Freelist::Stored(list)) if list.count == 0 && list.span.start == FREELIST.0)
}
