//! `v1 auth delete`: deletes a 1.x user with its index entry and its password, which influxd leaves
//! behind.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::{Catalog, Fingerprint, Id, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::resolve::By;
use crate::ops::v1::auth::find::{V1Record, find, load};
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// A planned deletion.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// What is deleted.
    pub deleted: DeletedV1User,
}

/// A deleted 1.x user. Of a record that can't be decoded only the ID is known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeletedV1User {
    /// The authorization.
    pub id: Id,
    /// The 1.x user name.
    pub username: Option<String>,
    /// May be empty.
    pub description: Option<String>,
    /// Its organization's name; none when that was deleted.
    pub org: Option<String>,
    /// Its owner's name; none when there is no such user.
    pub user: Option<String>,
    /// The record before the deletion.
    #[serde(skip)]
    pub record: Fingerprint,
}

/// Plans the deletion. A record that is named by its ID need not be decodable.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that can't be
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] when there is no such 1.x user
pub fn plan(snapshot: &dyn Snapshot, by: &By) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let found = match by {
        By::Id(id) => V1Record {
            id: *id,
            bytes: load(snapshot, *id)?,
            lacks_entry: false,
        },
        By::Name(_) => find(snapshot, by, false)?,
    };
    let id = found.id;
    let key = id.to_string();
    let mut changes = ChangeSet::default();
    changes.remove(names::LEGACY_AUTHORIZATIONS, key.as_bytes());
    changes.remove(names::LEGACY_PASSWORDS, key.as_bytes());
    let damage = snapshot.scan(names::LEGACY_AUTHORIZATION_INDEX, &mut |name, value| {
        if Id::from_bytes(value) == Ok(id) {
            changes.remove(names::LEGACY_AUTHORIZATION_INDEX, name);
        }
        ControlFlow::Continue(())
    })?;
    all_decoded(&damage)?;
    let record = found.decoded().ok();
    let org = record
        .as_ref()
        .and_then(|one| catalog.orgs.get(&one.org_id));
    let user = record.as_ref().and_then(|one| one.user_id);
    let user = user.and_then(|id| catalog.users.get(&id));
    Ok(Plan {
        changes,
        deleted: DeletedV1User {
            id,
            username: record.as_ref().map(|one| one.token.to_string()),
            description: record.as_ref().map(|one| one.description.to_string()),
            org: org.map(|org| org.name.clone()),
            user: user.map(|user| user.name.clone()),
            record: found.fingerprint(),
        },
    })
}

impl Plan {
    /// Commits the deletion and verifies that nothing of the 1.x user is left.
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
