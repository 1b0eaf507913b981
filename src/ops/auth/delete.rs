//! `auth delete`: authorizations go, with every index entry that leads to them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::{Catalog, Id, names};
use crate::ops::auth::affected_tokens::AffectedTokens;
use crate::ops::auth::record::Record;
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// What is to go.
pub struct Plan {
    /// What is to be written.
    pub changes: ChangeSet,
    /// The authorizations, and the operator tokens beside them.
    pub deleted: AffectedTokens,
    /// Whether this leaves no usable operator token, though there was one.
    pub last_operator: bool,
}

/// Works out what goes.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that are not edited; records
///   that are to go need not be decodable
/// * [`crate::ErrorKind::NoSuchRecord`] when one of them does not exist
pub fn plan(snapshot: &dyn Snapshot, selected: &SelectedTokens) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let ids = selected.ids(snapshot, &catalog)?;
    let mut changes = ChangeSet::default();
    for id in &ids {
        let record = Record::load(snapshot, *id)?;
        changes.remove(names::AUTHORIZATIONS, id.to_string().as_bytes());
        if record.decode().is_ok() {
            record.decoded()?;
        }
    }
    let deleted = AffectedTokens::load(snapshot, &catalog, &ids)?;
    remove_entries(snapshot, &ids, &mut changes)?;
    Ok(Plan {
        changes,
        last_operator: deleted.operators() > 0 && deleted.other_operators == 0,
        deleted,
    })
}

/// Takes every entry of the two indexes away that leads to one of the records, also those that
/// the records know nothing of.
fn remove_entries(
    snapshot: &dyn Snapshot,
    deleted: &BTreeSet<Id>,
    changes: &mut ChangeSet,
) -> Result<()> {
    for bucket in [
        names::AUTHORIZATION_INDEX,
        names::AUTHORIZATION_HASHED_INDEX,
    ] {
        let damage = snapshot.scan(bucket, &mut |key, value| {
            if Id::from_bytes(value).is_ok_and(|id| deleted.contains(&id)) {
                changes.remove(bucket, key);
            }
            ControlFlow::Continue(())
        })?;
        all_decoded(&damage)?;
    }
    Ok(())
}

impl Plan {
    /// Makes it hold, and proves that nothing is left of them.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the deletion")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::metadata::migration::MIGRATIONS;
    use crate::store::{Model, Preview};

    fn store() -> Model {
        let mut model = Model::default();
        for (name, number) in MIGRATIONS.iter().zip(1_u64..) {
            let id = format!("{number:016x}");
            let name = serde_json::to_string(name).unwrap();
            let text =
                format!(r#"{{"id":"{id}","name":{name},"finished_at":"2021-01-01T00:00:00Z"}}"#);
            model.put(names::MIGRATIONS, id.as_bytes(), text.as_bytes());
        }
        for (id, text) in [
            ("0000000000000a01", r#""token":"one""#),
            ("0000000000000a02", r#""token":7"#),
            ("0000000000000a03", r#""token":"three""#),
        ] {
            let text = format!(r#"{{"id":"{id}","orgID":"0000000000000001",{text}}}"#);
            model.put(names::AUTHORIZATIONS, id.as_bytes(), text.as_bytes());
        }
        for (key, id) in [("one", "1"), ("stray", "1"), ("two", "2"), ("three", "3")] {
            let id = format!("0000000000000a0{id}");
            model.put(names::AUTHORIZATION_INDEX, key.as_bytes(), id.as_bytes());
        }
        model
    }

    fn keys(snapshot: &dyn Snapshot, bucket: &[u8]) -> Vec<String> {
        let mut keys = Vec::new();
        snapshot
            .scan(bucket, &mut |key, _| {
                keys.push(String::from_utf8_lossy(key).into_owned());
                ControlFlow::Continue(())
            })
            .unwrap();
        keys
    }

    #[test]
    fn every_entry_goes_with_its_record() {
        let model = store();
        let ids = ["0000000000000a01", "0000000000000a02"].map(|id| id.parse().unwrap());
        let plan = plan(&model, &SelectedTokens::of_ids(ids)).unwrap();
        let after = Preview::new(&model, &plan.changes);
        assert_eq!(keys(&after, names::AUTHORIZATION_INDEX), ["three"]);
        assert_eq!(keys(&after, names::AUTHORIZATIONS), ["0000000000000a03"]);
        assert_eq!(plan.deleted.tokens[0].description.as_deref(), Some(""));
        assert!(plan.deleted.tokens[1].kind.is_none());
    }

    #[test]
    fn what_stays_must_be_decodable_and_what_goes_must_exist() {
        let model = store();
        let of = |id: &str| {
            let ids = SelectedTokens::of_ids([id.parse().unwrap()]);
            plan(&model, &ids).err().map(|e| e.kind())
        };
        assert_eq!(of("0000000000000a01"), Some(ErrorKind::Corrupt));
        assert_eq!(of("0000000000000a02"), None);
        assert_eq!(of("0000000000000a09"), Some(ErrorKind::NoSuchRecord));
    }
}
