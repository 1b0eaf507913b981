//! Whether a file has the layout that `write::create` gives to a copy of it, so that it does not
//! have to be copied. Bolt itself makes no such files. Everything is checked: a file that only
//! looks like one may have unused bytes, or trees in which bolt would lose records.

use crate::error::Result;
use crate::store::bolt::check::examine;
use crate::store::bolt::layout::all_zero;
use crate::store::bolt::meta::Metas;
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::unused::unused;
use crate::store::bolt::write::new_frame;
use crate::store::bolt::{Bolt, meta};
use crate::store::{MemoryFile, Unused};

/// How many bytes [`begins_compact`] needs: the metas and the freelist in pages of 64 KiB.
pub(crate) const BEGINNING: usize = 3 * (64 << 10);

/// See [`crate::store::Inspect::is_compact`].
pub(super) fn is_compact(bolt: &Bolt) -> Result<bool> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    if !has_new_frame(file, &bolt.metas)? || file.size() != file.offset(meta.hwm) {
        return Ok(false);
    }
    let examined = examine(bolt)?;
    // Leaked pages and uneven trees are findings too.
    if !examined.report.clone().into_findings().is_empty() {
        return Ok(false);
    }
    let mut blank = bolt.reachability()?.separators_in_leaves;
    let findings = unused(bolt, &mut |unused| {
        blank &= matches!(unused, Unused::Run { bytes, .. } if all_zero(bytes));
    })?;
    Ok(blank && findings.is_empty())
}

/// Whether a file with this beginning may be compact.
pub(crate) fn begins_compact(beginning: &[u8]) -> bool {
    let source = Box::new(MemoryFile::new(beginning.to_vec()));
    match meta::find(source, "".as_ref()) {
        Ok((file, metas)) => has_new_frame(&file, &metas).unwrap_or(false),
        Err(_) => false,
    }
}

/// Whether both metas and the freelist equal those of a new file, byte for byte.
fn has_new_frame(file: &PageFile, metas: &Metas) -> Result<bool> {
    let meta = &metas.current;
    let frame = new_frame(file.page_size(), meta.root, meta.root_sequence, meta.hwm.0);
    let mut found = vec![0; file.present(0, frame.len())];
    file.read(&mut found, 0)?;
    Ok(found == frame)
}
