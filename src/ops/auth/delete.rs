//! `auth delete`: authorizations go, with every index entry that leads to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::{Catalog, Fingerprint, Id, Kind, Storage, authorization, names};
use crate::ops::auth::record::Record;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// One authorization that is to go. Of a record that can't be decoded only the ID is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedAuthorization {
    /// Its identifier.
    pub id: Id,
    /// May be empty.
    pub description: Option<String>,
    /// What sort of token it is.
    pub kind: Option<Kind>,
    /// How its token is kept.
    pub storage: Option<Storage>,
    /// Its organization's name; none when that was deleted.
    pub org: Option<String>,
    /// Its owner's name; none when there is no such user.
    pub user: Option<String>,
    /// Whether a server would accept it now.
    pub usable: bool,
    /// The record as it stands, its value among the rest.
    #[serde(skip)]
    pub record: Fingerprint,
}

/// What is to go.
pub struct Plan {
    /// What is to be written.
    pub changes: ChangeSet,
    /// Ascending by ID.
    pub deleted: Vec<DeletedAuthorization>,
    /// Whether this leaves no usable operator token, though there was one.
    pub last_operator: bool,
}

/// Works out what goes.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited; records
///   that are to go need not be decodable
/// * [`ErrorKind::NoSuchRecord`] when one of them does not exist
pub fn plan(snapshot: &dyn Snapshot, ids: &[Id]) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let ids: BTreeSet<Id> = ids.iter().copied().collect();
    let mut changes = ChangeSet::default();
    let mut deleted = BTreeMap::new();
    for id in ids {
        let record = Record::load(snapshot, id)?;
        changes.remove(names::AUTHORIZATIONS, id.to_string().as_bytes());
        if let Ok(other) = record.decode().map(|record| record.id)
            && other != id
        {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the record under {id} says that its ID is {other}"),
            )
            .with_hint("boltkey check lists such records"));
        }
        deleted.insert(id, DeletedAuthorization::unknown(&record));
    }

    let (indexes, damage) = TokenIndexes::load(snapshot)?;
    all_decoded(&damage)?;
    let (mut usable_before, mut usable_after) = (0, 0);
    let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        let usable = judge(record, &catalog, &indexes).authenticates;
        let kind = record.class().kind;
        let is_operator = usable && kind == Kind::Operator;
        usable_before += u64::from(is_operator);
        let Some(deleted) = deleted.get_mut(&record.id) else {
            usable_after += u64::from(is_operator);
            return;
        };
        let org = catalog.orgs.get(&record.org_id);
        let user = record.user_id.and_then(|id| catalog.users.get(&id));
        *deleted = DeletedAuthorization {
            id: record.id,
            description: Some(record.description.clone().into_owned()),
            kind: Some(kind),
            storage: Some(record.storage()),
            org: org.map(|org| org.name.clone()),
            user: user.map(|user| user.name.clone()),
            usable,
            record: deleted.record,
        };
    })?;
    let kept: Vec<Finding> = skipped
        .into_iter()
        .filter(|finding| !deleted.keys().any(|id| finding.place == place(*id)))
        .collect();
    all_decoded(&kept)?;
    remove_entries(snapshot, &deleted, &mut changes)?;
    Ok(Plan {
        changes,
        deleted: deleted.into_values().collect(),
        last_operator: usable_before > 0 && usable_after == 0,
    })
}

/// Where findings say that a record stands.
fn place(id: Id) -> String {
    format!("{}/{id}", String::from_utf8_lossy(names::AUTHORIZATIONS))
}

/// Takes every entry of the two indexes away that leads to one of the records, also those that
/// the records know nothing of.
fn remove_entries(
    snapshot: &dyn Snapshot,
    deleted: &BTreeMap<Id, DeletedAuthorization>,
    changes: &mut ChangeSet,
) -> Result<()> {
    for bucket in [
        names::AUTHORIZATION_INDEX,
        names::AUTHORIZATION_HASHED_INDEX,
    ] {
        let damage = snapshot.scan(bucket, &mut |key, value| {
            if Id::from_bytes(value).is_ok_and(|id| deleted.contains_key(&id)) {
                changes.remove(bucket, key);
            }
            ControlFlow::Continue(())
        })?;
        all_decoded(&damage)?;
    }
    Ok(())
}

impl DeletedAuthorization {
    fn unknown(record: &Record) -> Self {
        Self {
            id: record.id(),
            description: None,
            kind: None,
            storage: None,
            org: None,
            user: None,
            usable: false,
            record: record.fingerprint(),
        }
    }
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
        let plan = plan(&model, &ids).unwrap();
        let after = Preview::new(&model, &plan.changes);
        assert_eq!(keys(&after, names::AUTHORIZATION_INDEX), ["three"]);
        assert_eq!(keys(&after, names::AUTHORIZATIONS), ["0000000000000a03"]);
        assert_eq!(plan.deleted[0].description.as_deref(), Some(""));
        assert!(plan.deleted[1].kind.is_none());
    }

    #[test]
    fn what_stays_must_be_decodable_and_what_goes_must_exist() {
        let model = store();
        let of = |id: &str| plan(&model, &[id.parse().unwrap()]).err().map(|e| e.kind());
        assert_eq!(of("0000000000000a01"), Some(ErrorKind::Corrupt));
        assert_eq!(of("0000000000000a02"), None);
        assert_eq!(of("0000000000000a09"), Some(ErrorKind::NoSuchRecord));
    }
}
