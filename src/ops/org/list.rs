//! `org list`: all organizations.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Catalog, Id};
use crate::store::Snapshot;

/// All organizations.
#[derive(Debug, Serialize)]
pub struct Orgs {
    /// By ID.
    pub orgs: Vec<Org>,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// One organization, in the API's field names.
#[derive(Debug, Serialize)]
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
pub fn list(snapshot: &dyn Snapshot) -> Result<Orgs> {
    let catalog = Catalog::load(snapshot)?;
    let orgs = catalog.orgs.into_values().map(|org| Org {
        id: org.id,
        name: org.name,
        description: org.description,
        created_at: org.created_at,
        updated_at: org.updated_at,
    });
    Ok(Orgs {
        orgs: orgs.collect(),
        skipped: catalog.skipped,
    })
}
