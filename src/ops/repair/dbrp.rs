//! Mappings of 1.x databases: those whose bucket is gone, their indexes, and default mappings.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::dbrp::Dbrp;
use crate::metadata::{Id, names};
use crate::ops::repair::gone::Gone;
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};

pub(super) const CODES: &[Code] = &[
    Code::DbrpBucketGone,
    Code::DbrpIndexAbsent,
    Code::DbrpIndexDangling,
];

/// The mappings of a store.
#[derive(Default)]
struct Mappings {
    kept: BTreeMap<Id, Dbrp>,
    orphans: Vec<(Id, Dbrp)>,
    undecodable: BTreeSet<Id>,
}

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let gone = Gone::load(planned.snapshot)?;
    let mut mappings = Mappings::default();
    planned.snapshot.scan(names::DBRP, &mut |key, value| {
        let Ok(id) = Id::from_bytes(key) else {
            return ControlFlow::Continue(());
        };
        match Dbrp::decode(value) {
            Err(_) => {
                mappings.undecodable.insert(id);
            }
            Ok(mapping) => {
                let is_orphan = mapping.bucket.is_none_or(|bucket| gone.bucket(bucket));
                if is_orphan && planned.wants(Code::DbrpBucketGone) {
                    mappings.orphans.push((id, mapping));
                } else {
                    mappings.kept.insert(id, mapping);
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    for (id, mapping) in &mappings.orphans {
        delete(planned, *id, mapping);
    }
    indexes(planned, &mappings)?;
    defaults(planned, &mappings)
}

fn named(mapping: &Dbrp) -> String {
    format!(
        "1.x database {:?} with retention policy {:?}",
        mapping.database, mapping.retention_policy
    )
}

/// Deletes a mapping with its entries, as influxd does with those of a bucket that it deletes.
fn delete(planned: &mut PlannedCures<'_>, id: Id, mapping: &Dbrp) {
    let before = match mapping.bucket {
        Some(bucket) => format!("its bucket {bucket} does not exist"),
        None => "it names no bucket".into(),
    };
    let what = named(mapping);
    let cure = Cure::new(
        Code::DbrpBucketGone,
        place(names::DBRP, id),
        format!("deletes the mapping of {what}"),
        before,
        "no mapping",
    );
    let deleted = Deletion::Named(format!("mapping of {what}"));
    planned.cure(cure.deleting(deleted), |changes| {
        changes.remove(names::DBRP, id.to_string().as_bytes());
        for (index, key) in mapping.entries(id).into_iter().flatten() {
            changes.remove(index, &key);
        }
    });
}

/// The indexes by organization and by database.
fn indexes(planned: &mut PlannedCures<'_>, mappings: &Mappings) -> Result<()> {
    let of_orphans: BTreeSet<Vec<u8>> = mappings
        .orphans
        .iter()
        .flat_map(|(id, mapping)| mapping.entries(*id).into_iter().flatten())
        .map(|(_, key)| key)
        .collect();
    let (buckets, _) = planned.snapshot.buckets()?;
    for index in [names::DBRP_BY_ORG, names::DBRP_BY_DATABASE] {
        if !buckets.iter().any(|bucket| bucket.name == index) {
            continue;
        }
        let mut needed: BTreeMap<Vec<u8>, Id> = mappings
            .kept
            .iter()
            .flat_map(|(id, mapping)| {
                let entries = mapping.entries(*id).into_iter().flatten();
                entries.map(|(index, key)| (index, key, *id))
            })
            .filter(|(bucket, ..)| *bucket == index)
            .map(|(_, key, id)| (key, id))
            .collect();
        let mut dangling = Vec::new();
        planned.snapshot.scan(index, &mut |key, value| {
            let to = Id::from_bytes(value).ok();
            if to.is_some() && needed.get(key).copied() == to {
                needed.remove(key);
            } else if !to.is_some_and(|id| mappings.undecodable.contains(&id))
                && !of_orphans.contains(key)
                && !needed.contains_key(key)
            {
                dangling.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        for key in dangling {
            remove_entry(planned, index, &key);
        }
        for (key, id) in needed {
            let cure = Cure::new(
                Code::DbrpIndexAbsent,
                place(names::DBRP, id),
                format!("adds the entry to {}", text(index)),
                "no entry",
                "an entry",
            );
            planned.cure(cure, |changes| {
                changes.put(index, &key, id.to_string().as_bytes());
            });
        }
    }
    Ok(())
}

fn remove_entry(planned: &mut PlannedCures<'_>, index: &[u8], key: &[u8]) {
    let cure = Cure::new(
        Code::DbrpIndexDangling,
        place(index, text(key)),
        "removes the entry",
        "leads to no mapping",
        "no entry",
    );
    planned.cure(cure.deleting(Deletion::Entry), |changes| {
        changes.remove(index, key);
    });
}

/// The default mapping of each database.
fn defaults(planned: &mut PlannedCures<'_>, mappings: &Mappings) -> Result<()> {
    let index = names::DBRP_DEFAULT;
    let (buckets, _) = planned.snapshot.buckets()?;
    if !buckets.iter().any(|bucket| bucket.name == index) {
        return Ok(());
    }
    let mut databases = BTreeMap::<Vec<u8>, Vec<Id>>::new();
    for (id, mapping) in &mappings.kept {
        if let Some(key) = mapping.database_key() {
            databases.entry(key).or_default().push(*id);
        }
    }
    let deleted: BTreeSet<Id> = mappings.orphans.iter().map(|(id, _)| *id).collect();
    let mut wrong = Vec::new();
    planned.snapshot.scan(index, &mut |key, value| {
        let to = Id::from_bytes(value).ok();
        let of_database = databases.get(key).map(Vec::as_slice).unwrap_or_default();
        if to.is_some_and(|id| of_database.contains(&id) || mappings.undecodable.contains(&id)) {
            databases.remove(key);
        } else {
            wrong.push((key.to_vec(), to));
        }
        ControlFlow::Continue(())
    })?;
    for (key, to) in wrong {
        // With the default mapping, influxd makes the next one the default.
        let first = databases.get(&key).and_then(|ids| ids.first().copied());
        let was_deleted = to.is_some_and(|id| deleted.contains(&id));
        match first {
            Some(first) if was_deleted => {
                databases.remove(&key);
                planned
                    .changes
                    .put(index, &key, first.to_string().as_bytes());
            }
            None if was_deleted => planned.changes.remove(index, &key),
            Some(_) | None => remove_entry(planned, index, &key),
        }
    }
    for (key, ids) in databases {
        let [only] = ids.as_slice() else {
            let reason = "which of several mappings is the default is your choice. boltkey v1 dbrp \
                          update --id ID --default sets it";
            for id in ids {
                planned.leave(Code::DbrpIndexAbsent, place(names::DBRP, id), reason);
            }
            continue;
        };
        let cure = Cure::new(
            Code::DbrpIndexAbsent,
            place(names::DBRP, only),
            "makes it the default mapping of its database, which has no other",
            "no default mapping",
            "a default mapping",
        );
        planned.cure(cure, |changes| {
            changes.put(index, &key, only.to_string().as_bytes());
        });
    }
    Ok(())
}
