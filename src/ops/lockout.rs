//! Whether a change leaves no usable operator token, or nobody with access to everything.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::lookup::{LoginName, LoginNames};
use crate::metadata::{Catalog, Id, Kind, authorization, mapping, names};
use crate::ops::user::list::with_password;
use crate::store::{ChangeSet, Preview, Snapshot};

/// Whether a server accepts an operator token now, but none after `changes`.
///
/// # Errors
/// When the file can't be read.
pub fn locks_out(snapshot: &dyn Snapshot, changes: &ChangeSet) -> Result<bool> {
    if changes.is_empty() || has_operator(&Preview::new(snapshot, changes))? {
        return Ok(false);
    }
    has_operator(snapshot)
}

/// Whether somebody has access to everything now, by token or by login, but nobody has after
/// `changes`.
///
/// # Errors
/// When the file can't be read.
pub fn locks_everybody_out(snapshot: &dyn Snapshot, changes: &ChangeSet) -> Result<bool> {
    let has_way_in = |snapshot: &dyn Snapshot| -> Result<bool> {
        Ok(has_operator(snapshot)? || has_operator_login(snapshot)?)
    };
    if changes.is_empty() || has_way_in(&Preview::new(snapshot, changes))? {
        return Ok(false);
    }
    has_way_in(snapshot)
}

/// Whether an active user with a password, whom influxd finds by name, owns the instance or an
/// operator token.
fn has_operator_login(snapshot: &dyn Snapshot) -> Result<bool> {
    let catalog = Catalog::load(snapshot)?;
    let (mappings, _) = mapping::load(snapshot)?;
    let (passwords, _) = with_password(snapshot)?;
    let owners = mappings.iter().filter(|mapping| mapping.owns_instance());
    let mut powerful: BTreeSet<Id> = owners.map(|mapping| mapping.user_id).collect();
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if record.class().kind == Kind::Operator {
            powerful.extend(record.user_id);
        }
    })?;
    let login_names = LoginNames::new(&catalog);
    let mut users = powerful.iter().filter_map(|id| catalog.users.get(id));
    Ok(users.any(|user| {
        user.status != "inactive"
            && passwords.contains(&user.id)
            && !matches!(login_names.of(user), LoginName::None(_))
    }))
}

/// Whether a server accepts at least one operator token. Records that can't be decoded don't count,
/// because no server accepts them.
fn has_operator(snapshot: &dyn Snapshot) -> Result<bool> {
    let catalog = Catalog::load(snapshot)?;
    let mut found = Ok(false);
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if matches!(found, Ok(false)) && record.class().kind == Kind::Operator {
            found = TokenIndexes::of(snapshot, [record])
                .map(|indexes| judge(record, &catalog, &indexes).authenticates);
        }
    })?;
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metadata::permission::of_operator;
    use crate::store::Model;

    /// A user, an organization, and operator tokens of these statuses, numbered from 1.
    fn store(statuses: &[&str]) -> Model {
        const ID: &str = "0000000000000001";
        let mut model = Model::default();
        let record = format!(r#"{{"id":"{ID}","name":"x","status":"active"}}"#);
        model.put(names::USERS, ID.as_bytes(), record.as_bytes());
        model.put(names::ORGANIZATIONS, ID.as_bytes(), record.as_bytes());
        let permissions: Vec<serde_json::Value> = of_operator(21)
            .iter()
            .map(|one| json!({"action": one.action, "resource": {"type": one.resource.kind}}))
            .collect();
        let permissions = serde_json::Value::from(permissions);
        for (number, status) in (1..).zip(statuses) {
            let id = format!("{number:016x}");
            let record = format!(
                r#"{{"id":"{id}","orgID":"{ID}","userID":"{ID}","token":"t{number}",
                "status":"{status}","permissions":{permissions}}}"#
            );
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
            let token = format!("t{number}");
            model.put(names::AUTHORIZATION_INDEX, token.as_bytes(), id.as_bytes());
        }
        model
    }

    fn without(ids: &[u64]) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for id in ids {
            changes.remove(names::AUTHORIZATIONS, format!("{id:016x}").as_bytes());
        }
        changes
    }

    #[test]
    fn the_last_usable_operator_token_counts() {
        for (statuses, removed, expected) in [
            (&["active", "active"][..], &[1][..], false),
            (&["active", "active"], &[1, 2], true),
            (&["active", "inactive"], &[1], true),
            (&["active", "inactive"], &[2], false),
            (&["inactive"], &[1], false),
            (&["active"], &[], false),
        ] {
            let store = store(statuses);
            let found = locks_out(&store, &without(removed)).unwrap();
            assert_eq!(found, expected, "{statuses:?} without {removed:?}");
        }
    }

    #[test]
    fn tokens_of_a_deleted_user_count_no_more() {
        let mut changes = ChangeSet::default();
        changes.remove(names::USERS, b"0000000000000001");
        assert!(locks_out(&store(&["active"]), &changes).unwrap());
    }

    #[test]
    fn a_login_with_operator_power_is_a_way_in() {
        let user = b"0000000000000001";
        let mut off = ChangeSet::default();
        off.put(
            names::USERS,
            user,
            br#"{"id":"0000000000000001","name":"x","status":"inactive"}"#,
        );
        let store = |password: bool, statuses: &[&str]| {
            let mut store = store(statuses);
            store.put(names::USER_INDEX, b"x", user);
            if password {
                store.put(names::USER_PASSWORDS, user, b"hash");
            }
            store
        };
        // The login has the permissions of an inactive token too.
        for (password, status, expected) in [
            (true, "inactive", true),
            (false, "inactive", false),
            (false, "active", true),
            (true, "active", true),
        ] {
            let found = locks_everybody_out(&store(password, &[status]), &off).unwrap();
            assert_eq!(found, expected, "{password} {status}");
        }
        let other = without(&[1]);
        assert!(!locks_everybody_out(&store(true, &["active", "inactive"]), &other).unwrap());
    }
}
