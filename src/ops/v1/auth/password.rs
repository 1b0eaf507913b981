//! `v1 auth password`: sets the password of a 1.x user.

use crate::error::Result;
use crate::metadata::{Catalog, Fingerprint, names};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve::By;
use crate::ops::user::password;
use crate::ops::v1::auth::find::{find, stored_password};
use crate::ops::v1::auth::plan::{Before, Plan};
use crate::secret::Token;
use crate::store::{ChangeSet, Snapshot};

/// Plans the change. Without a password there are no changes, only the facts about the 1.x user. The
/// missing index entry of the name is created too.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that can't be
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] when there is no such 1.x user
/// * [`crate::ErrorKind::Refused`] for passwords that InfluxDB refuses
pub fn plan(
    snapshot: &dyn Snapshot,
    by: &By,
    password: Option<&Token>,
    strong: bool,
) -> Result<Plan> {
    known_schema(snapshot)?;
    all_decoded(&Catalog::load(snapshot)?.skipped)?;
    let found = find(snapshot, by, true)?;
    let record = found.decoded()?;
    let key = found.id.to_string();
    let old = stored_password(snapshot, found.id)?;
    let mut changes = ChangeSet::default();
    if let Some(password) = password {
        let hash = password::hash(password, strong)?;
        changes.put(names::LEGACY_PASSWORDS, key.as_bytes(), hash.as_bytes());
        if found.lacks_entry {
            let name = record.token.as_bytes();
            changes.put(names::LEGACY_AUTHORIZATION_INDEX, name, key.as_bytes());
        }
    }
    let before = Before {
        adds_entry: found.lacks_entry,
        record: Some(found.fingerprint()),
        replaced: old.map(|old| Fingerprint::of(&old)),
    };
    Plan::new(snapshot, changes, found.id, before)
}
