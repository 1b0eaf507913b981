//! Authorizations as a change leaves them, for its report and its files.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Authorization, Catalog, Id};
use crate::ops::auth::list::{AuthDetails, Filters, Lister};
use crate::store::{ChangeSet, Preview, Snapshot};

/// The new records, and the store they will be in.
pub(crate) struct ChangedRecords {
    records: Vec<Zeroizing<Vec<u8>>>,
    lister: Lister,
}

impl ChangedRecords {
    /// These records, in the store with these changes.
    ///
    /// # Errors
    /// As [`Lister::new`].
    pub(crate) fn new(
        snapshot: &dyn Snapshot,
        changes: &ChangeSet,
        records: Vec<(Id, Zeroizing<Vec<u8>>)>,
    ) -> Result<Self> {
        let preview = Preview::new(snapshot, changes);
        let lister = match records.as_slice() {
            // Of the others, nothing needs to be read.
            [(id, _)] => Lister::of_one(&preview, Catalog::load(&preview)?, *id, false)?,
            _ => Lister::new(&preview, Filters::default(), false)?,
        };
        let records = records.into_iter().map(|(_, record)| record).collect();
        Ok(Self { records, lister })
    }

    /// Calls `use_it` with all of them, as `auth list` shows them, without their tokens.
    ///
    /// # Errors
    /// Only if a new record can't be decoded.
    pub(crate) fn show<T>(&self, use_it: impl FnOnce(&[AuthDetails<'_>]) -> T) -> Result<T> {
        let records: Vec<Authorization<'_>> = self.decoded().collect::<Result<_>>()?;
        let entries = records.iter().map(|record| self.lister.entry(record));
        Ok(use_it(&entries.collect::<Vec<_>>()))
    }

    /// The new records.
    pub(crate) fn decoded(&self) -> impl Iterator<Item = Result<Authorization<'_>>> {
        self.records.iter().map(|record| {
            serde_json::from_slice(record)
                .map_err(|_| Error::new(ErrorKind::Refused, "a new record can't be decoded"))
        })
    }

    /// The names in the store.
    pub(crate) fn catalog(&self) -> &Catalog {
        self.lister.catalog()
    }
}
