//! Which of two states of a store is newer, if their transaction numbers are lost. Both are complete,
//! and one transaction is between them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::metadata::json::Object;
use crate::metadata::salvage::links::text;
use crate::metadata::salvage::record_versions::Version;
use crate::metadata::salvage::sorting::time_of;
use crate::metadata::salvage::{BY_TIME, Records};
use crate::metadata::{Id, names};

type Pairs = BTreeMap<Vec<u8>, Version>;

impl Records {
    /// Compares the ages of two states: the greater is newer. Equal if the records don't tell.
    #[must_use]
    pub fn compare_age(&self, other: &Self) -> Ordering {
        self.signs_of_being_newer(other)
            .cmp(&other.signs_of_being_newer(self))
    }

    /// The number of differences that show that this state is newer.
    fn signs_of_being_newer(&self, other: &Self) -> u64 {
        let mut signs = 0;
        let none = Pairs::new();
        for (name, found) in &self.buckets {
            let theirs = other.buckets.get(name).map_or(&none, |found| &found.pairs);
            signs += newer_records(name, &found.pairs, theirs);
        }
        for (name, found) in &other.buckets {
            let ours = self.buckets.get(name).map_or(&none, |found| &found.pairs);
            signs += self.deleted_records(name, ours, &found.pairs);
        }
        signs
    }

    /// Records that only the other state has, and that were deleted since: not the newest of their
    /// bucket, or of a user or organization that is deleted.
    fn deleted_records(&self, bucket: &[u8], ours: &Pairs, theirs: &Pairs) -> u64 {
        let gone = theirs.iter().filter(|(key, _)| !ours.contains_key(*key));
        let newest = ours.keys().filter_map(|key| Id::from_bytes(key).ok()).max();
        let is_deleted = |key: &[u8], value: &[u8]| {
            if bucket == names::MIGRATIONS {
                // influxd writes a record twice, first without the time of its end.
                let object = Object::parse(value);
                return object.is_some_and(|record| record.get("finished_at").is_some());
            }
            if bucket == names::MAPPINGS {
                let lacks = |bucket: &[u8], id: &[u8]| {
                    let found = self.buckets.get(bucket);
                    found.is_some_and(|found| !found.pairs.contains_key(id))
                };
                let (resource, user) = key.split_at_checked(16).unwrap_or_default();
                let object = Object::parse(value);
                let kind = object.map(|mapping| text(&mapping, "resourceType"));
                return lacks(names::USERS, user)
                    || kind.as_deref() == Some("orgs") && lacks(names::ORGANIZATIONS, resource);
            }
            let id = Id::from_bytes(key).ok();
            BY_TIME.contains(&bucket) && id.is_some() && id < newest
        };
        gone.filter(|(key, version)| is_deleted(key, &version.value))
            .count() as u64
    }
}

/// Records that are newer than all of the other state, or later versions of one of them.
fn newer_records(bucket: &[u8], ours: &Pairs, theirs: &Pairs) -> u64 {
    let newest = theirs
        .keys()
        .filter_map(|key| Id::from_bytes(key).ok())
        .max();
    let is_newer = |key: &[u8], version: &Version| match theirs.get(key) {
        Some(their) => time_of(&version.value) > time_of(&their.value),
        None => {
            let id = Id::from_bytes(key).ok();
            bucket != names::MIGRATIONS && BY_TIME.contains(&bucket) && id > newest
        }
    };
    let newer = ours.iter().filter(|(key, version)| is_newer(key, version));
    newer.count() as u64
}
