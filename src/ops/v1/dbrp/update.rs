//! `v1 dbrp update`: another retention policy, or the default mapping of its database. The record
//! gets the bytes that influxd's API `PATCH /api/v2/dbrps/ID` writes.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::dbrp::{Dbrp, database_key};
use crate::metadata::json::{Edit, Object};
use crate::metadata::{Catalog, Id, json, names};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::v1::dbrp::find::{Plan, by_id, has_dbrps, is_unique, load, names_are_valid};
use crate::store::{ChangeSet, Snapshot};

/// The change of a mapping; what is none stays.
#[derive(Debug, Clone)]
pub struct Options {
    /// The mapping.
    pub id: Id,
    /// Its retention policy.
    pub retention_policy: Option<String>,
    /// Whether it becomes the default mapping of its database.
    pub default: bool,
}

/// Plans the change.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such mapping
/// * [`ErrorKind::Refused`] for names that InfluxDB refuses, and when there is such a mapping
pub fn plan(snapshot: &dyn Snapshot, options: &Options) -> Result<Plan> {
    has_dbrps(known_schema(snapshot)?.migrations)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let stored = load(snapshot)?;
    let id = options.id;
    let mapping = by_id(&stored, &catalog, id)?;
    let was_default = stored.is_default(id, mapping);
    let policy = options.retention_policy.as_deref();
    let policy = policy.filter(|policy| *policy != mapping.retention_policy);
    if let Some(policy) = policy {
        names_are_valid(&mapping.database, policy)?;
        if let Some(org) = mapping.org {
            is_unique(&stored, Some(id), org, &mapping.database, policy)?;
        }
    }
    let mut changes = ChangeSet::default();
    let becomes_default = options.default && !was_default;
    if becomes_default {
        make_default(&mut changes, id, mapping)?;
    }
    if policy.is_some() || becomes_default {
        let values = Values {
            policy,
            default: Some(was_default || options.default),
            bucket: None,
        };
        edit(snapshot, &mut changes, id, &values)?;
    }
    Plan::new(snapshot, changes, id)
}

/// Makes a mapping the default of its database.
///
/// # Errors
/// [`ErrorKind::Refused`] for a mapping without an organization.
pub(crate) fn make_default(changes: &mut ChangeSet, id: Id, mapping: &Dbrp) -> Result<()> {
    let Some(org) = mapping.org else {
        let message = format!("mapping {id} names no organization");
        return Err(
            Error::new(ErrorKind::Refused, message).with_hint("boltkey v1 dbrp delete deletes it")
        );
    };
    let key = database_key(org, &mapping.database);
    changes.put(names::DBRP_DEFAULT, &key, id.to_string().as_bytes());
    Ok(())
}

/// New values of a record; what is none stays.
#[derive(Default)]
pub(crate) struct Values<'a> {
    pub(crate) policy: Option<&'a str>,
    pub(crate) default: Option<bool>,
    pub(crate) bucket: Option<Id>,
}

/// Writes the record with these values, and everything else byte for byte.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the record is no JSON object.
pub(crate) fn edit(
    snapshot: &dyn Snapshot,
    changes: &mut ChangeSet,
    id: Id,
    values: &Values<'_>,
) -> Result<()> {
    let key = id.to_string();
    let old = snapshot
        .get(names::DBRP, key.as_bytes())?
        .unwrap_or_default();
    let object = Object::parse(&old).ok_or_else(|| {
        let message = format!("the record of mapping {id} is not a JSON object");
        Error::new(ErrorKind::Corrupt, message)
    })?;
    let policy = values.policy.map(json::string);
    let default = values.default.map(|default| default.to_string());
    let bucket = values.bucket.map(|id| json::string(&id.to_string()));
    let edits: Vec<(&str, Edit<'_>)> = [
        ("retention_policy", &policy),
        ("default", &default),
        ("bucketID", &bucket),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, Edit::Set(value.as_deref()?))))
    .collect();
    let mut new = Vec::with_capacity(old.len() + 64);
    object.edit(&edits, &mut new);
    changes.put(names::DBRP, key.as_bytes(), &new);
    Ok(())
}
