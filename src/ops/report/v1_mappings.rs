//! The 1.x databases and retention policies of a report, and the buckets they mean.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::Result;
use crate::metadata::dbrp::{self, Dbrp};
use crate::metadata::shown_tokens::ShownTokens;
use crate::metadata::{Catalog, Id, names};
use crate::ops::known::List;
use crate::store::Snapshot;

/// One mapping, in the field names of the API.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct V1Mapping {
    /// Its identifier.
    pub id: Id,
    /// The 1.x database.
    pub database: String,
    /// The retention policy of the database.
    #[serde(rename = "retention_policy")]
    pub retention_policy: String,
    /// Whether it is the default policy of the database.
    pub default: bool,
    /// The organization's name; none if it was deleted.
    pub org: Option<String>,
    /// The bucket; none in a record that influxd would not write.
    #[serde(rename = "bucketID")]
    pub bucket_id: Option<Id>,
    /// The bucket's name; none if it was deleted.
    pub bucket: Option<String>,
}

/// Reads all mappings that can be decoded.
///
/// # Errors
/// When the file can't be read.
pub(super) fn v1_mappings(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    shown: &mut ShownTokens<'_>,
) -> Result<List<V1Mapping>> {
    let defaults = dbrp::defaults(snapshot)?;
    let mut mappings = Vec::new();
    let mut hidden = catalog.hidden.hides(names::DBRP);
    let damage = snapshot.scan(names::DBRP, &mut |key, value| {
        let (Ok(id), Ok(mut record)) = (Id::from_bytes(key), Dbrp::decode(value)) else {
            hidden = true;
            return ControlFlow::Continue(());
        };
        shown.leave_out(&mut record.database);
        shown.leave_out(&mut record.retention_policy);
        let org = record.org.and_then(|id| catalog.orgs.get(&id));
        let bucket = record.bucket.and_then(|id| catalog.buckets.get(&id));
        mappings.push(V1Mapping {
            id,
            database: record.database,
            retention_policy: record.retention_policy,
            default: defaults.contains(&id),
            org: org.map(|org| org.name.clone()),
            bucket_id: record.bucket,
            bucket: bucket.map(|bucket| bucket.name.clone()),
        });
        ControlFlow::Continue(())
    })?;
    Ok(List::new(mappings, hidden || !damage.is_empty()))
}
