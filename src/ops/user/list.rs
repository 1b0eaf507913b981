//! `user list`: all users.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::lookup::{LoginName, LoginNames};
use crate::metadata::{self, Catalog, Id, lost_records, mapping, names};
use crate::ops::known::{List, incomplete};
use crate::store::{Inspect, Snapshot};

/// All users.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Users {
    /// By ID.
    pub users: List<User>,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Records that were skipped.
    #[serde(skip)]
    pub skipped: Vec<Finding>,
}

/// One user, in the API's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its identifier.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// `active`, `inactive`, or empty.
    pub status: String,
    /// Whether a password is set; without one the user can't sign in. None if unknown.
    pub has_password: Option<bool>,
    /// The organizations it owns.
    pub owns: List<OrgName>,
    /// Whether its login has power over the whole instance by ownership; none if unknown.
    pub owns_instance: Option<bool>,
    /// Whether the user can sign in with the password; none if unknown.
    pub signs_in: Option<bool>,
    /// Why the user can't sign in, or the other name to sign in with; none if it is the own name.
    pub because: Option<String>,
}

/// An organization by ID and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OrgName {
    /// Its identifier.
    pub id: Id,
    /// Its name; `None` when it was deleted.
    pub name: Option<String>,
}

/// Reads all users.
///
/// # Errors
/// When the file can't be read.
pub fn list(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Users> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let mut users = of_catalog(snapshot, catalog)?;
    users.skipped.extend(lost);
    Ok(users)
}

fn of_catalog(snapshot: &dyn Snapshot, mut catalog: Catalog) -> Result<Users> {
    let hides = |bucket| catalog.hidden.hides(bucket);
    let [users_hidden, passwords_hidden, mappings_hidden] =
        [names::USERS, names::USER_PASSWORDS, names::MAPPINGS].map(hides);
    let known = |found: bool, hidden: bool| (found || !hidden).then_some(found);
    let (mappings, damage) = mapping::load(snapshot)?;
    let (passwords, more) = with_password(snapshot)?;
    let mut skipped = std::mem::take(&mut catalog.skipped);
    skipped.extend(damage);
    skipped.extend(more);
    skipped.append(&mut catalog.indexes.damage);
    let login_names = LoginNames::new(&catalog);
    let users = catalog.users.values().map(|user| {
        let has_password = known(passwords.contains(&user.id), passwords_hidden);
        let (signs_in, because) = sign_in(user, has_password, &login_names.of(user));
        let own = || mappings.iter().filter(|mapping| mapping.user_id == user.id);
        let orgs = own().filter(|mapping| mapping.owns_org());
        let orgs = orgs.map(|mapping| OrgName {
            id: mapping.resource_id,
            name: catalog
                .orgs
                .get(&mapping.resource_id)
                .map(|org| org.name.clone()),
        });
        User {
            id: user.id,
            name: user.name.clone(),
            status: user.status.clone(),
            has_password,
            owns: List::new(orgs.collect(), mappings_hidden),
            owns_instance: known(own().any(mapping::Mapping::owns_instance), mappings_hidden),
            signs_in,
            because,
        }
    });
    Ok(Users {
        users: List::new(users.collect(), users_hidden),
        incomplete: incomplete(&[("users", users_hidden)]),
        skipped,
    })
}

/// Whether a user can sign in, and why not.
fn sign_in(
    user: &metadata::User,
    has_password: Option<bool>,
    name: &LoginName,
) -> (Option<bool>, Option<String>) {
    let no = |why: &str| (Some(false), Some(why.to_owned()));
    if has_password == Some(false) {
        return no("no password is set");
    }
    if user.status == "inactive" {
        return no("the user is inactive");
    }
    if has_password.is_none() {
        return (None, Some(String::from("damage may hide its password")));
    }
    match name {
        LoginName::Own => (Some(true), None),
        LoginName::Others(_) => (Some(true), name.explanation()),
        LoginName::None(_) => (Some(false), name.explanation()),
        LoginName::Unknown => (None, name.explanation()),
    }
}

/// The user with this ID.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none; otherwise as [`list`].
pub(crate) fn by_id(snapshot: &dyn Snapshot, id: Id) -> Result<User> {
    let users = of_catalog(snapshot, Catalog::load(snapshot)?)?.users;
    users
        .readable
        .into_iter()
        .find(|user| user.id == id)
        .ok_or_else(|| {
            Error::new(ErrorKind::NoSuchRecord, format!("there is no user {id}"))
                .with_hint("boltkey user list shows all users")
        })
}

/// The users that have a password.
///
/// # Errors
/// When the file can't be read.
pub fn with_password(snapshot: &dyn Snapshot) -> Result<(BTreeSet<Id>, Vec<Finding>)> {
    let mut users = BTreeSet::new();
    let skipped = snapshot.scan(names::USER_PASSWORDS, &mut |key, value| {
        if let (Ok(id), false) = (Id::from_bytes(key), value.is_empty()) {
            users.insert(id);
        }
        ControlFlow::Continue(())
    })?;
    Ok((users, skipped))
}
