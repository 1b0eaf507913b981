//! The names by which influxd finds records, and so another store may have them.

use crate::metadata::new_records::valid_bucket_name;
use crate::metadata::{Bucket, Catalog, Id};
use crate::ops::resolve;

/// Why a record is left out that influxd does not find by its name.
pub(super) const NOT_FOUND: &str =
    "influxd does not find it by its name; boltkey repair cures that";

/// The name by which influxd finds this organization.
pub(super) fn org_name(id: Id, catalog: &Catalog) -> Option<&str> {
    let org = catalog.orgs.get(&id)?;
    let found = resolve::org_named(catalog, &org.name).ok()?;
    (found.id == id).then_some(&found.name)
}

/// The name by which influxd finds this user.
pub(super) fn user_name(id: Id, catalog: &Catalog) -> Option<&str> {
    let user = catalog.users.get(&id)?;
    let found = resolve::user_named(catalog, &user.name).ok()?;
    (found.id == id).then_some(&found.name)
}

/// The name of the organization of a bucket that another store can have under the same name.
///
/// # Errors
/// Why it can't.
pub(super) fn in_list<'c>(bucket: &Bucket, catalog: &'c Catalog) -> Result<&'c str, String> {
    if !catalog.orgs.contains_key(&bucket.org_id) {
        return Err("its organization was deleted".into());
    }
    let org = org_name(bucket.org_id, catalog);
    let org = org.ok_or("influxd does not find its organization by name")?;
    let found = resolve::bucket_named(catalog, bucket.org_id, &bucket.name);
    if !found.is_ok_and(|found| found.id == bucket.id) {
        return Err(NOT_FOUND.into());
    }
    if !bucket.is_system() {
        valid_bucket_name(&bucket.name)?;
    }
    Ok(org)
}
