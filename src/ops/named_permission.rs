//! The permission that a text such as `write:buckets/metrics` means in an organization.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::permission::Permission;
use crate::metadata::{Can, Catalog, Id};
use crate::ops::auth::create::known_type;
use crate::ops::resolve;

/// The permission. Names are looked up in `org`; `schema` is that of the store.
///
/// # Errors
/// * [`ErrorKind::Refused`] for a resource type that the releases of this schema do not know, and
///   for a name where an ID is needed
/// * [`ErrorKind::NoSuchRecord`] for a name that does not exist
pub(crate) fn of(
    can: &Can,
    schema: u64,
    org: Id,
    catalog: &Catalog,
) -> Result<Permission<'static>> {
    let kind = can.kind().unwrap_or_default();
    known_type(kind, schema)?;
    if let Some(permission) = can.grant(org, catalog) {
        return Ok(permission);
    }
    let name = can.target().unwrap_or_default();
    let error = match kind {
        "buckets" => resolve::bucket_named(catalog, org, name).err(),
        "orgs" => resolve::org_named(catalog, name).err(),
        "users" => resolve::user_named(catalog, name).err(),
        _ => None,
    };
    Err(error.unwrap_or_else(|| {
        let why = "resources of this type are identified by an ID of 16 hex digits";
        Error::new(ErrorKind::Refused, why)
    }))
}
