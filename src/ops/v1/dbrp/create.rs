//! `v1 dbrp create`: maps a 1.x database with a retention policy to a bucket.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::dbrp::NewDbrp;
use crate::metadata::{Bucket, Catalog, Id};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::ops::v1::dbrp::find::{Plan, has_dbrps, is_unique, load, names_are_valid};
use crate::store::{ChangeSet, Snapshot};

/// The mapping to create.
#[derive(Debug, Clone)]
pub struct Options {
    /// The organization; none: that of the bucket, if it is named by ID, else the only one.
    pub org: Option<By>,
    /// The bucket.
    pub bucket: By,
    /// The 1.x database.
    pub database: String,
    /// The retention policy of the database.
    pub retention_policy: String,
    /// Whether it becomes the default mapping of its database. The first one always does.
    pub default: bool,
}

/// Plans the records.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Usage`] when the organization must be named
/// * [`ErrorKind::NoSuchRecord`] when there is no such organization or bucket
/// * [`ErrorKind::Refused`] for names that InfluxDB refuses, and when there is such a mapping
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    has_dbrps(known_schema(snapshot)?.migrations)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let Options {
        database,
        retention_policy: policy,
        ..
    } = options;
    names_are_valid(database, policy)?;
    let bucket = bucket(&catalog, options)?;
    let new = New {
        org: bucket.org_id,
        bucket: bucket.id,
        database,
        policy,
        default: options.default,
    };
    let (changes, id) = new.changes(snapshot, now)?;
    Plan::new(snapshot, changes, id)
}

/// The bucket, which must belong to the organization, if one is named.
fn bucket<'c>(catalog: &'c Catalog, options: &Options) -> Result<&'c Bucket> {
    let org = || resolve::org(catalog, options.org.as_ref(), ErrorKind::Usage);
    let id = match &options.bucket {
        By::Name(name) => return resolve::bucket_named(catalog, org()?.id, name),
        By::Id(id) => id,
    };
    let buckets = || catalog.buckets.values().map(|bucket| bucket.name.as_str());
    let bucket = catalog.buckets.get(id);
    let bucket = bucket.ok_or_else(|| resolve::no_such("bucket", &options.bucket, buckets()))?;
    if options.org.is_some() && org()?.id != bucket.org_id {
        let other = catalog.orgs.get(&bucket.org_id);
        let other = other.map_or("another", |org| org.name.as_str());
        let message = format!("bucket {id} belongs to organization {other:?}");
        return Err(Error::new(ErrorKind::Refused, message)
            .with_hint("boltkey bucket list shows names and IDs"));
    }
    Ok(bucket)
}

/// The fields of a new mapping.
pub(crate) struct New<'a> {
    pub(crate) org: Id,
    pub(crate) bucket: Id,
    pub(crate) database: &'a str,
    pub(crate) policy: &'a str,
    pub(crate) default: bool,
}

impl New<'_> {
    /// The record and its entries, under a new ID. The first mapping of a database becomes its
    /// default, as in influxd.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when there is such a mapping; otherwise as [`new_id::by_time`].
    pub(crate) fn changes(
        &self,
        snapshot: &dyn Snapshot,
        now: &Timestamp,
    ) -> Result<(ChangeSet, Id)> {
        let stored = load(snapshot)?;
        is_unique(&stored, None, self.org, self.database, self.policy)?;
        let id = new_id::by_time(snapshot, now)?;
        let mut changes = ChangeSet::default();
        NewDbrp {
            id,
            database: self.database,
            retention_policy: self.policy,
            org: self.org,
            bucket: self.bucket,
            default: self.default || !stored.has_default(self.org, self.database),
        }
        .put(&mut changes);
        Ok((changes, id))
    }
}
