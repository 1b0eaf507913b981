//! A store of either engine.

use std::path::Path;
use std::sync::Arc;

use crate::error::{IoContext, Result};
use crate::finding::Finding;
use crate::store::bolt::Bolt;
use crate::store::redb::Redb;
use crate::store::{
    ChangeSet, Committed, Device, Engine, Inspect, ProtectedBytes, ReadAt, Snapshot, redb,
};

/// An open store.
pub(super) enum Opened {
    Bolt(Box<Bolt>),
    Redb(Redb),
}

impl Opened {
    /// Opens `source`. The engine is detected from the content. `path` is for messages only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] when it is neither a bolt nor a redb store;
    /// [`crate::ErrorKind::Corrupt`] when it is too damaged to be opened; [`crate::ErrorKind::Io`]
    /// when it can't be read.
    pub(super) fn new(source: Box<dyn ReadAt>, path: &Path) -> Result<Self> {
        let mut start = [0; redb::MAGIC.len()];
        if source.size() >= start.len() as u64 {
            source.read_exact_at(&mut start, 0).at("read", path)?;
        }
        Ok(if start == redb::MAGIC {
            Self::Redb(Redb::open(Arc::from(source), path)?)
        } else {
            Self::Bolt(Box::new(Bolt::open(source, path)?))
        })
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Bolt(_) => Engine::Bolt,
            Self::Redb(_) => Engine::Redb,
        }
    }

    pub(super) fn page_size(&self) -> u64 {
        match self {
            Self::Bolt(bolt) => bolt.page_size(),
            Self::Redb(redb) => redb.page_size(),
        }
    }

    /// Sets the path that messages show.
    pub(super) fn set_display_path(&mut self, path: &Path) {
        match self {
            Self::Bolt(bolt) => bolt.set_display_path(path),
            Self::Redb(redb) => redb.set_display_path(path),
        }
    }

    pub(super) fn notices(&self) -> Vec<Finding> {
        match self {
            Self::Bolt(bolt) => bolt.notices(),
            Self::Redb(redb) => redb.notices(),
        }
    }

    pub(super) fn snapshot(&self) -> &dyn Snapshot {
        match self {
            Self::Bolt(bolt) => bolt.as_ref(),
            Self::Redb(redb) => redb,
        }
    }

    pub(super) fn inspect(&self) -> &dyn Inspect {
        match self {
            Self::Bolt(bolt) => bolt.as_ref(),
            Self::Redb(redb) => redb,
        }
    }

    /// The previous transaction, or why it can't be read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn previous(&self) -> Result<Result<Self, String>> {
        Ok(match self {
            Self::Bolt(bolt) => bolt.previous()?.map(|before| Self::Bolt(Box::new(before))),
            Self::Redb(_) => Err(String::from("redb does not keep the previous transaction")),
        })
    }

    pub(super) fn commit(
        &self,
        device: &Arc<dyn Device>,
        changes: &ChangeSet,
        protected: &ProtectedBytes,
    ) -> Result<Committed> {
        match self {
            Self::Bolt(bolt) => bolt.commit(device, changes, protected),
            Self::Redb(redb) => redb.commit(device, changes, protected),
        }
    }
}
