//! A planned change of one 1.x user, shared by `create`, `update` and `password`.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Authorization, Catalog, Fingerprint, Id};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::commit::SideFiles;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::v1::auth::find::{load, stored_password};
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// A planned change.
pub struct Plan {
    /// The changes to commit. Empty if everything is as requested.
    pub changes: ChangeSet,
    /// The authorization.
    pub id: Id,
    /// Whether the missing index entry of the name is created too.
    pub adds_entry: bool,
    /// The record and the hash of the password before the change; none for a new authorization.
    pub before: Option<Fingerprint>,
    /// The hash of the password that stops working; none if there is none.
    pub replaced: Option<Fingerprint>,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    has_password: bool,
}

/// The facts about the store before a change, for comparisons.
#[derive(Default)]
pub(crate) struct Before {
    pub(crate) adds_entry: bool,
    pub(crate) record: Option<Fingerprint>,
    pub(crate) replaced: Option<Fingerprint>,
}

impl Plan {
    /// Shows the authorization as it is after `changes`.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn new(
        snapshot: &dyn Snapshot,
        changes: ChangeSet,
        id: Id,
        before: Before,
    ) -> Result<Self> {
        let preview = Preview::new(snapshot, &changes);
        let lister = Lister::of_one_legacy(&preview, Catalog::load(&preview)?, id)?;
        let record = load(&preview, id)?;
        let has_password = stored_password(&preview, id)?.is_some();
        Ok(Self {
            changes,
            id,
            adds_entry: before.adds_entry,
            before: before.record,
            replaced: before.replaced,
            record,
            lister,
            has_password,
        })
    }

    /// Calls `use_it` with the authorization as it is after the change.
    ///
    /// # Errors
    /// When the record can't be decoded.
    pub fn show<T>(&self, use_it: impl FnOnce(&AuthDetails<'_>) -> T) -> Result<T> {
        let record: Authorization<'_> = serde_json::from_slice(&self.record)
            .map_err(|_| Error::new(ErrorKind::Refused, "the new record can't be decoded"))?;
        Ok(use_it(
            &self.lister.legacy_entry(&record, self.has_password),
        ))
    }

    /// Commits the change, then reads the file again to verify it. `what` names it in errors.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
        what: &str,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, what)
    }
}
