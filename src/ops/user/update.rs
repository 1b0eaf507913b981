//! `user update`: switches a user on or off, or gives another name. Record and index entry get the
//! bytes that influxd's API `PATCH /api/v2/users/ID` writes.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::{Edit, Object};
use crate::metadata::lookup::Named;
use crate::metadata::name_index::{Entry, user_key};
use crate::metadata::{Catalog, Fingerprint, Id, json, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::lockout::locks_everybody_out;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::user::create::name_is_free;
use crate::ops::user::list;
use crate::ops::user::list::User;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// The change of a user.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user.
    pub by: By,
    /// Whether the user becomes active; none keeps the status.
    pub active: Option<bool>,
    /// The new name; none keeps the name.
    pub rename: Option<String>,
}

/// A planned change of a user.
pub struct Plan {
    /// The changes to commit. Empty if the user has this status and name already.
    pub changes: ChangeSet,
    /// The user after the change, as `user list` shows it.
    pub user: User,
    /// The name before the change, if it is another one.
    pub renamed_from: Option<String>,
    /// The record before the change.
    pub before: Fingerprint,
    /// Whether nobody with access to everything is left afterwards.
    pub locks_out: bool,
}

/// Plans the change.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such user
/// * [`ErrorKind::Refused`] for a name that is taken or blocked, or that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, options: &Options) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let user = resolve::user(&catalog, Some(&options.by), ErrorKind::Usage)?;
    let old = record(snapshot, user.id)?;
    let mut changes = ChangeSet::default();
    let status = options.active.map(|active| match active {
        true => "active",
        false => "inactive",
    });
    let status = status.filter(|status| *status != user.status);
    let name = options.rename.as_deref();
    let name = name.filter(|name| *name != user.name);
    let key = user.id.to_string();
    if let Some(name) = name {
        name_is_free(&catalog, name)?;
        let old_key = user.key();
        // An entry that leads to another user stays.
        if catalog.indexes.users.entry(&old_key) == Entry::To(user.id) {
            changes.remove(names::USER_INDEX, &old_key);
        }
        changes.put(names::USER_INDEX, &user_key(name), key.as_bytes());
    }
    if status.is_some() || name.is_some() {
        let new = edited(&old, user.id, status, name)?;
        changes.put(names::USERS, key.as_bytes(), &new);
    }
    Ok(Plan {
        user: list::by_id(&Preview::new(snapshot, &changes), user.id)?,
        renamed_from: name.map(|_| user.name.clone()),
        before: Fingerprint::of(&old),
        locks_out: locks_everybody_out(snapshot, &changes)?,
        changes,
    })
}

fn record(snapshot: &dyn Snapshot, id: Id) -> Result<Vec<u8>> {
    let record = snapshot.get(names::USERS, id.to_string().as_bytes())?;
    record.ok_or_else(|| {
        Error::new(ErrorKind::NoSuchRecord, format!("there is no user {id}"))
            .with_hint("boltkey user list shows all users")
    })
}

/// The record with another status or name, and everything else byte for byte.
fn edited(record: &[u8], id: Id, status: Option<&str>, name: Option<&str>) -> Result<Vec<u8>> {
    let object = Object::parse(record).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the record of user {id} is not a JSON object"),
        )
    })?;
    let [status, name] = [status, name].map(|text| text.map(json::string));
    let edits: Vec<(&str, Edit<'_>)> = [("name", &name), ("status", &status)]
        .into_iter()
        .filter_map(|(field, text)| Some((field, Edit::Set(text.as_deref()?))))
        .collect();
    let mut out = Vec::with_capacity(record.len() + 32);
    object.edit(&edits, &mut out);
    Ok(out)
}

impl Plan {
    /// Commits the change, then reads the file again to verify it.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the change")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_status_and_name_change() {
        let id: Id = "11af8a50ff448000".parse().unwrap();
        // The second of each pair is what influxd 2.7.12 and 2.9.1 wrote.
        for (before, status, after) in [
            (
                r#"{"id":"11af8a50ff448000","name":"bob","status":"active"}"#,
                "inactive",
                r#"{"id":"11af8a50ff448000","name":"bob","status":"inactive"}"#,
            ),
            (
                r#"{"id":"11af8a50ff448000","name":"b","status":"","more": 1.0}"#,
                "active",
                r#"{"id":"11af8a50ff448000","name":"b","status":"active","more": 1.0}"#,
            ),
            (
                r#"{"id":"11af8a50ff448000","name":"b"}"#,
                "inactive",
                r#"{"id":"11af8a50ff448000","name":"b","status":"inactive"}"#,
            ),
        ] {
            let new = edited(before.as_bytes(), id, Some(status), None).unwrap();
            assert_eq!(String::from_utf8(new).unwrap(), after);
        }
        assert!(edited(b"[]", id, Some("active"), None).is_err());
        let before = br#"{"id":"11af8a50ff448000","name":"bob","status":"active"}"#;
        let new = edited(before, id, None, Some("b<b")).unwrap();
        let after = r#"{"id":"11af8a50ff448000","name":"b\u003cb","status":"active"}"#;
        assert_eq!(String::from_utf8(new).unwrap(), after);
    }
}
