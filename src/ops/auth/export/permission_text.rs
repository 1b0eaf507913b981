//! Permissions as a list for `apply` has them: by the names of what they are about, because another
//! store has other IDs.

use crate::metadata::permission::{INSTANCE, Permission};
use crate::metadata::{Can, Catalog, Id, Organization};
use crate::ops::auth::export::found_names::{in_list, org_name, user_name};
use crate::ops::auth::export::toml_list::Inline;

/// A permission of a token of this organization: a text such as `write:buckets/metrics` if it says
/// exactly this, otherwise a table.
pub(super) fn inline(permission: &Permission<'_>, org: &Organization, catalog: &Catalog) -> Inline {
    match short(permission, org, catalog) {
        Some(text) => Inline::text(&text),
        None => table(permission, catalog),
    }
}

/// The text, if `apply` makes the same permission of it.
fn short(permission: &Permission<'_>, org: &Organization, catalog: &Catalog) -> Option<String> {
    let resource = &permission.resource;
    if resource.kind == INSTANCE {
        return None;
    }
    let mut text = format!("{}:{}", permission.action, resource.kind);
    let name = name(permission, catalog);
    if let Some(id) = resource.id {
        let target = match name {
            // Read as an ID if there is one.
            Some(name) if name.parse::<Id>().is_ok() => return None,
            Some(name) => name.to_owned(),
            // The short form is only for a bucket that is there.
            None if resource.kind == "buckets" => return None,
            None => id.to_string(),
        };
        text.push_str(&format!("/{target}"));
    }
    let can: Can = text.parse().ok()?;
    let made = can.grant(org.id, catalog)?;
    // Where an ID is given, a server does not compare the organization. A name is worth more there.
    let same = match resource.id {
        Some(id) if name.is_some() => made.resource.id == Some(id),
        _ => made == *permission,
    };
    same.then_some(text)
}

/// The name by which another store may have the resource.
fn name<'c>(permission: &Permission<'_>, catalog: &'c Catalog) -> Option<&'c str> {
    let id = permission.resource.id?;
    match &*permission.resource.kind {
        "buckets" => {
            let bucket = catalog.buckets.get(&id)?;
            in_list(bucket, catalog).ok().map(|_| bucket.name.as_str())
        }
        "orgs" => org_name(id, catalog),
        "users" => user_name(id, catalog),
        _ => None,
    }
}

/// The permission field by field. Without an organization it is for all.
fn table(permission: &Permission<'_>, catalog: &Catalog) -> Inline {
    let resource = &permission.resource;
    let action = permission.action.to_string();
    let mut fields = vec![("action", action.as_str()), ("type", &resource.kind)];
    let id = resource.id.map(|id| id.to_string()).unwrap_or_default();
    match name(permission, catalog) {
        Some(name) => fields.push(("name", name)),
        None if resource.id.is_some() => fields.push(("id", &id)),
        None => {}
    }
    // A bucket's name is looked up in its own organization.
    let bucket = resource.id.and_then(|id| catalog.buckets.get(&id));
    let of_bucket = bucket.filter(|_| resource.kind == "buckets");
    let org = of_bucket.map(|bucket| bucket.org_id).or(resource.org_id);
    let org_id = org.map(|id| id.to_string()).unwrap_or_default();
    match org.map(|id| org_name(id, catalog)) {
        Some(Some(name)) => fields.push(("org", name)),
        Some(None) => fields.push(("orgID", &org_id)),
        None => {}
    }
    Inline::table(&fields)
}
