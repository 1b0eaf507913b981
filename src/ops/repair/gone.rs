//! Which users, organizations and buckets were deleted. A record that can't be decoded, or whose
//! key is another ID, still exists; and without the bucket of the records nothing is known.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::metadata::{Catalog, Id, names};
use crate::ops::repair::name_indexes::Doubtful;
use crate::store::Snapshot;

/// Tells whether records were deleted.
pub(super) struct Gone {
    pub(super) catalog: Catalog,
    users: Kind,
    orgs: Kind,
    buckets: Kind,
}

struct Kind {
    doubtful: Doubtful,
    has_bucket: bool,
}

impl Kind {
    fn load<T>(snapshot: &dyn Snapshot, bucket: &[u8], records: &BTreeMap<Id, T>) -> Result<Self> {
        let (buckets, _) = snapshot.buckets()?;
        Ok(Self {
            doubtful: Doubtful::of(snapshot, bucket, records)?,
            has_bucket: buckets.iter().any(|b| b.name == bucket),
        })
    }

    fn lacks<T>(&self, records: &BTreeMap<Id, T>, id: Id) -> bool {
        self.has_bucket && !records.contains_key(&id) && !self.doubtful.has(id)
    }
}

impl Gone {
    /// Reads the records.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let catalog = Catalog::load(snapshot)?;
        Ok(Self {
            users: Kind::load(snapshot, names::USERS, &catalog.users)?,
            orgs: Kind::load(snapshot, names::ORGANIZATIONS, &catalog.orgs)?,
            buckets: Kind::load(snapshot, names::BUCKETS, &catalog.buckets)?,
            catalog,
        })
    }

    /// Whether the user was deleted.
    pub(super) fn user(&self, id: Id) -> bool {
        self.users.lacks(&self.catalog.users, id)
    }

    /// Whether the organization was deleted.
    pub(super) fn org(&self, id: Id) -> bool {
        self.orgs.lacks(&self.catalog.orgs, id)
    }

    /// Whether the bucket was deleted.
    pub(super) fn bucket(&self, id: Id) -> bool {
        self.buckets.lacks(&self.catalog.buckets, id)
    }
}
