//! `bucket create`: creates a bucket with its time-series metadata, without which influxd does not
//! start.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::durations::normal_shard_group;
use crate::metadata::new_records::{NewBucket, put_bucket, valid_bucket_name};
use crate::metadata::{Catalog, Id, Organization, names, tsm_edit};
use crate::ops::bucket::list::Bucket;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::{By, must_be_free};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// The bucket to create. Durations are in nanoseconds.
#[derive(Debug, Clone)]
pub struct Options {
    /// The organization; none: the only one.
    pub org: Option<By>,
    /// The name, unique in the organization.
    pub name: String,
    /// The description.
    pub description: String,
    /// How long points are kept; 0 for ever.
    pub retention: i64,
    /// The time range of a shard group; 0 for InfluxDB's default.
    pub shard_group_duration: i64,
}

/// A planned bucket.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// As `bucket list` shows it.
    pub bucket: Bucket,
}

/// Plans the records.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Usage`] when the organization must be named
/// * [`ErrorKind::NoSuchRecord`] when there is no such organization
/// * [`ErrorKind::Refused`] for names and durations that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let org = resolve::org(&catalog, options.org.as_ref(), ErrorKind::Usage)?;
    name_is_free(&catalog, org, &options.name)?;
    let (changes, id) = changes(snapshot, org.id, options, now)?;
    let preview = Preview::new(snapshot, &changes);
    let catalog = Catalog::load(&preview)?;
    let bucket = catalog.buckets.get(&id);
    let bucket = bucket.ok_or_else(|| {
        let message = format!("the record of bucket {id} can't be decoded");
        Error::new(ErrorKind::Refused, message)
    })?;
    Ok(Plan {
        bucket: Bucket::of(bucket, &catalog),
        changes,
    })
}

/// Refuses a name that is invalid, taken, or blocked by an index entry.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn name_is_free(catalog: &Catalog, org: &Organization, name: &str) -> Result<()> {
    valid_bucket_name(name).map_err(|why| Error::new(ErrorKind::Refused, why))?;
    let lookup = catalog.bucket_by_name(org.id, name);
    must_be_free(&lookup, name, "boltkey bucket list shows all buckets")
}

/// The record, its index entry and its time-series metadata, under a new ID.
///
/// # Errors
/// [`ErrorKind::Refused`] for durations that InfluxDB refuses; [`ErrorKind::Corrupt`] when the
/// time-series metadata can't be edited.
pub(crate) fn changes(
    snapshot: &dyn Snapshot,
    org: Id,
    options: &Options,
    now: &Timestamp,
) -> Result<(ChangeSet, Id)> {
    let Options {
        name,
        description,
        retention,
        ..
    } = options;
    let shard_group_duration = normal_shard_group(options.shard_group_duration, *retention)
        .map_err(|why| Error::new(ErrorKind::Refused, why))?;
    let id = new_id::of_engine(snapshot)?;
    let mut changes = ChangeSet::default();
    let bucket = NewBucket {
        name,
        description,
        system: false,
        retention: *retention,
        shard_group_duration,
    };
    let database = put_bucket(&mut changes, id, org, &bucket, &now.utc);
    let old = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
    let new = old.and_then(|old| tsm_edit::with_databases(&old, &[database]));
    let new = new.ok_or_else(not_editable)?;
    changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &new);
    Ok((changes, id))
}

/// The error for time-series metadata that can't be edited.
pub(crate) fn not_editable() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the time-series metadata of the store can't be edited, so influxd would not start with the \
         change",
    )
    .with_hint("boltkey check shows what is wrong with it")
}

impl Plan {
    /// Commits the change, then reads the file again to verify it.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the new bucket")
    }
}
