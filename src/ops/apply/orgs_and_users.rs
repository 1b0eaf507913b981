//! Organizations and users of a list.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::{Edit, Object};
use crate::metadata::new_records::{Owned, put_ownership};
use crate::metadata::{Catalog, Id, json, mapping, names};
use crate::ops::apply::entry::{Password, only_once};
use crate::ops::apply::list::{List, Org, User};
use crate::ops::apply::passwords::{new_hash, put_hash};
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::{org, user};
use crate::store::Snapshot;

/// Creates missing organizations and updates existing ones.
pub(super) fn orgs(work: &mut Work<'_>, list: &List) -> Result<()> {
    let catalog = Catalog::load(work.snapshot)?;
    let names = list.orgs.iter().map(|org| &org.name);
    only_once(names, |name| name.trim().to_owned())?;
    for Org { name, description } in &list.orgs {
        let known = catalog.org_by_name(&name.value).found();
        let (action, id, stored_name) = match known {
            Some(org) => (Action::Update, org.id, org.name.clone()),
            None => {
                let plan = org::create::plan(&work.preview(), &name.value, work.now)
                    .map_err(|error| name.place.wrap(&error))?;
                work.plan.changes.extend(plan.changes);
                (Action::Create, plan.org.id, plan.org.name)
            }
        };
        let mut details = Vec::new();
        let old = known.map_or("", |org| org.description.as_str());
        let new = description.as_ref().map(|said| said.value.as_str());
        if let Some(new) = new.filter(|new| *new != old) {
            describe(work, id, new).map_err(|error| name.place.wrap(&error))?;
            details.push("description".into());
        }
        if known.is_some() && details.is_empty() {
            work.plan.same += 1;
            continue;
        }
        work.plan.planned.push(PlannedChange {
            action,
            kind: Kind::Org,
            id,
            name: stored_name,
            org: None,
            details,
        });
    }
    Ok(())
}

/// Sets the description of an organization, as the API does.
fn describe(work: &mut Work<'_>, id: Id, description: &str) -> Result<()> {
    let key = id.to_string();
    let old = work.preview().get(names::ORGANIZATIONS, key.as_bytes())?;
    let old = old.unwrap_or_default();
    let object = Object::parse(&old).ok_or_else(|| {
        let message = format!("the record of organization {id} is not a JSON object");
        Error::new(ErrorKind::Corrupt, message)
    })?;
    let (description, time) = (json::string(description), json::string(&work.now.utc));
    let edits = [
        ("description", Edit::Set(&description)),
        ("updatedAt", Edit::Set(&time)),
    ];
    let mut new = Vec::with_capacity(old.len() + description.len() + 64);
    object.edit(&edits, &mut new);
    let changes = &mut work.plan.changes;
    changes.put(names::ORGANIZATIONS, key.as_bytes(), &new);
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
                let password = user.password.as_ref();
                let hash = new_hash(
                    work.snapshot,
                    names::USER_PASSWORDS,
                    known.id,
                    password,
                    options,
                )?;
                if let Some(hash) = hash {
                    put_hash(work, names::USER_PASSWORDS, known.id, &hash);
                    details.push("new password".into());
                }
                set_status(work, known.id, user, &mut details)?;
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
        password: match password {
            Some(Password::Text(text)) => Some(text.value.clone()),
            _ => None,
        },
        strong_passwords: options.strong_passwords,
    };
    let place = password.map_or(&user.name.place, Password::place);
    let plan =
        user::create::plan(&work.preview(), &new, work.now).map_err(|error| place.wrap(&error))?;
    work.plan.changes.extend(plan.changes);
    if let Some(Password::Hash(hash)) = password {
        put_hash(work, names::USER_PASSWORDS, plan.user.id, &hash.value);
    }
    details.push(match password {
        Some(_) => "with a password".into(),
        None => "without a password: no login".into(),
    });
    if user.active == Some(false) {
        set_status(work, plan.user.id, user, details)?;
    }
    Ok(plan.user.id)
}

/// Switches a user on or off, if the list says so.
fn set_status(work: &mut Work<'_>, id: Id, user: &User, details: &mut Vec<String>) -> Result<()> {
    let Some(active) = user.active else {
        return Ok(());
    };
    let update = user::update::Options {
        by: By::Id(id),
        active: Some(active),
        rename: None,
    };
    let plan = user::update::plan(&work.preview(), &update)
        .map_err(|error| user.name.place.wrap(&error))?;
    if !plan.changes.is_empty() {
        work.plan.changes.extend(plan.changes);
        details.push(if active { "active" } else { "inactive" }.into());
    }
    Ok(())
}
