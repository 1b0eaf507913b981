//! `v1 dbrp delete`: deletes a mapping. If it is the default of its database, the first other one
//! becomes the default, as in influxd.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::{Catalog, Id, names};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::v1::dbrp::find::{Plan, by_id, load};
use crate::store::{ChangeSet, Snapshot};

/// Plans the deletion.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that can't be
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] when there is no such mapping
pub fn plan(snapshot: &dyn Snapshot, id: Id) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let stored = load(snapshot)?;
    let mapping = by_id(&stored, &catalog, id)?;
    let mut changes = ChangeSet::default();
    changes.remove(names::DBRP, id.to_string().as_bytes());
    // Also entries that the record does not know.
    for index in [names::DBRP_BY_ORG, names::DBRP_BY_DATABASE] {
        let damage = snapshot.scan(index, &mut |key, value| {
            if Id::from_bytes(value) == Ok(id) {
                changes.remove(index, key);
            }
            ControlFlow::Continue(())
        })?;
        all_decoded(&damage)?;
    }
    if let (true, Some(key)) = (stored.is_default(id, mapping), mapping.database_key()) {
        match stored.others_of_database(id, mapping).first() {
            Some(next) => changes.put(names::DBRP_DEFAULT, &key, next.to_string().as_bytes()),
            None => changes.remove(names::DBRP_DEFAULT, &key),
        }
    }
    Plan::new(snapshot, changes, id)
}
