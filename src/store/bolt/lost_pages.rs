//! Pages that no tree uses, in a state that Bolt never leaves: a sign of lost writes.

use crate::error::Result;
use crate::store::bolt::Bolt;
use crate::store::bolt::check::examine;
use crate::store::bolt::codes::Code;
use crate::store::bolt::freelist::Freelist;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::unused::{Outside, show_elements};
use crate::store::{Orphans, StaleElement};

/// See [`crate::store::Inspect::orphans`]. Reads only those pages.
pub(super) fn orphans(bolt: &Bolt, visit: &mut dyn FnMut(StaleElement<'_>)) -> Result<Orphans> {
    let examined = examine(bolt)?;
    let used = &bolt.reachability()?.used;
    let hwm = bolt.metas.current.hwm.0;
    let other = |page| examined.other.as_ref().is_some_and(|other| other.has(page));
    // A list with wrong numbers may lack pages that are free.
    let is_wrong = examined.report.any(|code| {
        matches!(
            code,
            Code::FreelistBounds
                | Code::FreelistSelf
                | Code::FreelistDuplicate
                | Code::FreelistLive
        )
    });
    let has = |page: u64| {
        let id = PageId(page);
        let listed = match &examined.list {
            Freelist::Stored(list) => {
                list.span.contains(&page) || list.free.has(id) || (is_wrong && other(id))
            }
            // Without a freelist all old pages are unreachable; pages of the other meta are not
            // lost.
            Freelist::Absent | Freelist::Damaged => other(id),
        };
        page >= 2 && page < hwm && !used.has(id) && !listed
    };
    let file = &bolt.file;
    let pages = (2..hwm.min(file.pages())).filter(|page| has(*page)).count() as u64;
    if pages == 0 {
        return Ok(Orphans::None);
    }
    show_elements(&Outside { file, has: &has }, visit)?;
    Ok(match &examined.list {
        Freelist::Stored(_) if !is_wrong => Orphans::Leaked(pages),
        _ => Orphans::Unreachable(pages),
    })
}
