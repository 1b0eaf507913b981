//! `user delete`: deletes a user with password and ownerships. As in InfluxDB, the user's tokens
//! stay, but no server accepts them.

use std::ops::ControlFlow;

use crate::error::{ErrorKind, Result};
use crate::metadata::lookup::Lookup;
use crate::metadata::{Catalog, Fingerprint, Id, Kind, authorization, fingerprint, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::known::List;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::user::list;
use crate::ops::user::list::User;
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// A planned deletion.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// As `user list` shows it.
    pub user: User,
    /// Whether the user's record does not exist. Then only the rest is deleted.
    pub left_over: bool,
    /// The user's authorizations, which have no owner after the deletion.
    pub tokens: Vec<Id>,
    /// The operator tokens among them.
    pub operator_tokens: Vec<Id>,
    /// The password and the tokens that stop working, by their values.
    pub values: Fingerprint,
}

/// Plans the deletion.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such user
pub fn plan(snapshot: &dyn Snapshot, by: &By) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let rest = left_over(snapshot, &catalog, by)?;
    let left_over = rest.is_some();
    let user = match rest {
        Some(user) => user,
        None => {
            let found = resolve::user(&catalog, Some(by), ErrorKind::Usage)?;
            list::by_id(snapshot, found.id)?
        }
    };
    let id = user.id;
    let key = id.to_string();
    let mut changes = ChangeSet::default();
    changes.remove(names::USERS, key.as_bytes());
    changes.remove(names::USER_PASSWORDS, key.as_bytes());
    for (name, to) in catalog.indexes.users.entries() {
        // An entry without a record would block the name.
        if to == Some(id) {
            changes.remove(names::USER_INDEX, name);
        }
    }
    // The key of an ownership is the resource's ID and the user's ID; the key in the index by user
    // starts with the user's ID.
    let by_user = format!("{key}/");
    for (bucket, is_own) in [
        (
            names::MAPPINGS,
            &(|entry: &[u8]| entry.len() == 32 && entry.ends_with(key.as_bytes()))
                as &dyn Fn(&[u8]) -> bool,
        ),
        (names::MAPPINGS_BY_USER, &|entry: &[u8]| {
            entry.starts_with(by_user.as_bytes())
        }),
    ] {
        let damage = snapshot.scan(bucket, &mut |entry, _| {
            if is_own(entry) {
                changes.remove(bucket, entry);
            }
            ControlFlow::Continue(())
        })?;
        all_decoded(&damage)?;
    }
    let mut values = fingerprint::Running::default();
    if let Some(password) = snapshot.get(names::USER_PASSWORDS, key.as_bytes())? {
        values.join(Fingerprint::of(&password));
    }
    let (mut tokens, mut operator_tokens) = (Vec::new(), Vec::new());
    let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if record.user_id == Some(id) {
            tokens.push(record.id);
            values.add(record.id, record.token.as_bytes());
            values.add(record.id, record.hashed_token.as_bytes());
            if record.class().kind == Kind::Operator {
                operator_tokens.push(record.id);
            }
        }
    })?;
    all_decoded(&skipped)?;
    Ok(Plan {
        changes,
        user,
        left_over,
        tokens,
        operator_tokens,
        values: values.finish(),
    })
}

/// The rest of a user whose record does not exist. An index entry leads to it and blocks the name.
fn left_over(snapshot: &dyn Snapshot, catalog: &Catalog, by: &By) -> Result<Option<User>> {
    let Some((name, id)) = entry_without_record(catalog, by) else {
        return Ok(None);
    };
    let password = snapshot.get(names::USER_PASSWORDS, id.to_string().as_bytes())?;
    Ok(Some(User {
        id,
        name,
        status: String::new(),
        has_password: Some(password.is_some_and(|password| !password.is_empty())),
        owns: List::new(Vec::new(), false),
        owns_instance: Some(false),
        signs_in: Some(false),
        because: Some("the user's record does not exist".into()),
    }))
}

/// A name and the ID that its entry leads to, if no user has that ID.
fn entry_without_record(catalog: &Catalog, by: &By) -> Option<(String, Id)> {
    match by {
        By::Name(name) => match catalog.user_by_name(name) {
            Lookup::Blocked { to, records } if records.is_empty() => Some((name.clone(), to?)),
            _ => None,
        },
        By::Id(id) if !catalog.users.contains_key(id) => {
            let keys = catalog.indexes.users.keys_by_id();
            let key = keys.get(id)?.first()?;
            Some((String::from_utf8_lossy(key).into_owned(), *id))
        }
        By::Id(_) => None,
    }
}

impl Plan {
    /// Commits the change and verifies that nothing of the user is left.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the deletion")
    }
}
