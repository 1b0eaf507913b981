//! Bolt files: InfluxDB's own `influxd.bolt`, as bbolt 1.3.6 writes it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`layout`] | the format's numbers; integers in bytes nobody vouches for |
//! | [`pages`], [`batch`] | reading pages, one by one and many at a time |
//! | [`meta`] | the two meta pages and the choice between them |
//! | [`node`] | one branch or leaf, element by element |
//! | [`judge`] | one node on its own: its header before anything else |
//! | [`walk`] | whole trees: every page once, every rule checked |
//! | [`read`] | buckets and pairs |
//! | [`territories`] | which bucket's tree has which pages |
//! | [`survey`] | all trees of a meta in one look |
//! | [`freelist`] | which pages Bolt would give out again |
//! | [`check`] | the structure check |
//! | [`compact`] | whether a file is as a copy of it would be |
//! | [`unused`] | what the file shows outside its live records |
//! | [`write`] | changing the file in place, in one transaction |
//! | [`codes`] | every kind of finding |

mod batch;
mod bitmap;
mod check;
mod codes;
mod compact;
mod freelist;
mod judge;
mod layout;
mod meta;
mod node;
mod pages;
mod read;
mod survey;
mod territories;
#[cfg(test)]
mod tests;
mod unused;
mod walk;
mod write;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::store::{
    ChangeSet, Committed, Device, Inspect, Precious, ReadAt, StructureCheck, Unused, UnusedVisitor,
};
use check::judge_metas;
use codes::Report;
use meta::Metas;
use pages::PageFile;
use read::TopLevel;
use survey::{Survey, Wanted, survey};
use territories::Territories;

pub use codes::Code;
pub(super) use compact::{BEGINNING, begins_compact};
pub use write::{USUAL_PAGE_SIZE, create};

/// The bytes by which a file shows that Bolt wrote it, and where they stand.
pub(super) const MAGIC: (usize, [u8; 4]) = (layout::meta_at::MAGIC, layout::MAGIC.to_le_bytes());

/// An open bolt file: one meta page was chosen, and all reading goes by it.
pub struct Bolt {
    file: PageFile,
    metas: Metas,
    notices: Vec<Finding>,
    /// What is read of the root bucket once it is needed.
    top_level: OnceLock<TopLevel>,
    territories: Territories,
    /// What a look at everything found, once there was one.
    surveyed: OnceLock<Survey>,
}

impl Bolt {
    /// Reads the meta pages of `source` and chooses one. `path` is for messages only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] when no meta page is valid.
    pub fn open(source: Box<dyn ReadAt>, path: &Path) -> Result<Self> {
        let (file, metas) = meta::find(source, path)?;
        let mut bolt = Self {
            file,
            metas,
            notices: Vec::new(),
            top_level: OnceLock::new(),
            territories: Territories::default(),
            surveyed: OnceLock::new(),
        };
        if bolt.metas.fell_back() {
            // A right checksum does not vouch for the tree: bolt may have overwritten it.
            let errors = bolt.survey()?.report.count(Severity::Error);
            let mut report = Report::default();
            judge_metas(&bolt.file, &bolt.metas, errors, &mut report);
            bolt.notices = report.into_findings();
            let older = Code::OlderMeta.name();
            bolt.notices.retain(|finding| finding.code == older);
        }
        Ok(bolt)
    }

    /// A look at everything that the current meta reaches, taken once.
    ///
    /// # Errors
    /// When the system can't read the file.
    fn survey(&self) -> Result<&Survey> {
        if let Some(known) = self.surveyed.get() {
            return Ok(known);
        }
        let found = survey(&self.file, &self.metas.current, None, None)?;
        Ok(self.surveyed.get_or_init(|| found))
    }

    /// Is `path` in messages from now on.
    pub(super) fn call(&mut self, path: &Path) {
        self.file.call(path);
    }

    /// Bytes per page, from the file's own meta.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.file.page_size() as u64
    }

    /// Makes `changes` in the file this was opened on, through `device`, which holds the lock.
    /// Whatever this has read is out of date then: open it anew.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub(super) fn commit(
        &self,
        device: &Arc<dyn Device>,
        changes: &ChangeSet,
        protected: &Precious,
    ) -> Result<Committed> {
        write::commit(self, device, changes, protected)
    }

    /// What choosing the meta page found worth saying.
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
        if self.surveyed.get().is_some() {
            return Ok(false);
        }
        let wanted = Some(Wanted { bucket, visit });
        let found = survey(&self.file, &self.metas.current, None, wanted)?;
        self.surveyed.get_or_init(|| found);
        Ok(true)
    }

    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        unused::unused(self, visit)
    }

    fn unused_in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
        unused::in_parts(self, visits)
    }

    fn is_compact(&self) -> Result<bool> {
        compact::is_compact(self)
    }
}
