//! Organizations and users of an export.

use std::collections::{BTreeSet, HashMap};

use crate::error::Result;
use crate::metadata::{Id, mapping, names};
use crate::ops::auth::export::found_names::{NOT_FOUND, org_name, user_name};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::toml_list::Inline;
use crate::ops::auth::export::{Work, passwords};

/// Writes the organizations.
pub(super) fn orgs(work: &mut Work<'_>, needed: &Needed) {
    let catalog = work.catalog;
    let mut orgs: Vec<_> = catalog.orgs.values().collect();
    orgs.sort_by(|one, other| one.name.cmp(&other.name));
    for org in orgs {
        if !needed.has(&needed.orgs, org.id) {
            continue;
        }
        if org_name(org.id, catalog).is_none() {
            work.skip("org", org.id, &org.name, NOT_FOUND);
            continue;
        }
        work.list.entry("org");
        work.list.text("name", &org.name);
        if !org.description.is_empty() {
            work.list.text("description", &org.description);
        }
        work.contains.orgs.readable += 1;
    }
}

/// Writes the users.
///
/// # Errors
/// When the file can't be read.
pub(super) fn users(work: &mut Work<'_>, needed: &Needed) -> Result<()> {
    let catalog = work.catalog;
    let (mappings, damage) = mapping::load(work.snapshot)?;
    work.findings.extend(damage);
    let mut owned: HashMap<Id, BTreeSet<&str>> = HashMap::new();
    for mapping in mappings.iter().filter(|mapping| mapping.owns_org()) {
        let org = mapping.resource_id;
        if let Some(name) = org_name(org, catalog).filter(|_| needed.has(&needed.orgs, org)) {
            owned.entry(mapping.user_id).or_default().insert(name);
        }
    }
    let mut roles: HashMap<Id, Vec<String>> = HashMap::new();
    for mapping in &mappings {
        let of = roles.entry(mapping.user_id).or_default();
        let org = org_name(mapping.resource_id, catalog);
        if mapping.owns_instance() && !needed.operators.contains(&mapping.user_id) {
            of.push("owns the instance".into());
        } else if mapping.is_member_of_org()
            && let Some(name) = org.filter(|_| needed.has(&needed.orgs, mapping.resource_id))
        {
            of.push(format!("is a member of {name:?}"));
        }
    }
    let hashes = passwords::load(work, names::USER_PASSWORDS)?;
    let mut users: Vec<_> = catalog.users.values().collect();
    users.sort_by(|one, other| one.name.cmp(&other.name));
    for user in users {
        if !needed.has(&needed.users, user.id) {
            continue;
        }
        if user_name(user.id, catalog).is_none() {
            work.skip("user", user.id, &user.name, NOT_FOUND);
            continue;
        }
        work.list.entry("user");
        work.list.text("name", &user.name);
        if let Some(orgs) = owned.get(&user.id) {
            let orgs: Vec<Inline> = orgs.iter().map(|name| Inline::text(name)).collect();
            work.list.list("orgs", &orgs);
        }
        // influxd recovery creates users without a status.
        if matches!(&*user.status, "active" | "inactive") {
            work.list.text("status", &user.status);
        }
        for role in roles.remove(&user.id).into_iter().flatten() {
            let why = format!("the user {role}, which a list can't say");
            work.skip("role", user.id, &user.name, why);
        }
        work.password(&hashes, user.id, &user.name);
        work.contains.users.readable += 1;
    }
    Ok(())
}
