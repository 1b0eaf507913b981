//! Whether a file is as a copy of it would be, which `write::create` lays out: then it need not
//! be copied. Bolt itself makes no such file, and one that only looks like it may hold what a
//! copy would leave out, or be built so that Bolt loses records once it changes them.

use crate::error::Result;
use crate::store::bolt::check::examine;
use crate::store::bolt::layout::all_zero;
use crate::store::bolt::meta::Metas;
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::unused::unused;
use crate::store::bolt::write::new_frame;
use crate::store::bolt::{Bolt, meta};
use crate::store::{MemoryFile, Unused};

/// The first bytes of a file by which [`begins_compact`] judges: the metas and the freelist of one
/// with pages of 64 KiB.
pub(crate) const BEGINNING: usize = 3 * (64 << 10);

/// See [`crate::store::Inspect::is_compact`].
pub(super) fn is_compact(bolt: &Bolt) -> Result<bool> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    if !has_new_frame(file, &bolt.metas)? || file.size() != file.offset(meta.hwm) {
        return Ok(false);
    }
    let examined = examine(bolt)?;
    // Pages that leak and trees that are uneven would be told.
    if !examined.report.into_findings().is_empty() {
        return Ok(false);
    }
    let mut blank = examined.survey.separators_in_leaves;
    let findings = unused(bolt, &mut |unused| {
        blank &= matches!(unused, Unused::Run { bytes, .. } if all_zero(bytes));
    })?;
    Ok(blank && findings.is_empty())
}

/// Whether a file that begins so may be compact.
pub(crate) fn begins_compact(beginning: &[u8]) -> bool {
    let source = Box::new(MemoryFile::new(beginning.to_vec()));
    match meta::find(source, "".as_ref()) {
        Ok((file, metas)) => has_new_frame(&file, &metas).unwrap_or(false),
        Err(_) => false,
    }
}

/// Whether both metas and the freelist are byte for byte those of a new file.
fn has_new_frame(file: &PageFile, metas: &Metas) -> Result<bool> {
    let meta = &metas.current;
    let frame = new_frame(file.page_size(), meta.root, meta.root_sequence, meta.hwm.0);
    let mut found = vec![0; file.present(0, frame.len())];
    file.read(&mut found, 0)?;
    Ok(found == frame)
}
