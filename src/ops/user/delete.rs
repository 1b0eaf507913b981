//! `user delete`: deletes a user with password and ownerships. As in InfluxDB, the user's tokens
//! stay, but no server accepts them.

use std::ops::ControlFlow;

use crate::error::{ErrorKind, Result};
use crate::metadata::{Catalog, Fingerprint, Id, Kind, authorization, fingerprint, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
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
    let found = resolve::user(&catalog, Some(by), ErrorKind::Usage)?;
    let id = found.id;
    let user = list::by_id(snapshot, id)?;
    let key = id.to_string();
    let mut changes = ChangeSet::default();
    changes.remove(names::USERS, key.as_bytes());
    changes.remove(names::USER_PASSWORDS, key.as_bytes());
    let entry = snapshot.get(names::USER_INDEX, found.name.as_bytes())?;
    if entry.as_deref() == Some(key.as_bytes()) {
        changes.remove(names::USER_INDEX, found.name.as_bytes());
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
        tokens,
        operator_tokens,
        values: values.finish(),
    })
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
