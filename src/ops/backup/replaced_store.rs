//! What stands where a restore belongs, before it does.

use std::path::Path;

use crate::error::{ErrorKind, Result};
use crate::finding::{Code, Finding};
use crate::metadata::{Catalog, names, tsm};
use crate::store::Store;

/// What stood at the target, as far as it is known.
#[derive(Default)]
pub struct ReplacedStore {
    /// Its time-series metadata.
    pub(super) tsm: Option<Vec<u8>>,
    /// Its names.
    pub(super) catalog: Catalog,
    /// Why it is not known, if there is something.
    unread: Option<Finding>,
}

impl ReplacedStore {
    /// Looks at what stands there.
    ///
    /// # Errors
    /// When it can't be read for a reason of this host. Damage is told by [`ReplacedStore::warning`].
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
                            "what stands there can't be read, nor which shards it knows: {message}"
                        ),
                    )),
                    ..Self::default()
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is the same as it was when it was looked at before.
    #[must_use]
    pub fn is_like(&self, before: &Self) -> bool {
        self.tsm == before.tsm
    }

    /// What is to be said of it.
    #[must_use]
    pub fn warning(&self) -> Option<&Finding> {
        self.unread.as_ref()
    }
}
