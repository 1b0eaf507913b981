//! `bucket list`.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{self, Catalog, Id, lost_records, names};
use crate::ops::known::{List, incomplete};
use crate::store::{Inspect, Snapshot};

/// All InfluxDB buckets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Buckets {
    /// By ID.
    pub buckets: List<Bucket>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// One bucket, in the API's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its identifier.
    pub id: Id,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// That organization's name; `None` when it was deleted.
    pub org: Option<String>,
    /// `user` or `system`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// The retention policy of a 1.x database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rp: Option<String>,
    /// Always one rule.
    pub retention_rules: [RetentionRule; 1],
    /// RFC 3339, as written.
    pub created_at: String,
    /// RFC 3339, as written.
    pub updated_at: String,
}

/// How long points are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RetentionRule {
    /// `expire`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Seconds; 0 for unlimited.
    pub every_seconds: i64,
    /// Seconds that one shard group covers.
    pub shard_group_duration_seconds: i64,
}

/// Reads all InfluxDB buckets.
///
/// # Errors
/// When the file can't be read.
pub fn list(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Buckets> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let hidden = catalog.hidden.hides(names::BUCKETS);
    let buckets = catalog.buckets.values();
    let buckets = buckets.map(|bucket| Bucket::of(bucket, &catalog));
    Ok(Buckets {
        buckets: List::new(buckets.collect(), hidden),
        incomplete: incomplete(&[("buckets", hidden)]),
        skipped: catalog.skipped.into_iter().chain(lost).collect(),
    })
}

impl Bucket {
    /// A bucket with the name of its organization.
    #[must_use]
    pub(crate) fn of(bucket: &metadata::Bucket, catalog: &Catalog) -> Self {
        const SECOND: i64 = 1_000_000_000;
        Self {
            id: bucket.id,
            org_id: bucket.org_id,
            org: catalog.orgs.get(&bucket.org_id).map(|org| org.name.clone()),
            kind: if bucket.is_system() { "system" } else { "user" },
            name: bucket.name.clone(),
            description: bucket.description.clone(),
            rp: bucket.rp.clone(),
            retention_rules: [RetentionRule {
                kind: "expire",
                every_seconds: bucket.retention_period / SECOND,
                shard_group_duration_seconds: bucket.shard_group_duration / SECOND,
            }],
            created_at: bucket.created_at.clone(),
            updated_at: bucket.updated_at.clone(),
        }
    }
}
