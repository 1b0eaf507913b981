//! `v1 auth update`: status, description and permissions of a 1.x user. influxd reads the record for
//! each request, so other permissions hold at once. Its API changes only status and description.

use crate::error::Result;
use crate::metadata::json::Edit;
use crate::metadata::permission::Permission;
use crate::metadata::{Can, Catalog, Id, json, names};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::v1::auth::create::permissions;
use crate::ops::v1::auth::find::{V1Record, find};
use crate::ops::v1::auth::plan::{Before, Plan};
use crate::store::{ChangeSet, Snapshot};

/// The change of a 1.x user; what is none stays.
#[derive(Debug, Clone)]
pub struct Options {
    /// The 1.x user.
    pub by: By,
    /// Whether it becomes active.
    pub active: Option<bool>,
    /// The description.
    pub description: Option<String>,
    /// All of its permissions after the change. Empty: as before.
    pub permissions: Vec<Can>,
}

/// Plans the change.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that can't be
///   edited
/// * [`crate::ErrorKind::NoSuchRecord`] when there is no such 1.x user or bucket
/// * [`crate::ErrorKind::Refused`] for permissions that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let found = find(snapshot, &options.by, false)?;
    let record = found.decoded()?;
    let permissions = match options.permissions.as_slice() {
        [] => None,
        wanted => Some(permissions(wanted, schema, record.org_id, &catalog)?),
    };
    let values = Values {
        active: options.active,
        description: options.description.as_deref(),
        permissions: permissions.as_deref(),
        ..Values::default()
    };
    let mut changes = ChangeSet::default();
    if let Some(record) = edited(&found, &values, now)? {
        let key = found.id.to_string();
        changes.put(names::LEGACY_AUTHORIZATIONS, key.as_bytes(), &record);
    }
    let before = Before {
        record: Some(found.fingerprint()),
        ..Before::default()
    };
    Plan::new(snapshot, changes, found.id, before)
}

/// New values of a record; what is none stays.
#[derive(Default)]
pub(crate) struct Values<'a> {
    pub(crate) active: Option<bool>,
    pub(crate) description: Option<&'a str>,
    pub(crate) permissions: Option<&'a [Permission<'a>]>,
    pub(crate) org: Option<Id>,
    pub(crate) user: Option<Id>,
}

/// The record with the values that differ, and everything else byte for byte. None if nothing
/// differs.
///
/// # Errors
/// [`crate::ErrorKind::Corrupt`] when the record can't be decoded.
pub(crate) fn edited(
    found: &V1Record,
    values: &Values<'_>,
    now: &Timestamp,
) -> Result<Option<Vec<u8>>> {
    let old = found.decoded()?;
    let status = values.active.map(|active| match active {
        true => "active",
        false => "inactive",
    });
    let status = status.filter(|wanted| *wanted != old.shown_status());
    let description = values.description;
    let description = description.filter(|wanted| *wanted != old.description);
    let permissions = values.permissions;
    let permissions = permissions.filter(|wanted| *wanted != old.permissions.as_slice());
    let org = values.org.filter(|wanted| *wanted != old.org_id);
    let user = values.user.filter(|wanted| Some(*wanted) != old.user_id);
    let [org, user] = [org, user].map(|id| id.map(|id| json::string(&id.to_string())));
    let status = status.map(json::string);
    let description = description.map(json::string);
    let permissions = permissions.map(json_of);
    let new = [
        ("status", &status),
        ("description", &description),
        ("orgID", &org),
        ("userID", &user),
        ("permissions", &permissions),
    ];
    if new.iter().all(|(_, value)| value.is_none()) {
        return Ok(None);
    }
    let time = json::string(&now.rfc3339);
    let mut edits = vec![("updatedAt", Edit::Set(&time))];
    for (name, value) in new {
        if let Some(value) = value {
            edits.push((name, Edit::Set(value)));
        }
    }
    let mut out = Vec::with_capacity(found.bytes.len() + 512);
    found.object()?.edit(&edits, &mut out);
    Ok(Some(out))
}

/// A list of permissions as influxd writes it.
fn json_of(permissions: &[Permission<'_>]) -> String {
    let mut out = vec![b'['];
    for (number, permission) in permissions.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        permission.push_json(&mut out);
    }
    out.push(b']');
    String::from_utf8_lossy(&out).into_owned()
}
