//! Organizations and users of an export.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::{Id, mapping, names};
use crate::ops::auth::export::permission_text::org_name;
use crate::ops::auth::export::toml_list::Inline;
use crate::ops::auth::export::{Needed, Work};
use crate::ops::resolve;

/// Why a record is left out that influxd does not find by its name.
const NOT_FOUND: &str = "influxd does not find it by its name; boltkey repair cures that";

/// Writes the organizations.
pub(super) fn orgs(work: &mut Work<'_>, needed: &Needed) {
    let catalog = work.catalog;
    let mut orgs: Vec<_> = catalog.orgs.values().collect();
    orgs.sort_by(|one, other| one.name.cmp(&other.name));
    for org in orgs {
        if !work.is_wanted(&needed.orgs, org.id) {
            continue;
        }
        if org_name(org.id, catalog).is_none() {
            work.skip("org", org.id, &org.name, NOT_FOUND);
            continue;
        }
        work.list.entry("org");
        work.list.text("name", &org.name);
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
        if let Some(name) = org_name(org, catalog).filter(|_| work.is_wanted(&needed.orgs, org)) {
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
            && let Some(name) = org.filter(|_| work.is_wanted(&needed.orgs, mapping.resource_id))
        {
            of.push(format!("is a member of {name:?}"));
        }
    }
    let passwords = match work.options.with_passwords {
        true => passwords(work)?,
        false => BTreeMap::new(),
    };
    let mut users: Vec<_> = catalog.users.values().collect();
    users.sort_by(|one, other| one.name.cmp(&other.name));
    for user in users {
        if !work.is_wanted(&needed.users, user.id) {
            continue;
        }
        if !resolve::user_named(catalog, &user.name).is_ok_and(|found| found.id == user.id) {
            work.skip("user", user.id, &user.name, NOT_FOUND);
            continue;
        }
        work.list.entry("user");
        work.list.text("name", &user.name);
        if let Some(orgs) = owned.get(&user.id) {
            let orgs: Vec<Inline> = orgs.iter().map(|name| Inline::text(name)).collect();
            work.list.list("orgs", &orgs);
        }
        for role in roles.remove(&user.id).into_iter().flatten() {
            let why = format!("the user {role}, which a list can't say");
            work.skip("role", user.id, &user.name, why);
        }
        if let Some(hash) = passwords.get(&user.id) {
            work.list.text("passwordHash", hash);
            work.contains.passwords.readable += 1;
        }
        work.contains.users.readable += 1;
    }
    Ok(())
}

/// The hashes of passwords by user.
fn passwords(work: &mut Work<'_>) -> Result<BTreeMap<Id, Zeroizing<String>>> {
    let mut passwords = BTreeMap::new();
    let damage = work
        .snapshot
        .scan(names::USER_PASSWORDS, &mut |key, value| {
            if let (Ok(id), Ok(hash)) = (Id::from_bytes(key), std::str::from_utf8(value)) {
                passwords.insert(id, Zeroizing::new(hash.to_owned()));
            }
            ControlFlow::Continue(())
        })?;
    work.findings.extend(damage);
    Ok(passwords)
}

impl Work<'_> {
    /// Whether a record is part of the list: with filters, only if a token needs it.
    fn is_wanted(&self, needed: &BTreeSet<Id>, id: Id) -> bool {
        self.options.filters.is_empty() || needed.contains(&id)
    }
}
