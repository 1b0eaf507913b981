//! What the records of a store say about each other: index entries lead to records, mappings and
//! passwords need their user, buckets their organization.

use std::collections::{BTreeMap, HashSet};

use crate::metadata::json::Object;
use crate::metadata::salvage::links::{INDEXES, Link, id, links};
use crate::metadata::salvage::record_versions::{Assembled, Base, Life};
use crate::metadata::salvage::sorting::Sorted;
use crate::metadata::{Id, names, tsm};
use crate::store::bolt::salvage::Origin;

/// The evidence so far. It grows while the buckets are put together, one after the other.
pub(super) struct Evidence<'s> {
    sorted: &'s Sorted,
    pub(super) indexes: BTreeMap<&'static [u8], Assembled>,
    /// Organizations that buckets and mappings need.
    orgs: HashSet<Id>,
    /// Users that mappings and passwords need.
    users: HashSet<Id>,
    /// Buckets that have time-series metadata.
    databases: HashSet<String>,
    /// Users and authorizations that may have a password.
    owners: HashSet<Vec<u8>>,
}

/// How index entries and records agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Entries that lead to records.
    pub(super) entries: u64,
    /// Entries that lead to no record.
    pub(super) dangling: u64,
    /// Entries of the previous transaction, where its leaves take the place of lost ones, that lead
    /// to no record.
    pub(super) dangling_before: u64,
    /// Records without their entry, although their index is complete.
    pub(super) without_entry: u64,
}

impl<'s> Evidence<'s> {
    pub(super) fn new(sorted: &'s Sorted) -> Self {
        Self {
            sorted,
            indexes: BTreeMap::new(),
            orgs: HashSet::new(),
            users: HashSet::new(),
            databases: HashSet::new(),
            owners: HashSet::new(),
        }
    }

    /// Learns from a bucket that was put together.
    pub(super) fn learn(&mut self, bucket: &[u8], assembled: &Assembled, base: Base) {
        for (key, version) in &assembled.pairs {
            let certain = version.is_certain(base);
            let object = Object::parse(&version.value);
            match bucket {
                names::MAPPINGS if certain => {
                    if let Some(object) = object {
                        self.users.extend(id(&object, "userID"));
                        self.orgs.extend(id(&object, "resourceID"));
                    }
                }
                names::BUCKETS if certain => {
                    self.orgs
                        .extend(object.and_then(|object| id(&object, "orgID")));
                }
                names::USER_PASSWORDS if certain => {
                    self.users.extend(Id::from_bytes(key).ok());
                }
                names::TSM_METADATA => {
                    if let Ok(data) = tsm::decode(&version.value) {
                        let names = data.databases.into_iter().map(|database| database.name);
                        self.databases.extend(names);
                    }
                }
                names::USERS | names::LEGACY_AUTHORIZATIONS => {
                    self.owners.insert(key.clone());
                }
                _ => {}
            }
        }
    }

    /// Whether a record is in use.
    pub(super) fn life(&self, bucket: &[u8], key: &[u8], value: &[u8]) -> Life {
        let links = links(bucket, key, value);
        let mut deleted = 0;
        for link in &links {
            match self.entry(link) {
                Life::Live => return Life::Live,
                Life::Deleted => deleted += 1,
                Life::Unknown => {}
            }
        }
        match deleted > 0 && deleted == links.len() {
            _ if self.is_needed(bucket, key) => Life::Live,
            true => Life::Deleted,
            false => Life::Unknown,
        }
    }

    /// Whether another record, which is deleted together with it, needs a record.
    fn is_needed(&self, bucket: &[u8], key: &[u8]) -> bool {
        let id = Id::from_bytes(key).ok();
        match bucket {
            names::ORGANIZATIONS => id.is_some_and(|id| self.orgs.contains(&id)),
            names::USERS => id.is_some_and(|id| self.users.contains(&id)),
            names::BUCKETS => id.is_some_and(|id| self.databases.contains(&id.to_string())),
            names::USER_PASSWORDS | names::LEGACY_PASSWORDS => self.owners.contains(key),
            _ => false,
        }
    }

    /// Whether an index has an entry.
    fn entry(&self, link: &Link) -> Life {
        let pair = (link.key.clone(), link.target.clone());
        if self.sorted.loose.contains(&pair) {
            return Life::Live;
        }
        let Some(index) = self.indexes.get(link.index) else {
            return Life::Unknown;
        };
        match index.pairs.get(&link.key) {
            Some(found) if found.value == link.target => match found.origin {
                Origin::Tree | Origin::Unlisted if !found.doubtful => Life::Live,
                _ => Life::Unknown,
            },
            Some(_) => Life::Unknown,
            None if index.cover.covers(&link.key) => Life::Deleted,
            None => Life::Unknown,
        }
    }

    /// Whether a record on `page` is in use, by other pages of the current state alone: an old page
    /// may have both an old record and its entry.
    pub(super) fn current_life(&self, bucket: &[u8], key: &[u8], value: &[u8], page: u64) -> Life {
        if self.is_needed(bucket, key) {
            return Life::Live;
        }
        let links = links(bucket, key, value);
        let entry = |link: &Link| {
            let Some(index) = self.indexes.get(link.index) else {
                return Life::Unknown;
            };
            let found = index.pairs.get(&link.key);
            match found.filter(|found| found.origin <= Origin::Unlisted) {
                Some(found) if found.page == page => Life::Deleted,
                Some(found) if found.value == link.target => Life::Live,
                _ if index.current_cover.covers(&link.key) => Life::Deleted,
                _ => Life::Unknown,
            }
        };
        let lives: Vec<Life> = links.iter().map(entry).collect();
        if lives.contains(&Life::Live) {
            Life::Live
        } else if !lives.is_empty() && lives.iter().all(|life| *life == Life::Deleted) {
            Life::Deleted
        } else {
            Life::Unknown
        }
    }

    /// Whether the current state had the entry of a record removed: its index has other entries
    /// around the place, on leaves that are in use.
    pub(super) fn is_removed(&self, bucket: &[u8], key: &[u8], value: &[u8]) -> bool {
        let links = links(bucket, key, value);
        let removed = |link: &Link| {
            let index = self.indexes.get(link.index);
            index.is_some_and(|index| {
                let known = index.pairs.get(&link.key);
                let here = known.is_some_and(|found| found.origin <= Origin::Unlisted);
                !here && index.inside.covers(&link.key)
            })
        };
        !links.is_empty() && links.iter().all(removed)
    }

    /// Compares the entries of certain leaves of the indexes with the records.
    pub(super) fn agreement(
        &self,
        buckets: &BTreeMap<Vec<u8>, Assembled>,
        base: Base,
    ) -> Agreement {
        let mut agreement = Agreement::default();
        for (index, records) in INDEXES {
            let records = buckets.get(*records);
            let Some(found) = self.indexes.get(index) else {
                continue;
            };
            for version in found.pairs.values() {
                let there = records.is_some_and(|found| found.pairs.contains_key(&version.value));
                if there {
                    agreement.entries += 1;
                } else if version.origin <= Origin::Unlisted || base == Base::Previous {
                    agreement.dangling += 1;
                } else if version.origin == Origin::PreviousTree {
                    agreement.dangling_before += 1;
                }
            }
        }
        for (bucket, found) in buckets {
            for (key, version) in &found.pairs {
                let of = links(bucket, key, &version.value);
                let lacks = |link: &Link| self.entry(link) == Life::Deleted;
                agreement.without_entry += u64::from(!of.is_empty() && of.iter().all(lacks));
            }
        }
        agreement
    }
}
