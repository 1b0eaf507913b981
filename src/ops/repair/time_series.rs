//! Time-series metadata of buckets that have none, with the shards that are in the engine folder.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, counted};
use crate::metadata::tsm::{Data, Database, Highest};
use crate::metadata::{Catalog, names, tsm, tsm_edit};
use crate::ops::repair::engine_shards::WithShards;
use crate::ops::repair::name_indexes::Doubtful;
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};
use crate::ops::token_plan::new_id;

pub(super) const CODES: &[Code] = &[Code::TsmAbsent, Code::TsmUndecodable];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let catalog = Catalog::load(planned.snapshot)?;
    let old = value(planned)?;
    match old.as_deref().map(tsm::decode) {
        Some(Err(_)) => replace(planned, &catalog),
        Some(Ok(data)) => add_missing(planned, &catalog, &data),
        None => add_missing(planned, &catalog, &Data::default()),
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
fn add_missing(planned: &mut PlannedCures<'_>, catalog: &Catalog, data: &Data) -> Result<()> {
    let there = data.databases.iter().map(|database| &*database.name);
    let there: BTreeSet<&str> = there.collect();
    let doubtful = Doubtful::of(planned.snapshot, names::BUCKETS, &catalog.buckets)?;
    let mut highest = data.highest().and(planned.engine_shards.highest());
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
        let found = planned
            .engine_shards
            .database(bucket, data, &mut highest, planned.now.time);
        let with = match found {
            Ok(with) => with,
            Err(reason) => {
                planned.leave(Code::TsmAbsent, at, reason);
                continue;
            }
        };
        if !planned.wants(Code::TsmAbsent) {
            continue;
        }
        let WithShards {
            database,
            shards,
            after,
        } = with;
        let mut action = format!("adds time-series metadata for bucket {:?}", bucket.name);
        if !shards.is_empty() {
            action.push_str(&format!(", with {shards} of the engine folder"));
        }
        let before = "no time-series metadata: influxd does not start";
        cures.push(Cure::new(Code::TsmAbsent, at, action, before, after));
        databases.push(database);
    }
    if !cures.is_empty() {
        add(planned, &databases, highest)?;
    }
    for cure in cures {
        planned.cure(cure, |_| {});
    }
    Ok(())
}

/// Adds databases without shards to the value.
///
/// # Errors
/// As [`add`].
pub(super) fn add_empty(planned: &mut PlannedCures<'_>, databases: &[Database]) -> Result<()> {
    add(planned, databases, planned.engine_shards.highest())
}

/// Adds databases to the value, and makes sure that no shard in the engine folder gets a number
/// again. `highest` are the numbers of these shards, and of the groups in `databases`.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the value can't be edited.
fn add(planned: &mut PlannedCures<'_>, databases: &[Database], highest: Highest) -> Result<()> {
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

/// Why no database can be added to the value; `None` if it can. A new value would give out the
/// numbers of shards again that are not known.
pub(super) fn not_editable(planned: &PlannedCures<'_>) -> Result<Option<String>> {
    Ok(match (value(planned)?, planned.engine_shards.unknown()) {
        (Some(value), _) => tsm_edit::with_databases(&value, &[])
            .is_none()
            .then(|| String::from("the time-series metadata can't be edited")),
        (None, Some(why)) => Some(format!(
            "the store has no time-series metadata, and it is not known which shards there are: {why}"
        )),
        (None, None) => None,
    })
}

/// Replaces a value that can't be decoded, if the shards of all buckets are known.
fn replace(planned: &mut PlannedCures<'_>, catalog: &Catalog) -> Result<()> {
    let mut highest = planned.engine_shards.highest();
    let mut databases = Vec::with_capacity(catalog.buckets.len());
    let mut shards = 0;
    for bucket in catalog.buckets.values() {
        let found = planned.engine_shards.database(
            bucket,
            &Data::default(),
            &mut highest,
            planned.now.time,
        );
        match found {
            Ok(with) => {
                let policies = with.database.retention_policies.iter();
                shards += policies
                    .map(|policy| policy.shard_groups.len() as u64)
                    .sum::<u64>();
                databases.push(with.database);
            }
            Err(reason) => {
                let reason = format!("bucket {:?} ({}): {reason}", bucket.name, bucket.id);
                planned.leave(Code::TsmUndecodable, place_of_all(), reason);
                return Ok(());
            }
        }
    }
    let cluster = new_id::random_number()?;
    let new = tsm_edit::new_value(cluster, databases, highest);
    let with = match shards {
        0 => String::from("without shards"),
        n => format!("with {} of the engine folder", counted(n, "shard")),
    };
    let cure = Cure::new(
        Code::TsmUndecodable,
        place_of_all(),
        "writes time-series metadata for all buckets",
        "a value that influxd can't decode",
        format!(
            "time-series metadata of {} {with}",
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
