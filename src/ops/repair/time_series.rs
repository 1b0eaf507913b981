//! Time-series metadata of buckets that have none. Without shards only: a bucket whose shards are
//! in the engine folder is left.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, counted};
use crate::metadata::tsm::{Database, Highest};
use crate::metadata::{Bucket, Catalog, Id, names, tsm, tsm_edit};
use crate::ops::repair::name_indexes::Doubtful;
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};
use crate::ops::token_plan::new_id;

pub(super) const CODES: &[Code] = &[Code::TsmAbsent, Code::TsmUndecodable];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let catalog = Catalog::load(planned.snapshot)?;
    let old = value(planned)?;
    match old.as_deref().map(tsm::decode) {
        Some(Err(_)) => replace(planned, &catalog),
        Some(Ok(data)) => {
            let there = data.databases.iter().map(|database| &*database.name);
            add_missing(planned, &catalog, &there.collect())
        }
        None => add_missing(planned, &catalog, &BTreeSet::new()),
    }
}

/// The place of the whole value.
fn place_of_all() -> String {
    place(names::TSM_METADATA, text(names::TSM_METADATA_KEY))
}

/// The value as this family has it so far.
fn value(planned: &PlannedCures<'_>) -> Result<Option<Vec<u8>>> {
    let preview = crate::store::Preview::new(planned.snapshot, &planned.changes);
    crate::store::Snapshot::get(&preview, names::TSM_METADATA, names::TSM_METADATA_KEY)
}

/// Adds databases for the buckets that have none.
fn add_missing(
    planned: &mut PlannedCures<'_>,
    catalog: &Catalog,
    there: &BTreeSet<&str>,
) -> Result<()> {
    let doubtful = Doubtful::of(planned.snapshot, names::BUCKETS, &catalog.buckets)?;
    let mut databases = Vec::new();
    let mut cures = Vec::new();
    for bucket in catalog.buckets.values() {
        if there.contains(bucket.id.to_string().as_str()) {
            continue;
        }
        let at = place(names::BUCKETS, bucket.id);
        if doubtful.has(bucket.id) {
            let reason = "the key of its record is not the ID in it";
            planned.leave(Code::TsmAbsent, at, reason);
            continue;
        }
        let shards = shards_of(planned, bucket.id);
        if shards > 0 {
            let reason = format!(
                "the engine folder has {} of it, whose times are not known. Restore a backup: \
                 boltkey backup restore",
                counted(shards, "shard")
            );
            planned.leave(Code::TsmAbsent, at, reason);
            continue;
        }
        if !planned.wants(Code::TsmAbsent) {
            continue;
        }
        let cure = Cure::new(
            Code::TsmAbsent,
            at,
            format!("adds time-series metadata for bucket {:?}", bucket.name),
            "no time-series metadata: influxd does not start",
            "time-series metadata without shards",
        );
        databases.push(database(bucket));
        cures.push(cure);
    }
    if !cures.is_empty() {
        add(planned, &databases)?;
    }
    for cure in cures {
        planned.cure(cure, |_| {});
    }
    Ok(())
}

/// How many shards of a bucket are in the engine folder.
fn shards_of(planned: &PlannedCures<'_>, bucket: Id) -> u64 {
    let name = bucket.to_string();
    planned.shards.iter().filter(|s| s.bucket == name).count() as u64
}

/// The database of an existing bucket, without shards.
fn database(bucket: &Bucket) -> Database {
    let duration = match bucket.shard_group_duration {
        0 => tsm_edit::shard_group_duration(bucket.retention_period),
        known => known,
    };
    tsm_edit::database(bucket.id, bucket.retention_period, duration)
}

/// Adds databases to the value, and makes sure that no shard in the engine folder gets a number
/// again.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the value can't be edited.
pub(super) fn add(planned: &mut PlannedCures<'_>, databases: &[Database]) -> Result<()> {
    let highest = highest(planned);
    let new = match value(planned)? {
        Some(old) => tsm_edit::with_databases(&old, databases)
            .and_then(|value| tsm_edit::raised(&value, highest)),
        None => {
            let cluster = new_id::random_number()?;
            Some(tsm_edit::new_value(cluster, databases.to_vec(), highest))
        }
    };
    let new = new.ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "the time-series metadata of the store can't be edited",
        )
        .with_hint("boltkey check shows what is wrong with it")
    })?;
    planned.changes.create_bucket(names::TSM_METADATA);
    let key = names::TSM_METADATA_KEY;
    planned.changes.put(names::TSM_METADATA, key, &new);
    Ok(())
}

/// Whether databases can be added to the value.
pub(super) fn is_editable(planned: &PlannedCures<'_>) -> Result<bool> {
    Ok(value(planned)?.is_none_or(|value| tsm_edit::with_databases(&value, &[]).is_some()))
}

/// The highest number of a shard in the engine folder, for groups too: each group has a shard.
fn highest(planned: &PlannedCures<'_>) -> Highest {
    let number = planned.shards.iter().map(|shard| shard.shard).max();
    let number = number.unwrap_or_default();
    Highest {
        group: number,
        shard: number,
    }
}

/// Replaces a value that can't be decoded, if no shard needs it.
fn replace(planned: &mut PlannedCures<'_>, catalog: &Catalog) -> Result<()> {
    let shards = planned.shards.len() as u64;
    if shards > 0 {
        let reason = format!(
            "the engine folder has {}, whose times only the damaged value has. Restore a backup: \
             boltkey backup restore",
            counted(shards, "shard")
        );
        planned.leave(Code::TsmUndecodable, place_of_all(), reason);
        return Ok(());
    }
    let databases: Vec<Database> = catalog.buckets.values().map(database).collect();
    let cluster = new_id::random_number()?;
    let new = tsm_edit::new_value(cluster, databases, Highest::default());
    let cure = Cure::new(
        Code::TsmUndecodable,
        place_of_all(),
        "writes time-series metadata for all buckets",
        "a value that influxd can't decode",
        format!(
            "time-series metadata of {} without shards",
            counted(catalog.buckets.len() as u64, "bucket")
        ),
    );
    let deleted = Deletion::Named(String::from(
        "the time-series metadata, which can't be decoded",
    ));
    planned.cure(cure.deleting(deleted), |changes| {
        changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &new);
    });
    Ok(())
}
