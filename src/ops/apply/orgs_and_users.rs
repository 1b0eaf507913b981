//! Organizations and users of a list.

use std::collections::HashSet;

use crate::error::{ErrorKind, Result};
use crate::metadata::new_records::{Owned, put_ownership};
use crate::metadata::{Catalog, Id, mapping, names, password};
use crate::ops::apply::list::{List, Said, User};
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::{org, user};
use crate::store::{ChangeSet, Snapshot};

/// Creates missing organizations.
pub(super) fn orgs(work: &mut Work<'_>, list: &List) -> Result<()> {
    let catalog = Catalog::load(work.snapshot)?;
    only_once(list.orgs.iter(), |name| name.trim().to_owned())?;
    for name in &list.orgs {
        if catalog.org_by_name(&name.value).found().is_some() {
            work.plan.same += 1;
            continue;
        }
        let plan = org::create::plan(&work.preview(), &name.value, work.now)
            .map_err(|error| name.place.wrap(&error))?;
        work.plan.changes.extend(plan.changes);
        work.plan.planned.push(PlannedChange {
            action: Action::Create,
            kind: Kind::Org,
            id: plan.org.id,
            name: plan.org.name,
            org: None,
            details: Vec::new(),
        });
    }
    Ok(())
}

/// Creates missing users and updates existing ones.
pub(super) fn users(work: &mut Work<'_>, list: &List, options: &Options<'_>) -> Result<()> {
    let catalog = Catalog::load(&work.preview())?;
    all_decoded(&catalog.skipped)?;
    let (mappings, damage) = mapping::load(work.snapshot)?;
    all_decoded(&damage)?;
    only_once(list.users.iter().map(|user| &user.name), Clone::clone)?;
    for user in &list.users {
        let mut orgs = Vec::new();
        for name in &user.orgs {
            let by = By::Name(name.value.clone());
            let org = resolve::org(&catalog, Some(&by), ErrorKind::Usage);
            let org = org.map_err(|error| name.place.wrap(&error))?;
            if !orgs.contains(&(org.id, org.name.as_str())) {
                orgs.push((org.id, org.name.as_str()));
            }
        }
        let known = catalog.user_by_name(&user.name.value).found();
        let mut details = Vec::new();
        let id = match known {
            Some(known) => {
                let owns = |org: Id| {
                    let mut own = mappings.iter().filter(|one| one.user_id == known.id);
                    own.any(|one| one.owns_org() && one.resource_id == org)
                };
                orgs.retain(|(org, _)| !owns(*org));
                let changes = new_password(work.snapshot, known.id, user, options)?;
                if let Some(changes) = changes {
                    work.plan.changes.extend(changes);
                    details.push("new password".into());
                }
                known.id
            }
            None => {
                user::create::name_is_free(&catalog, &user.name.value)
                    .map_err(|error| user.name.place.wrap(&error))?;
                create(work, user, options, &mut details)?
            }
        };
        for (org, name) in orgs {
            put_ownership(&mut work.plan.changes, work.schema, id, Owned::Org(org));
            details.push(format!("owner of {name:?}"));
        }
        if known.is_some() && details.is_empty() {
            work.plan.same += 1;
            continue;
        }
        work.plan.planned.push(PlannedChange {
            action: match known {
                Some(_) => Action::Update,
                None => Action::Create,
            },
            kind: Kind::User,
            id,
            name: user.name.value.clone(),
            org: None,
            details,
        });
    }
    Ok(())
}

fn create(
    work: &mut Work<'_>,
    user: &User,
    options: &Options<'_>,
    details: &mut Vec<String>,
) -> Result<Id> {
    let password = user.password.as_ref();
    let new = user::create::Options {
        name: user.name.value.clone(),
        org: None,
        instance_owner: false,
        password: password.map(|password| password.value.clone()),
        strong_passwords: options.strong_passwords,
    };
    let place = password.map_or(&user.name.place, |password| &password.place);
    let plan =
        user::create::plan(&work.preview(), &new, work.now).map_err(|error| place.wrap(&error))?;
    work.plan.changes.extend(plan.changes);
    details.push(match password {
        Some(_) => "with a password".into(),
        None => "without a password, so the user can't sign in".into(),
    });
    Ok(plan.user.id)
}

/// The edit that sets the password. None if the password is already valid.
fn new_password(
    snapshot: &dyn Snapshot,
    id: Id,
    user: &User,
    options: &Options<'_>,
) -> Result<Option<ChangeSet>> {
    let Some(Said { value, place }) = &user.password else {
        return Ok(None);
    };
    let key = id.to_string();
    let old = snapshot.get(names::USER_PASSWORDS, key.as_bytes())?;
    let old = old.and_then(|old| String::from_utf8(old).ok());
    if old.is_some_and(|old| password::matches(value, &old)) {
        return Ok(None);
    }
    let hash = user::password::hash(value, options.strong_passwords)
        .map_err(|error| place.wrap(&error))?;
    let mut changes = ChangeSet::default();
    changes.put(names::USER_PASSWORDS, key.as_bytes(), hash.as_bytes());
    Ok(Some(changes))
}

/// Refuses duplicate names.
fn only_once<'s>(
    names: impl Iterator<Item = &'s Said<String>>,
    key: impl Fn(&String) -> String,
) -> Result<()> {
    let mut known = HashSet::new();
    for name in names {
        if !known.insert(key(&name.value)) {
            return Err(name.place.refused("duplicate name"));
        }
    }
    Ok(())
}
