//! What the changes of mappings have in common: finding one by its ID, rules for its names, and the
//! planned change.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::dbrp::{Dbrp, is_valid_name};
use crate::metadata::{Catalog, Id};
use crate::ops::commit::SideFiles;
use crate::ops::commit::all_decoded;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::v1::dbrp::mapping::{Mapping, Stored, all, used};
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// The first schema whose mappings are as later releases write them.
const DBRPS: u64 = 14;

/// Refuses a store whose mappings are of another form.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn has_dbrps(schema: u64) -> Result<()> {
    if schema >= DBRPS {
        return Ok(());
    }
    let message = format!("mappings of a store of schema {schema} have another form");
    Err(Error::new(ErrorKind::Refused, message)
        .with_hint("start InfluxDB 2.0.3 or later once, which converts them"))
}

/// Refuses names that influxd refuses.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn names_are_valid(database: &str, policy: &str) -> Result<()> {
    for (what, name) in [("database", database), ("retention policy", policy)] {
        if !is_valid_name(name) {
            let message = format!(
                "{name:?} is not a valid name of a {what}: it must have at least one character, only \
                 printable ones, and no slash or backslash"
            );
            return Err(Error::new(ErrorKind::Refused, message));
        }
    }
    Ok(())
}

/// Refuses a second mapping of the same database and retention policy.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn is_unique(
    stored: &Stored,
    id: Option<Id>,
    org: Id,
    database: &str,
    policy: &str,
) -> Result<()> {
    let same = stored.mappings.iter().find(|(other, one)| {
        Some(**other) != id
            && one.org == Some(org)
            && one.database == database
            && one.retention_policy == policy
    });
    let Some((other, _)) = same else {
        return Ok(());
    };
    let message = format!(
        "database {database:?} with retention policy {policy:?} is mapped already: {other}"
    );
    Err(Error::new(ErrorKind::Refused, message)
        .with_hint("boltkey v1 dbrp list shows it, boltkey v1 dbrp delete deletes it"))
}

/// A stored mapping.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none with this ID.
pub(crate) fn by_id<'s>(stored: &'s Stored, catalog: &Catalog, id: Id) -> Result<&'s Dbrp> {
    if let Some(mapping) = stored.mappings.get(&id) {
        return Ok(mapping);
    }
    if let Some(bucket) = catalog.buckets.get(&id) {
        let message = format!(
            "{id} is the virtual mapping of bucket {:?}, which influxd makes of the bucket's name",
            bucket.name
        );
        return Err(Error::new(ErrorKind::NoSuchRecord, message).with_hint(
            "boltkey v1 dbrp create makes a mapping of the same database and retention policy, \
             which replaces it",
        ));
    }
    let message = format!("there is no mapping {id}");
    Err(Error::new(ErrorKind::NoSuchRecord, message)
        .with_hint("boltkey v1 dbrp list shows all mappings"))
}

/// Reads the stored mappings of a store that is to be changed.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when one can't be decoded.
pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Stored> {
    let stored = Stored::load(snapshot)?;
    all_decoded(&stored.skipped)?;
    Ok(stored)
}

/// A planned change of a mapping.
pub struct Plan {
    /// The changes to commit. Empty if everything is as requested.
    pub changes: ChangeSet,
    /// The mapping after the change; before it, if it is deleted.
    pub mapping: Mapping,
    /// What else changes for clients, as sentences without a full stop.
    pub effects: Vec<String>,
}

impl Plan {
    /// Compares what requests reach before and after `changes`. `mapping` is the mapping with this
    /// ID after the change, or before it, if it is deleted.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn new(snapshot: &dyn Snapshot, changes: ChangeSet, id: Id) -> Result<Self> {
        let catalog = Catalog::load(snapshot)?;
        let preview = Preview::new(snapshot, &changes);
        let before = all(&load(snapshot)?, &catalog);
        let after = all(&load(&preview)?, &catalog);
        let is_it = |one: &&Mapping| one.id == id && !one.is_virtual;
        let old = before.iter().find(is_it);
        let new = after.iter().find(is_it);
        let Some(mapping) = new.or(old).cloned() else {
            let message = format!("there is no mapping {id}");
            return Err(Error::new(ErrorKind::NoSuchRecord, message));
        };
        let effects = effects(&before, &after, old, new);
        Ok(Self {
            changes,
            mapping,
            effects,
        })
    }

    /// Commits the change, then reads the file again to verify it. `what` names it in errors.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
        what: &str,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, what)
    }
}

/// What requests for the database of a mapping reach otherwise after the change, but what the change
/// itself says.
fn effects(
    before: &[Mapping],
    after: &[Mapping],
    old: Option<&Mapping>,
    new: Option<&Mapping>,
) -> Vec<String> {
    let Some((org, database)) = old
        .or(new)
        .and_then(|one| Some((one.org_id?, one.database.as_str())))
    else {
        return Vec::new();
    };
    let mut policies: Vec<Option<&str>> = vec![None];
    for one in [old, new].into_iter().flatten() {
        let policy = Some(one.retention_policy.as_str());
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    let mut told = Vec::new();
    for policy in policies {
        let was = used(before, org, database, policy);
        let now = used(after, org, database, policy);
        if was.map(|one| one.bucket_id) == now.map(|one| one.bucket_id) {
            continue;
        }
        // The new mapping itself.
        let is_new = now.is_some() && now == new && policy.is_some();
        if is_new && was.is_none() {
            continue;
        }
        let requests = match policy {
            None => format!("requests for database {database:?} without a retention policy"),
            Some(policy) => {
                format!("requests for database {database:?} with retention policy {policy:?}")
            }
        };
        told.push(match (was, now) {
            (None, Some(now)) => format!("{requests} go to {}", bucket(now)),
            (Some(was), Some(now)) => {
                format!("{requests} go to {}, not to {}", bucket(now), bucket(was))
            }
            (_, None) => format!("{requests} fail"),
        });
    }
    told
}

fn bucket(mapping: &Mapping) -> String {
    match (&mapping.bucket, mapping.bucket_id) {
        (Some(name), _) => format!("bucket {name:?}"),
        (None, Some(id)) => format!("bucket {id}, which was deleted"),
        (None, None) => "no bucket".into(),
    }
}
