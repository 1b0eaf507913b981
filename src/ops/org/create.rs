//! `org create`: creates an organization with its two system buckets and their time-series
//! metadata, without which influxd does not start.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_records::{SYSTEM_BUCKETS, put_bucket, put_org, valid_org_name};
use crate::metadata::{Catalog, names, tsm_edit};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::org::list::Org;
use crate::ops::resolve::must_be_free;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// A planned organization.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// As `org list` shows it.
    pub org: Org,
}

/// Plans the records.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Refused`] for names that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, name: &str, now: &Timestamp) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let refused = |why: String| Error::new(ErrorKind::Refused, why);
    let name = valid_org_name(name).map_err(|why| refused(why.into()))?;
    let lookup = catalog.org_by_name(name);
    must_be_free(&lookup, name, "boltkey org list shows all organizations")?;
    let id = new_id::of_engine(snapshot)?;
    let mut changes = ChangeSet::default();
    put_org(&mut changes, id, name, &now.utc);
    let mut databases = Vec::new();
    for bucket in &SYSTEM_BUCKETS {
        let bucket_id = new_id::of_engine(snapshot)?;
        databases.push(put_bucket(&mut changes, bucket_id, id, bucket, &now.utc));
    }
    let old = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
    let new = old.and_then(|old| tsm_edit::with_databases(&old, &databases));
    let new = new.ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "the time-series metadata of the store can't be edited, so influxd would not start with \
             a new organization",
        )
        .with_hint("boltkey check shows what is wrong with it")
    })?;
    changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &new);
    Ok(Plan {
        org: Org {
            id,
            name: name.to_owned(),
            description: String::new(),
            created_at: now.utc.clone(),
            updated_at: now.utc.clone(),
        },
        changes,
    })
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
        commit_and_prove(store, &self.changes, side_files, "the new organization")
    }
}
