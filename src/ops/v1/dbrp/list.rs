//! `v1 dbrp list`: all mappings, also the virtual ones.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Catalog, Id, lost_records, names};
use crate::ops::known::{List, incomplete};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::v1::dbrp::mapping::{Mapping, Stored, all};
use crate::store::{Inspect, Snapshot};

/// Mappings.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dbrps {
    /// By organization; the stored ones by ID, then the virtual ones by the names of their buckets.
    pub dbrps: List<Mapping>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// Which mappings to list; what is none does not filter.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Of this organization.
    pub org: Option<By>,
    /// The one with this ID.
    pub id: Option<Id>,
    /// To this bucket. A name is looked up in the organization, or in all.
    pub bucket: Option<By>,
    /// Of this database.
    pub database: Option<String>,
    /// Of this retention policy.
    pub retention_policy: Option<String>,
    /// Only default mappings.
    pub default: bool,
}

/// Reads the mappings.
///
/// # Errors
/// [`crate::ErrorKind::NoSuchRecord`] when a filter names what does not exist; otherwise when the file
/// can't be read.
pub fn list(snapshot: &dyn Snapshot, inspect: &dyn Inspect, filters: &Filters) -> Result<Dbrps> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let stored = Stored::load(snapshot)?;
    let org = match &filters.org {
        Some(By::Name(name)) => Some(resolve::org_named(&catalog, name)?.id),
        Some(By::Id(id)) => Some(*id),
        None => None,
    };
    let is_bucket = |one: &Mapping| match &filters.bucket {
        Some(By::Name(name)) => one.bucket.as_ref() == Some(name),
        Some(By::Id(id)) => one.bucket_id == Some(*id),
        None => true,
    };
    if let (Some(By::Name(name)), Some(org)) = (&filters.bucket, org) {
        resolve::bucket_named(&catalog, org, name)?;
    }
    let mut mappings = all(&stored, &catalog);
    mappings.retain(|one| {
        org.is_none_or(|org| one.org_id == Some(org))
            && filters.id.is_none_or(|id| one.id == id)
            && is_bucket(one)
            && filters
                .database
                .as_ref()
                .is_none_or(|database| one.database == *database)
            && filters
                .retention_policy
                .as_ref()
                .is_none_or(|policy| one.retention_policy == *policy)
            && (!filters.default || one.default)
    });
    let hidden =
        !stored.skipped.is_empty() || catalog.hidden.hides_any(&[names::DBRP, names::BUCKETS]);
    let mut skipped = catalog.skipped;
    skipped.extend(stored.skipped);
    skipped.extend(lost);
    Ok(Dbrps {
        dbrps: List::new(mappings, hidden),
        incomplete: incomplete(&[("dbrps", hidden)]),
        skipped,
    })
}
