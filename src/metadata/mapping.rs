//! Who belongs to what: user resource mappings (`userresourcemappingsv1`).

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// The resource ID of the mapping that makes a user owner of the whole instance (since 2.4).
pub const INSTANCE_RESOURCE: u64 = 1;

/// One user's part in one resource.
#[derive(Debug, Clone, Deserialize)]
pub struct Mapping {
    /// The user.
    #[serde(rename = "userID")]
    pub user_id: Id,
    /// `owner` or `member`.
    #[serde(rename = "userType")]
    pub user_type: String,
    /// `orgs`, `buckets`, `instance`, …
    #[serde(rename = "resourceType")]
    pub resource_type: String,
    /// The resource.
    #[serde(rename = "resourceID")]
    pub resource_id: Id,
}

impl Mapping {
    /// Whether it makes its user owner of an organization.
    #[must_use]
    pub fn owns_org(&self) -> bool {
        self.user_type == "owner" && self.resource_type == "orgs"
    }

    /// Whether it gives its user's login power over the whole instance.
    #[must_use]
    pub fn owns_instance(&self) -> bool {
        self.user_type == "owner"
            && self.resource_type == "instance"
            && self.resource_id.get() == INSTANCE_RESOURCE
    }

    /// The key the record must stand under.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", self.resource_id, self.user_id)
    }
}

/// Reads all mappings, and what had to be skipped.
///
/// # Errors
/// When the file can't be read.
pub fn load(snapshot: &dyn Snapshot) -> Result<(Vec<Mapping>, Vec<Finding>)> {
    let mut mappings = Vec::new();
    let mut undecodable = Undecodable::default();
    let mut skipped = snapshot.scan(names::MAPPINGS, &mut |key, value| {
        match serde_json::from_slice(value) {
            Ok(mapping) => mappings.push(mapping),
            Err(cause) => undecodable.push(undecodable_record(names::MAPPINGS, key, &cause)),
        }
        ControlFlow::Continue(())
    })?;
    skipped.extend(undecodable.into_findings(names::MAPPINGS));
    Ok((mappings, skipped))
}
