//! The store that a restore replaces.

use std::path::Path;

use crate::error::{ErrorKind, Result};
use crate::finding::{Code, Finding};
use crate::metadata::{Catalog, names, tsm};
use crate::store::Store;

/// What is known of the store at the target before the restore.
#[derive(Default)]
pub struct ReplacedStore {
    /// Its time-series metadata.
    pub(super) tsm: Option<Vec<u8>>,
    /// Its users, organizations and buckets.
    pub(super) catalog: Catalog,
    /// Why an existing store can't be read.
    unread: Option<Finding>,
}

impl ReplacedStore {
    /// Reads the store at the target.
    ///
    /// # Errors
    /// I/O errors of this host. Damage is reported by [`ReplacedStore::warning`].
    pub fn look(store: Result<Store>, path: &Path) -> Result<Self> {
        let read = store.and_then(|store| {
            // Of metadata that can't be decoded no shards are known.
            tsm::load(store.snapshot())?;
            Ok(Self {
                tsm: store
                    .snapshot()
                    .get(names::TSM_METADATA, names::TSM_METADATA_KEY)?,
                catalog: Catalog::load(store.snapshot())?,
                unread: None,
            })
        });
        match read {
            Ok(old) => Ok(old),
            Err(error) if matches!(error.kind(), ErrorKind::NotAStore | ErrorKind::Corrupt) => {
                let message = error.to_string();
                Ok(Self {
                    unread: Some(Finding::new(
                        Code::TargetUnread,
                        path.display().to_string(),
                        format!(
                            "the existing store can't be read, so its shards are not known: \
                             {message}"
                        ),
                    )),
                    ..Self::default()
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is unchanged since `before` was read.
    #[must_use]
    pub fn is_like(&self, before: &Self) -> bool {
        self.tsm == before.tsm
    }

    /// A warning if it could not be read.
    #[must_use]
    pub fn warning(&self) -> Option<&Finding> {
        self.unread.as_ref()
    }
}
