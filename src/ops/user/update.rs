//! `user update`: switches a user on or off. The record gets the bytes that influxd's API
//! `PATCH /api/v2/users/ID` writes.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::{Edit, Object};
use crate::metadata::{Catalog, Fingerprint, Id, json, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::lockout::locks_everybody_out;
use crate::ops::resolve;
use crate::ops::resolve::By;
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
}

/// A planned change of a user.
pub struct Plan {
    /// The changes to commit. Empty if the user has this status already.
    pub changes: ChangeSet,
    /// The user after the change, as `user list` shows it.
    pub user: User,
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
    if let Some(status) = status.filter(|status| *status != user.status) {
        let new = with_status(&old, user.id, status)?;
        changes.put(names::USERS, user.id.to_string().as_bytes(), &new);
    }
    Ok(Plan {
        user: list::by_id(&Preview::new(snapshot, &changes), user.id)?,
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

/// The record with another status, and everything else byte for byte.
fn with_status(record: &[u8], id: Id, status: &str) -> Result<Vec<u8>> {
    let object = Object::parse(record).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the record of user {id} is not a JSON object"),
        )
    })?;
    let status = json::string(status);
    let mut out = Vec::with_capacity(record.len() + 32);
    object.edit(&[("status", Edit::Set(&status))], &mut out);
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
        commit_and_prove(store, &self.changes, side_files, "the new status")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_status_changes() {
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
            let new = with_status(before.as_bytes(), id, status).unwrap();
            assert_eq!(String::from_utf8(new).unwrap(), after);
        }
        assert!(with_status(b"[]", id, "active").is_err());
    }
}
