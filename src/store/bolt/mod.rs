//! Bolt files: InfluxDB's own `influxd.bolt`, as bbolt 1.3.6 writes it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`layout`] | constants and field offsets of the format; integers in untrusted bytes |
//! | [`pages`], [`batch`] | reading pages, one by one and many at a time |
//! | [`meta`] | parsing and encoding the two meta pages; choosing one |
//! | [`node`] | one branch or leaf, element by element |
//! | [`validate`] | validating the header of one node |
//! | [`walk`] | walking trees: every page once, every rule checked |
//! | [`read`] | buckets and pairs |
//! | [`page_owners`] | which bucket reached which page first |
//! | [`page_map`] | how each page is used |
//! | [`reachability`] | everything that a meta page reaches |
//! | [`freelist`] | the pages that Bolt would allocate next |
//! | [`check`] | the structure check |
//! | [`compact_layout`] | whether a file has nothing that compacting would remove |
//! | [`unused`] | bytes that no live record uses |
//! | [`lost_pages`] | pages that no tree uses and that should not be there |
//! | [`previous`] | the transaction that the other meta describes |
//! | [`mod@write`] | changing the file in place in one transaction; new files |
//! | [`salvage`] | the pages of a damaged file, whatever leads to them |
//! | [`codes`] | every kind of finding |

mod batch;
mod bitmap;
mod check;
mod codes;
mod compact_layout;
mod freelist;
mod layout;
mod lost_pages;
mod meta;
mod node;
mod page_map;
mod page_owners;
mod pages;
mod previous;
mod reachability;
mod read;
pub mod salvage;
#[cfg(test)]
mod tests;
mod unused;
mod validate;
mod walk;
mod write;

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::store::{
    ChangeSet, Committed, Device, Inspect, Orphans, PageUse, Previous, ProtectedBytes, ReadAt,
    Snapshot, StaleElement, StructureCheck, Unused, UnusedVisitor,
};
use check::{Examined, check_metas};
use codes::Report;
use meta::Metas;
use page_owners::PageOwners;
use pages::PageFile;
use reachability::{Reachability, StreamedBucket, Walk, find_reachable};
use read::TopLevel;

pub use codes::Code;
pub(super) use compact_layout::{BEGINNING, begins_compact};
pub use write::{USUAL_PAGE_SIZE, create};

/// The magic of a bolt file: its offset and its bytes.
pub(super) const MAGIC: (usize, [u8; 4]) = (layout::meta_at::MAGIC, layout::MAGIC.to_le_bytes());

/// An open bolt file. All reading uses the meta page that was chosen when it was opened.
pub struct Bolt {
    file: PageFile,
    metas: Metas,
    notices: Vec<Finding>,
    /// The top-level buckets, read when first needed.
    top_level: OnceLock<TopLevel>,
    page_owners: PageOwners,
    /// Everything that the current meta reaches, walked when first needed.
    reachability: OnceLock<Reachability>,
    /// The result of a check of everything, made when first needed.
    examined: OnceLock<Examined>,
}

impl Bolt {
    /// Reads the meta pages of `source` and chooses one. `path` is for messages only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] when no meta page is valid; [`crate::ErrorKind::Io`] when
    /// `source` can't be read.
    pub fn open(source: Box<dyn ReadAt>, path: &Path) -> Result<Self> {
        let (file, metas) = meta::find(source, path)?;
        let mut bolt = Self::by(file, metas);
        if bolt.metas.fell_back() {
            // The meta may be valid while its tree is not: bolt may have overwritten the tree.
            let errors = bolt.reachability()?.report.count(Severity::Error);
            let mut report = Report::default();
            check_metas(&bolt.file, &bolt.metas, errors, &mut report);
            bolt.notices = report.into_findings();
            let older = Code::OlderMeta.name();
            bolt.notices.retain(|finding| finding.code == older);
        }
        Ok(bolt)
    }

    /// A file that is read by the current one of `metas`.
    fn by(file: PageFile, metas: Metas) -> Self {
        Self {
            file,
            metas,
            notices: Vec::new(),
            top_level: OnceLock::new(),
            page_owners: PageOwners::default(),
            reachability: OnceLock::new(),
            examined: OnceLock::new(),
        }
    }

    /// Everything that the current meta reaches. The trees are walked on the first call only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    fn reachability(&self) -> Result<&Reachability> {
        if let Some(known) = self.reachability.get() {
            return Ok(known);
        }
        let found = find_reachable(&self.file, &self.metas.current, Walk::default())?;
        Ok(self.reachability.get_or_init(|| found))
    }

    /// Sets the path that messages show.
    pub(super) fn set_display_path(&mut self, path: &Path) {
        self.file.set_display_path(path);
    }

    /// Bytes per page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.file.page_size() as u64
    }

    /// Commits `changes` to the file through `device`, which holds the lock. After that this
    /// value is out of date: open the file again.
    ///
    /// # Errors
    /// Only when the change was not committed, as [`crate::store::Commit::commit`].
    pub(super) fn commit(
        &self,
        device: &Arc<dyn Device>,
        changes: &ChangeSet,
        protected: &ProtectedBytes,
    ) -> Result<Committed> {
        write::commit(self, device, changes, protected)
    }

    /// The file as the other meta describes it, or why it can't be read so.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn previous(&self) -> Result<Result<Self, String>> {
        previous::previous(self)
    }

    /// Findings about the choice of the meta page.
    #[must_use]
    pub fn notices(&self) -> Vec<Finding> {
        self.notices.clone()
    }
}

impl Inspect for Bolt {
    fn check(&self) -> Result<StructureCheck> {
        check::check(self)
    }

    fn prepare(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        if self.reachability.get().is_some() {
            self.scan_any_order(bucket, &mut |key, value| {
                visit(key, value);
                ControlFlow::Continue(())
            })?;
            return Ok(true);
        }
        let wanted = Some(StreamedBucket { bucket, visit });
        let walk = Walk {
            wanted,
            ..Walk::default()
        };
        let found = find_reachable(&self.file, &self.metas.current, walk)?;
        self.reachability.get_or_init(|| found);
        Ok(true)
    }

    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        unused::unused(self, visit)
    }

    fn unused_in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
        unused::in_parts(self, visits)
    }

    fn page_uses(&self, visit: &mut dyn FnMut(Range<u64>, PageUse<'_>)) -> Result<bool> {
        page_map::page_uses(self, visit)?;
        Ok(true)
    }

    fn is_compact(&self) -> Result<bool> {
        compact_layout::is_compact(self)
    }

    fn orphans(&self, visit: &mut dyn FnMut(StaleElement<'_>)) -> Result<Orphans> {
        lost_pages::orphans(self, visit)
    }

    fn previous(&self) -> Result<Previous> {
        Ok(match previous::previous(self)? {
            Ok(bolt) => Previous::Whole(Box::new(bolt)),
            Err(why) => Previous::Unreadable(why),
        })
    }

    fn unchanged_since_previous(&self, bucket: &[u8]) -> Result<bool> {
        previous::is_unchanged(self, bucket)
    }

    fn replaced_since_previous(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        previous::replaced(self, bucket, visit)
    }
}
