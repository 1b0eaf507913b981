//! All mappings of a store as influxd sees them: the stored ones, then the virtual ones, which
//! influxd makes of the names of buckets.
//!
//! Source: `dbrp/service.go` in influxdata/influxdb.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::dbrp::{Dbrp, EARLY, database_key, must_not_be_early, of_bucket_name};
use crate::metadata::{Catalog, Id, Schema, names};
use crate::store::Snapshot;

/// One mapping, in the API's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Mapping {
    /// Its identifier; that of the bucket if it is virtual.
    pub id: Id,
    /// The 1.x database.
    pub database: String,
    /// The retention policy of the database.
    pub retention_policy: String,
    /// Whether requests without a retention policy use it.
    pub default: bool,
    /// Whether influxd makes it of the name of the bucket. Such a mapping can't be changed.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    /// The organization; none in a record that influxd would not write.
    #[serde(rename = "orgID")]
    pub org_id: Option<Id>,
    /// That organization's name; none when it was deleted.
    pub org: Option<String>,
    /// The bucket; none in a record that influxd would not write.
    #[serde(rename = "bucketID")]
    pub bucket_id: Option<Id>,
    /// That bucket's name; none when it was deleted.
    pub bucket: Option<String>,
    /// Why requests that use it fail.
    pub problems: Vec<String>,
}

/// The stored mappings, their entries, and the default mapping of each database.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) mappings: BTreeMap<Id, Dbrp>,
    /// The entries of the indexes: bucket and key.
    entries: BTreeSet<(&'static [u8], Vec<u8>)>,
    /// By the key of the database.
    defaults: BTreeMap<Vec<u8>, Option<Id>>,
    /// The number of migrations.
    schema: u64,
    /// Records that can't be decoded, and damage.
    pub(crate) skipped: Vec<Finding>,
}

impl Stored {
    /// Reads them.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut stored = Self {
            schema: Schema::load(snapshot)?.migrations,
            ..Self::default()
        };
        let mut undecodable = Vec::new();
        let mut skipped = snapshot.scan(names::DBRP, &mut |key, value| {
            match (Id::from_bytes(key), Dbrp::decode(value)) {
                (Ok(id), Ok(mapping)) => {
                    stored.mappings.insert(id, mapping);
                }
                (_, mapping) => {
                    let why = mapping.err().unwrap_or_else(|| "its key is no ID".into());
                    let at = format!(
                        "{}/{}",
                        String::from_utf8_lossy(names::DBRP),
                        String::from_utf8_lossy(key)
                    );
                    let message = format!("record can't be decoded: {why}");
                    undecodable.push(Finding::new(Code::Undecodable, at, message));
                }
            }
            ControlFlow::Continue(())
        })?;
        for index in [names::DBRP_BY_ORG, names::DBRP_BY_DATABASE] {
            skipped.extend(snapshot.scan(index, &mut |key, _| {
                stored.entries.insert((index, key.to_vec()));
                ControlFlow::Continue(())
            })?);
        }
        skipped.extend(snapshot.scan(names::DBRP_DEFAULT, &mut |key, value| {
            let id = Id::from_bytes(value).ok();
            stored.defaults.insert(key.to_vec(), id);
            ControlFlow::Continue(())
        })?);
        skipped.extend(undecodable);
        stored.skipped = skipped;
        Ok(stored)
    }

    /// The ID in the entry for the default mapping of the database, if there is one.
    pub(crate) fn default_of(&self, mapping: &Dbrp) -> Option<Id> {
        let key = mapping.database_key()?;
        self.defaults.get(&key).copied().flatten()
    }

    /// Whether a mapping is the default of a database. An entry that leads nowhere does not count.
    pub(crate) fn has_default(&self, org: Id, database: &str) -> bool {
        let default = self.defaults.get(&database_key(org, database)).copied();
        default
            .flatten()
            .is_some_and(|id| self.mappings.contains_key(&id))
    }

    /// Whether this mapping is the default of its database.
    pub(crate) fn is_default(&self, id: Id, mapping: &Dbrp) -> bool {
        self.default_of(mapping) == Some(id)
    }

    /// The other mappings of the database of `mapping` that influxd finds, ascending by ID.
    pub(crate) fn others_of_database(&self, id: Id, mapping: &Dbrp) -> Vec<Id> {
        let of_database = self.mappings.iter().filter(|(other, one)| {
            let same = one.org == mapping.org && one.database == mapping.database;
            same && **other != id && self.lacks(**other, one).is_empty()
        });
        of_database.map(|(id, _)| *id).collect()
    }

    /// The indexes that have no entry for a mapping.
    pub(crate) fn lacks(&self, id: Id, mapping: &Dbrp) -> Vec<&'static [u8]> {
        let entries = mapping.entries(id).into_iter().flatten();
        let missing = entries.filter(|entry| !self.entries.contains(entry));
        missing.map(|(index, _)| index).collect()
    }

    /// A stored mapping for reports.
    pub(crate) fn shown(&self, id: Id, mapping: &Dbrp, catalog: &Catalog) -> Mapping {
        let org = mapping.org.and_then(|id| catalog.orgs.get(&id));
        let bucket = mapping.bucket.and_then(|id| catalog.buckets.get(&id));
        let mut problems = Vec::new();
        if mapping.early && must_not_be_early(self.schema) {
            problems.push(EARLY.into());
        }
        match (mapping.org, org) {
            (None, _) => problems.push("it names no organization".into()),
            (Some(id), None) if !catalog.may_have_org(id) => {
                problems.push(format!("its organization {id} was deleted"));
            }
            _ => {}
        }
        match (mapping.bucket, bucket) {
            (None, _) => problems.push("it names no bucket".into()),
            (Some(id), None) if !catalog.hidden.hides(names::BUCKETS) => {
                problems.push(format!("its bucket {id} was deleted"));
            }
            _ => {}
        }
        for index in self.lacks(id, mapping) {
            let index = String::from_utf8_lossy(index);
            problems.push(format!("its entry in {index} is missing"));
        }
        let default = self.default_of(mapping);
        if default.is_none_or(|id| !self.mappings.contains_key(&id)) {
            problems.push(
                "no mapping of its database is the default, so influxd fails on every request for \
                 that database"
                    .into(),
            );
        }
        Mapping {
            id,
            database: mapping.database.clone(),
            retention_policy: mapping.retention_policy.clone(),
            default: default == Some(id),
            is_virtual: false,
            org_id: mapping.org,
            org: org.map(|org| org.name.clone()),
            bucket_id: mapping.bucket,
            bucket: bucket.map(|bucket| bucket.name.clone()),
            problems,
        }
    }
}

/// All mappings, by organization; in each the stored ones by ID, then the virtual ones by the names
/// of their buckets.
pub(crate) fn all(stored: &Stored, catalog: &Catalog) -> Vec<Mapping> {
    let mut all: Vec<Mapping> = stored
        .mappings
        .iter()
        .map(|(id, mapping)| stored.shown(*id, mapping, catalog))
        .collect();
    let mut buckets: Vec<_> = catalog.buckets.values().collect();
    buckets.sort_by_key(|bucket| (bucket.org_id, &bucket.name));
    for bucket in buckets {
        // influxd lists buckets by their index.
        let found = catalog.bucket_by_name(bucket.org_id, &bucket.name).found();
        if found.is_none_or(|found| found.id != bucket.id) {
            continue;
        }
        let (database, policy) = of_bucket_name(&bucket.name);
        let same_database = |one: &&Mapping| {
            !one.is_virtual && one.org_id == Some(bucket.org_id) && one.database == database
        };
        let is_hidden = |one: &Mapping| one.retention_policy == policy;
        if all.iter().filter(same_database).any(is_hidden) {
            continue;
        }
        let default =
            bucket.name == database && !all.iter().filter(same_database).any(|one| one.default);
        let org = catalog.orgs.get(&bucket.org_id);
        all.push(Mapping {
            id: bucket.id,
            database: database.to_owned(),
            retention_policy: policy.to_owned(),
            default,
            is_virtual: true,
            org_id: Some(bucket.org_id),
            org: org.map(|org| org.name.clone()),
            bucket_id: Some(bucket.id),
            bucket: Some(bucket.name.clone()),
            problems: Vec::new(),
        });
    }
    all.sort_by_key(|one| one.org_id);
    all
}

/// The mapping that a request of an organization for this database uses; without a retention policy
/// the default one.
pub(crate) fn used<'m>(
    all: &'m [Mapping],
    org: Id,
    database: &str,
    policy: Option<&str>,
) -> Option<&'m Mapping> {
    all.iter().find(|one| {
        one.org_id == Some(org)
            && one.database == database
            && match policy {
                Some(policy) => one.retention_policy == policy,
                None => one.default,
            }
    })
}
