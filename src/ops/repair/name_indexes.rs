//! Indexes of the names of users, organizations and buckets. A record has its name; the entry
//! follows, if only one record has the name.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::lookup::Named;
use crate::metadata::name_index::{Entry, NameIndex};
use crate::metadata::{Catalog, Id, names};
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};
use crate::store::{MAX_KEY_SIZE, Snapshot};

pub(super) const CODES: &[Code] = &[
    Code::IndexAbsent,
    Code::IndexElsewhere,
    Code::IndexDangling,
    Code::NameTaken,
];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let catalog = Catalog::load(planned.snapshot)?;
    let Catalog {
        users,
        orgs,
        buckets,
        indexes,
        ..
    } = &catalog;
    family(planned, names::USERS, users, &indexes.users)?;
    family(planned, names::ORGANIZATIONS, orgs, &indexes.orgs)?;
    family(planned, names::BUCKETS, buckets, &indexes.buckets)
}

/// The IDs in a bucket of records: those in keys of records that influxd can't decode, and those of
/// records whose key is another ID.
pub(super) struct Doubtful(HashSet<Id>);

impl Doubtful {
    pub(super) fn of<T>(
        snapshot: &dyn Snapshot,
        bucket: &[u8],
        records: &BTreeMap<Id, T>,
    ) -> Result<Self> {
        #[derive(Deserialize)]
        struct HasId {
            id: Id,
        }
        let mut doubtful = HashSet::new();
        snapshot.scan(bucket, &mut |key, value| {
            let key = Id::from_bytes(key).ok();
            match serde_json::from_slice::<HasId>(value) {
                Ok(HasId { id }) if key == Some(id) && records.contains_key(&id) => {}
                Ok(HasId { id }) => doubtful.extend([Some(id), key].into_iter().flatten()),
                Err(_) => doubtful.extend(key),
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self(doubtful))
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.0.contains(&id)
    }
}

/// The records of one kind, and their index.
fn family<T: Named>(
    planned: &mut PlannedCures<'_>,
    bucket: &'static [u8],
    records: &BTreeMap<Id, T>,
    index: &NameIndex,
) -> Result<()> {
    let doubtful = Doubtful::of(planned.snapshot, bucket, records)?;
    let (buckets, _) = planned.snapshot.buckets()?;
    let has_records = buckets.iter().any(|b| b.name == bucket);
    let entry_at = |key: &[u8]| place(T::INDEX, text(key));
    let mut by_key: BTreeMap<Vec<u8>, Vec<&T>> = BTreeMap::new();
    for record in records.values() {
        by_key.entry(record.key()).or_default().push(record);
    }
    // The names that lead to their record after the repair.
    let mut settled = HashSet::new();
    for (key, same_name) in &by_key {
        let entry = index.entry(key);
        let [only] = same_name.as_slice() else {
            for record in same_name {
                let reason = format!(
                    "{} {} have this name, and which of them gets it is your choice. {}",
                    same_name.len(),
                    plural(T::WHAT),
                    Code::NameTaken.cure()
                );
                let at = place(bucket, record.id());
                planned.leave(Code::NameTaken, &*at, &*reason);
                planned.leave(Code::IndexAbsent, at, &*reason);
                planned.leave(Code::IndexElsewhere, entry_at(key), reason);
            }
            continue;
        };
        let id = only.id();
        if entry == Entry::To(id) {
            settled.insert(id);
            continue;
        }
        if doubtful.has(id) || key.is_empty() || key.len() > MAX_KEY_SIZE {
            let reason = if doubtful.has(id) {
                "the key of its record is not the ID in it"
            } else {
                "influxd can't have an entry for this name"
            };
            planned.leave(Code::IndexAbsent, place(bucket, id), reason);
            planned.leave(Code::IndexElsewhere, entry_at(key), reason);
            continue;
        }
        let after = format!("leads to {} {id}", T::WHAT);
        let cure = match entry {
            Entry::Unknown => continue,
            Entry::Absent => Cure::new(
                Code::IndexAbsent,
                place(bucket, id),
                format!("adds the index entry of the name {:?}", only.name()),
                "no entry",
                after,
            ),
            Entry::To(to) => Cure::new(
                Code::IndexElsewhere,
                entry_at(key),
                format!("corrects the index entry of the name {:?}", only.name()),
                format!("leads to {} {to}", T::WHAT),
                after,
            ),
            Entry::Invalid => Cure::new(
                Code::IndexElsewhere,
                entry_at(key),
                format!("corrects the index entry of the name {:?}", only.name()),
                "contains no ID",
                after,
            ),
        };
        if planned.wants(cure.code) {
            settled.insert(id);
        }
        planned.cure(cure, |changes| {
            changes.put(T::INDEX, key, id.to_string().as_bytes());
        });
    }
    for (key, id) in index.entries() {
        if by_key.contains_key(key) || id.is_some_and(|id| doubtful.has(id)) {
            continue;
        }
        let name = name_in(T::INDEX, key);
        let before = id.map_or_else(
            || String::from("contains no ID"),
            |id| format!("leads to {} {id}", T::WHAT),
        );
        let target = id.and_then(|id| records.get(&id));
        let (code, deletes) = match target {
            Some(record) if settled.contains(&record.id()) => (
                Code::IndexElsewhere,
                Deletion::Named(format!(
                    "the name {name:?}, which leads to {} {:?}",
                    T::WHAT,
                    record.name()
                )),
            ),
            Some(_) => {
                let reason = format!(
                    "it is the only name by which influxd finds that {}",
                    T::WHAT
                );
                planned.leave(Code::IndexElsewhere, entry_at(key), reason);
                continue;
            }
            None if !has_records => {
                let reason = "the records are lost, and this is the last trace of one";
                planned.leave(Code::IndexDangling, entry_at(key), reason);
                continue;
            }
            None => (Code::IndexDangling, Deletion::Entry),
        };
        let cure = Cure::new(
            code,
            entry_at(key),
            format!("removes the index entry of the name {name:?}"),
            before,
            "no entry",
        );
        planned.cure(cure.deleting(deletes), |changes| {
            changes.remove(T::INDEX, key);
        });
    }
    Ok(())
}

/// The name in the key of an entry. In the index of buckets the organization's ID precedes it.
fn name_in(index: &[u8], key: &[u8]) -> String {
    let name = match index {
        names::BUCKET_INDEX => key.get(16..).unwrap_or(key),
        _ => key,
    };
    text(name)
}

fn plural(what: &str) -> String {
    format!("{what}s")
}
