//! `org list`: all organizations.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Catalog, Id, lost_records, names};
use crate::ops::known::{List, incomplete};
use crate::store::{Inspect, Snapshot};

/// All organizations.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Orgs {
    /// By ID.
    pub orgs: List<Org>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// One organization, in the API's field names.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Org {
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// RFC 3339, as written.
    pub created_at: String,
    /// RFC 3339, as written.
    pub updated_at: String,
}

/// Reads all organizations.
///
/// # Errors
/// When the file can't be read.
pub fn list(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Orgs> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let hidden = catalog.hidden.hides(names::ORGANIZATIONS);
    let orgs = catalog.orgs.into_values().map(|org| Org {
        id: org.id,
        name: org.name,
        description: org.description,
        created_at: org.created_at,
        updated_at: org.updated_at,
    });
    Ok(Orgs {
        orgs: List::new(orgs.collect(), hidden),
        incomplete: incomplete(&[("orgs", hidden)]),
        skipped: catalog.skipped.into_iter().chain(lost).collect(),
    })
}
