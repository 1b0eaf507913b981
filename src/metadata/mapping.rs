//! User resource mappings (`userresourcemappingsv1`): owners and members of resources.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// The resource ID of the mapping that makes a user owner of the whole instance (since 2.4).
pub const INSTANCE_RESOURCE: u64 = 1;

/// The role of one user in one resource.
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
    /// Whether it makes its user an owner of an organization.
    #[must_use]
    pub fn owns_org(&self) -> bool {
        self.user_type == "owner" && self.resource_type == "orgs"
    }

    /// Whether it makes its user a member of an organization, who is not an owner.
    #[must_use]
    pub fn is_member_of_org(&self) -> bool {
        self.user_type == "member" && self.resource_type == "orgs"
    }

    /// Whether it gives its user's login power over the whole instance.
    #[must_use]
    pub fn owns_instance(&self) -> bool {
        self.user_type == "owner"
            && self.resource_type == "instance"
            && self.resource_id.get() == INSTANCE_RESOURCE
    }

    /// The key that the record must have.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", self.resource_id, self.user_id)
    }
}

/// Reads all mappings, and returns findings about skipped ones.
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
