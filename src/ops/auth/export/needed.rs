//! The records that a list must contain besides tokens and 1.x users, so that `apply` finds every name.

use std::collections::BTreeSet;

use crate::metadata::permission::Permission;
use crate::metadata::{Catalog, Id};

/// IDs of the records. With filters, only these are exported.
pub(super) struct Needed {
    /// Whether every record of the store is needed, because nothing is filtered.
    pub(super) everything: bool,
    pub(super) orgs: BTreeSet<Id>,
    pub(super) users: BTreeSet<Id>,
    pub(super) buckets: BTreeSet<Id>,
    /// The users whose login has power over the instance by an operator token of the list.
    pub(super) operators: BTreeSet<Id>,
}

impl Needed {
    /// Nothing yet; with `everything`, every record is.
    pub(super) fn new(everything: bool) -> Self {
        Self {
            everything,
            orgs: BTreeSet::new(),
            users: BTreeSet::new(),
            buckets: BTreeSet::new(),
            operators: BTreeSet::new(),
        }
    }

    /// Whether a record of the set is part of the list.
    pub(super) fn has(&self, set: &BTreeSet<Id>, id: Id) -> bool {
        self.everything || set.contains(&id)
    }

    /// Adds what permissions name.
    pub(super) fn add_resources(&mut self, permissions: &[Permission<'_>], catalog: &Catalog) {
        for permission in permissions {
            let resource = &permission.resource;
            self.orgs.extend(resource.org_id);
            let Some(id) = resource.id else {
                continue;
            };
            match &*resource.kind {
                "buckets" => self.add_bucket(id, catalog),
                "orgs" => self.orgs.extend([id]),
                "users" => self.users.extend([id]),
                _ => {}
            }
        }
    }

    /// Adds a bucket and its organization.
    pub(super) fn add_bucket(&mut self, id: Id, catalog: &Catalog) {
        if let Some(bucket) = catalog.buckets.get(&id) {
            self.buckets.insert(id);
            self.orgs.insert(bucket.org_id);
        }
    }
}
