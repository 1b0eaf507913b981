//! Whether a change leaves no usable operator token.

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::{Catalog, Kind, authorization, names};
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
}
