//! Whether a resource that a permission names by its ID exists.

use crate::error::Result;
use crate::metadata::{Catalog, Id, names};
use crate::store::Snapshot;

/// Whether the store has this resource. None where it can't tell: resources of that type have no
/// IDs, or are in the SQLite file.
///
/// # Errors
/// When the file can't be read.
pub fn exists(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    kind: &str,
    id: Id,
) -> Result<Option<bool>> {
    let bucket: &[u8] = match kind {
        "orgs" => return Ok(Some(catalog.orgs.contains_key(&id))),
        "users" => return Ok(Some(catalog.users.contains_key(&id))),
        "buckets" => return Ok(Some(catalog.buckets.contains_key(&id))),
        "authorizations" => names::AUTHORIZATIONS,
        "dashboards" => b"dashboardsv2",
        "sources" => names::SOURCES,
        "tasks" => names::TASKS,
        "telegrafs" => b"telegrafv1",
        "variables" => b"variablesv1",
        "scrapers" => b"scraperv2",
        "labels" => names::LABELS,
        "notificationRules" => b"notificationRulev1",
        "notificationEndpoints" => b"notificationEndpointv1",
        "checks" => b"checksv1",
        "dbrp" => names::DBRP,
        _ => return Ok(None),
    };
    let record = snapshot.get(bucket, id.to_string().as_bytes())?;
    Ok(Some(record.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    #[test]
    fn a_record_of_the_type_counts() {
        let mut model = Model::default();
        let id = Id::new(7).unwrap();
        model.put(names::TASKS, id.to_string().as_bytes(), b"{}");
        let catalog = Catalog::default();
        for (kind, expected) in [
            ("tasks", Some(true)),
            ("dashboards", Some(false)),
            ("buckets", Some(false)),
            ("secrets", None),
            ("remotes", None),
        ] {
            assert_eq!(
                exists(&model, &catalog, kind, id).unwrap(),
                expected,
                "{kind}"
            );
        }
    }
}
