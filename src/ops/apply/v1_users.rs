//! 1.x users of a list. Unlike a token, an existing one is changed in its record, because 1.x clients
//! know it by its name.

use std::collections::BTreeSet;

use crate::error::{ErrorKind, Result};
use crate::metadata::permission::Permission;
use crate::metadata::v1_users::V1Users;
use crate::metadata::{Catalog, Id, Organization, mapping, names};
use crate::ops::apply::entry::{Entry, Password, only_once};
use crate::ops::apply::granted::{Granted, Lacking, permission};
use crate::ops::apply::passwords::{hash_of, new_hash, put_hash};
use crate::ops::apply::said::Said;
use crate::ops::apply::secret_files::Secrets;
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::v1::auth::create::{NewV1User, name_is_free};
use crate::ops::v1::auth::find::{find, has_v1_users};
use crate::ops::v1::auth::update::{Values, edited};

/// A 1.x user, new or existing. What is none stays as it is.
pub(super) struct V1User {
    username: Said<String>,
    org: Said<String>,
    /// The owner; none: the present one, else the only possible one.
    user: Option<Said<String>>,
    permissions: Vec<Granted>,
    active: Option<bool>,
    description: Option<Said<String>>,
    password: Option<Password>,
}

impl Entry {
    pub(super) fn v1_user(mut self, secrets: &mut dyn Secrets) -> Result<V1User> {
        let username = self.required("username")?;
        if username.value.is_empty() {
            return Err(username.place.refused("the name is empty"));
        }
        let permissions = self.permissions()?;
        let permissions =
            permissions.ok_or_else(|| self.place.refused("permissions is missing"))?;
        if permissions.value.is_empty() {
            let why = "permissions must not be empty";
            return Err(permissions.place.refused(why));
        }
        Ok(V1User {
            username,
            org: self.required("org")?,
            user: self.text("user")?,
            permissions: permissions.value,
            active: self.active()?,
            description: self.text("description")?,
            password: self.password(secrets)?,
        })
    }
}

/// Creates missing 1.x users and updates existing ones.
pub(super) fn v1_users(work: &mut Work<'_>, list: &[V1User], options: &Options<'_>) -> Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    has_v1_users(work.schema)?;
    let catalog = Catalog::load(&work.preview())?;
    all_decoded(&catalog.skipped)?;
    let existing = V1Users::load(work.snapshot)?;
    all_decoded(&existing.skipped)?;
    only_once(list.iter().map(|one| &one.username), Clone::clone)?;
    let mut lacking = Lacking::of("1.x user");
    for said in list {
        let org = resolve::org_named(&catalog, &said.org.value)
            .map_err(|error| said.org.place.wrap(&error))?;
        let each = said.permissions.iter();
        let permissions = each
            .map(|granted| permission(granted, work.schema, org, &catalog))
            .collect::<Result<Vec<_>>>()?;
        for (granted, permission) in said.permissions.iter().zip(&permissions) {
            lacking.add(work.snapshot, &catalog, granted, permission)?;
        }
        match existing.by_name(&said.username.value).found() {
            Some(user) => update(work, said, user.id, org, &catalog, &permissions, options)?,
            None => create(work, said, org, &catalog, &permissions, options)?,
        }
    }
    work.plan.lacking.extend(lacking.told());
    Ok(())
}

/// The owner in the list.
fn owner(said: &V1User, catalog: &Catalog) -> Result<Option<Id>> {
    let Some(Said { value, place }) = &said.user else {
        return Ok(None);
    };
    let user = resolve::user_named(catalog, value).map_err(|error| place.wrap(&error))?;
    Ok(Some(user.id))
}

/// The only user, or else the only owner of the organization.
fn only_owner(work: &Work<'_>, said: &V1User, org: Id, catalog: &Catalog) -> Result<Id> {
    let error = match resolve::user(catalog, None, ErrorKind::Refused) {
        Ok(only) => return Ok(only.id),
        Err(error) => error,
    };
    let (mappings, damage) = mapping::load(&work.preview())?;
    all_decoded(&damage)?;
    let owners = mappings.iter();
    let owners = owners.filter(|one| one.owns_org() && one.resource_id == org);
    let owners: BTreeSet<Id> = owners
        .map(|one| one.user_id)
        .filter(|id| catalog.users.contains_key(id))
        .collect();
    match (owners.first(), owners.len()) {
        (Some(only), 1) => Ok(*only),
        _ => Err(said
            .username
            .place
            .wrap(&error)
            .with_hint("user names the user who owns the 1.x user")),
    }
}

fn create(
    work: &mut Work<'_>,
    said: &V1User,
    org: &Organization,
    catalog: &Catalog,
    permissions: &[Permission<'_>],
    options: &Options<'_>,
) -> Result<()> {
    let name = said.username.value.as_str();
    let place = &said.username.place;
    name_is_free(&work.preview(), name).map_err(|error| place.wrap(&error))?;
    let user = match owner(said, catalog)? {
        Some(user) => user,
        None => only_owner(work, said, org.id, catalog)?,
    };
    let password = said.password.as_ref();
    let hash = password
        .map(|password| hash_of(password, options))
        .transpose()?;
    let new = NewV1User {
        name,
        org: org.id,
        user,
        description: said.description.as_ref().map_or("", |said| &said.value),
        active: said.active != Some(false),
        permissions,
        hash,
    };
    let (changes, id) = new.changes(&work.preview(), work.now)?;
    work.plan.changes.extend(changes);
    let password = match password {
        Some(_) => "with a password",
        None => "without a password, so it can't be used",
    };
    work.plan.planned.push(PlannedChange {
        action: Action::Create,
        kind: Kind::V1,
        id,
        name: name.to_owned(),
        org: Some(org.name.clone()),
        details: vec![password.into()],
    });
    Ok(())
}

fn update(
    work: &mut Work<'_>,
    said: &V1User,
    id: Id,
    org: &Organization,
    catalog: &Catalog,
    permissions: &[Permission<'_>],
    options: &Options<'_>,
) -> Result<()> {
    let place = &said.username.place;
    let found = find(work.snapshot, &By::Id(id), false).map_err(|error| place.wrap(&error))?;
    let record = found.decoded().map_err(|error| place.wrap(&error))?;
    let mut details = Vec::new();
    let user = owner(said, catalog)?.filter(|user| record.user_id != Some(*user));
    if let (Some(_), Some(named)) = (user, &said.user) {
        details.push(format!("owner {:?}", named.value));
    }
    let new_org = (record.org_id != org.id).then_some(org.id);
    if new_org.is_some() {
        details.push(format!("organization {:?}", org.name));
    }
    let is_same = as_set(permissions) == as_set(&record.permissions);
    if !is_same {
        details.push("other permissions".into());
    }
    let active = said.active.filter(|active| *active != record.is_active());
    if let Some(active) = active {
        details.push(if active { "active" } else { "inactive" }.into());
    }
    let description = said.description.as_ref().map(|said| said.value.as_str());
    let description = description.filter(|wanted| *wanted != record.description);
    if description.is_some() {
        details.push("description".into());
    }
    let values = Values {
        active,
        description,
        permissions: (!is_same).then_some(permissions),
        org: new_org,
        user,
    };
    if let Some(record) = edited(&found, &values, work.now)? {
        let key = id.to_string();
        let changes = &mut work.plan.changes;
        changes.put(names::LEGACY_AUTHORIZATIONS, key.as_bytes(), &record);
    }
    let password = said.password.as_ref();
    let bucket = names::LEGACY_PASSWORDS;
    if let Some(hash) = new_hash(work.snapshot, bucket, id, password, options)? {
        put_hash(work, bucket, id, &hash);
        details.push("new password".into());
    }
    if details.is_empty() {
        work.plan.same += 1;
        return Ok(());
    }
    work.plan.planned.push(PlannedChange {
        action: Action::Update,
        kind: Kind::V1,
        id,
        name: said.username.value.clone(),
        org: Some(org.name.clone()),
        details,
    });
    Ok(())
}

/// Permissions without their order.
fn as_set(permissions: &[Permission<'_>]) -> BTreeSet<String> {
    permissions.iter().map(ToString::to_string).collect()
}
