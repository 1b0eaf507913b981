//! 1.x users of an export.

use crate::error::Result;
use crate::metadata::permission::Permission;
use crate::metadata::v1_users::V1Users;
use crate::metadata::{Authorization, Catalog, Id, authorization, names};
use crate::ops::auth::export::Work;
use crate::ops::auth::export::found_names::{NOT_FOUND, org_name, user_name};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::passwords::{self, Hashes};
use crate::ops::auth::export::permission_text::inline;
use crate::ops::auth::export::toml_list::Inline;
use crate::ops::auth::list::Selection;

/// A 1.x user of the list.
pub(super) struct Exported {
    id: Id,
    username: String,
    description: String,
    org: String,
    user: String,
    permissions: Vec<Inline>,
    active: bool,
    /// What it may do, for the choice of mappings.
    pub(super) granted: Vec<Permission<'static>>,
    /// The organization whose mappings it uses.
    pub(super) org_id: Id,
}

/// The 1.x users of a list and the hashes of passwords.
pub(super) struct Collected {
    pub(super) users: Vec<Exported>,
    hashes: Hashes,
}

/// Reads the 1.x users that pass the filters, ascending by ID, and what they need.
///
/// # Errors
/// When the file can't be read.
pub(super) fn collect(
    work: &mut Work<'_>,
    selection: &Selection,
    needed: &mut Needed,
) -> Result<Collected> {
    let catalog = work.catalog;
    // Also tells records that can't be decoded, and damage of the index.
    let mut known = V1Users::load(work.snapshot)?;
    let findings = std::mem::take(&mut known.skipped);
    work.contains.v1_users.hidden = !findings.is_empty();
    work.findings.extend(findings);
    let mut users = Vec::new();
    let mut skipped = Vec::new();
    let bucket = names::LEGACY_AUTHORIZATIONS;
    authorization::scan(work.snapshot, bucket, &mut |record| {
        if !selection.takes(record, catalog) {
            return;
        }
        match exported(record, &known, catalog, needed) {
            Ok(user) => users.push(user),
            Err(why) => skipped.push((record.id, record.token.to_string(), why)),
        }
    })?;
    for (id, name, why) in skipped {
        work.skip("v1", id, &name, why);
    }
    let hashes = passwords::load(work, names::LEGACY_PASSWORDS)?;
    Ok(Collected { users, hashes })
}

/// The 1.x user, or why it can't be in a list.
fn exported(
    record: &Authorization<'_>,
    known: &V1Users,
    catalog: &Catalog,
    needed: &mut Needed,
) -> Result<Exported, String> {
    let name = &*record.token;
    if name.is_empty() {
        return Err("it has no name".into());
    }
    let found = known.by_name(name).found();
    if found.is_none_or(|found| found.id != record.id) {
        return Err(NOT_FOUND.into());
    }
    let org = catalog.orgs.get(&record.org_id);
    let org = org.ok_or("its organization was deleted")?;
    let org_name = org_name(org.id, catalog);
    let org_name = org_name.ok_or("influxd does not find its organization by name")?;
    let user = record.user_id.ok_or("it has no owner")?;
    if !catalog.users.contains_key(&user) {
        return Err("its owner was deleted".into());
    }
    let user_name = user_name(user, catalog);
    let user_name = user_name.ok_or("influxd does not find its owner by name")?;
    if record.permissions.is_empty() {
        return Err("it has no permissions".into());
    }
    needed.orgs.insert(org.id);
    needed.users.insert(user);
    needed.add_resources(&record.permissions, catalog);
    let each = record.permissions.iter();
    Ok(Exported {
        id: record.id,
        username: name.to_owned(),
        description: record.description.to_string(),
        org: org_name.to_owned(),
        user: user_name.to_owned(),
        permissions: each.map(|one| inline(one, org, catalog)).collect(),
        active: record.is_active(),
        granted: record.permissions.iter().map(owned).collect(),
        org_id: org.id,
    })
}

fn owned(permission: &Permission<'_>) -> Permission<'static> {
    let resource = &permission.resource;
    Permission::new(
        permission.action,
        resource.kind.to_string(),
        resource.id,
        resource.org_id,
    )
}

/// Writes the 1.x users.
pub(super) fn write(work: &mut Work<'_>, collected: &Collected) {
    for user in &collected.users {
        let list = &mut work.list;
        list.entry("v1");
        list.text("username", &user.username);
        list.text("org", &user.org);
        list.text("user", &user.user);
        if !user.description.is_empty() {
            list.text("description", &user.description);
        }
        list.list("permissions", &user.permissions);
        list.text("status", if user.active { "active" } else { "inactive" });
        work.password(&collected.hashes, user.id, &user.username);
        work.contains.v1_users.readable += 1;
    }
}
