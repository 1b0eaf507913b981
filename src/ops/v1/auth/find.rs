//! Which 1.x-compatible authorization a command means: by its ID or its 1.x user name.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::Object;
use crate::metadata::lookup::Lookup;
use crate::metadata::v1_users::{V1User, V1Users};
use crate::metadata::{Authorization, Fingerprint, Id, names};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::store::Snapshot;

/// The record of a 1.x-compatible authorization.
pub(crate) struct V1Record {
    pub(crate) id: Id,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether the index has no entry for its name, so that influxd does not find it.
    pub(crate) lacks_entry: bool,
}

/// The first schema with 1.x-compatible authorizations and their passwords.
const V1_USERS: u64 = 9;

/// Refuses a store of a schema without 1.x-compatible authorizations.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn has_v1_users(schema: u64) -> Result<()> {
    if schema >= V1_USERS {
        return Ok(());
    }
    let message = format!("a store of schema {schema} has no 1.x users");
    Err(Error::new(ErrorKind::Refused, message)
        .with_hint("start InfluxDB 2.0.0 or later once, which adds them"))
}

/// The ID of the 1.x user whom influxd finds by this name.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none, or record and index disagree.
pub fn by_name(snapshot: &dyn Snapshot, name: &str) -> Result<Id> {
    let users = V1Users::load(snapshot)?;
    Ok(named(&users, name)?.id)
}

fn named<'u>(users: &'u V1Users, name: &str) -> Result<&'u V1User> {
    let names = users.users.values().map(|user| user.name.as_str());
    resolve::named(&users.by_name(name), name, names)
}

/// Finds the record. If `mends`, a name without an index entry is found too, as long as only one
/// record has it.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none, or record and index disagree;
/// [`ErrorKind::Corrupt`] when a record or the index can't be read.
pub(crate) fn find(snapshot: &dyn Snapshot, by: &By, mends: bool) -> Result<V1Record> {
    let users = V1Users::load(snapshot)?;
    all_decoded(&users.skipped)?;
    let without_entry = |name: &str| match users.by_name(name) {
        Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => match records.as_slice() {
            [only] => Some(only.id),
            _ => None,
        },
        _ => None,
    };
    let id = match by {
        By::Id(id) => *id,
        By::Name(name) => match without_entry(name).filter(|_| mends) {
            Some(id) => id,
            None => named(&users, name)?.id,
        },
    };
    let bytes = load(snapshot, id)?;
    let name = users.users.get(&id).map(|user| user.name.as_str());
    Ok(V1Record {
        id,
        bytes,
        lacks_entry: name.is_some_and(|name| without_entry(name) == Some(id)),
    })
}

/// Reads the record with this ID.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none.
pub(crate) fn load(snapshot: &dyn Snapshot, id: Id) -> Result<Zeroizing<Vec<u8>>> {
    let key = id.to_string();
    if let Some(bytes) = snapshot.get(names::LEGACY_AUTHORIZATIONS, key.as_bytes())? {
        return Ok(Zeroizing::new(bytes));
    }
    let token = snapshot.get(names::AUTHORIZATIONS, key.as_bytes())?;
    let (what, hint) = match token.map(Zeroizing::new) {
        Some(_) => (
            "is an API token, not a 1.x user",
            "boltkey auth show shows it",
        ),
        None => ("does not exist", "boltkey v1 auth list shows all 1.x users"),
    };
    let message = format!("1.x-compatible authorization {id} {what}");
    Err(Error::new(ErrorKind::NoSuchRecord, message).with_hint(hint))
}

impl V1Record {
    /// The decoded record.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when influxd can't decode it either.
    pub(crate) fn decoded(&self) -> Result<Authorization<'_>> {
        let key = self.id.to_string();
        let bucket = names::LEGACY_AUTHORIZATIONS;
        Authorization::decode(bucket, key.as_bytes(), &self.bytes).map_err(|finding| {
            let message = format!("{}: {}", finding.place, finding.message);
            Error::new(ErrorKind::Corrupt, message)
                .with_hint("boltkey v1 auth delete --id removes a record that can't be decoded")
        })
    }

    /// Its fields, for edits.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is no JSON object.
    pub(crate) fn object(&self) -> Result<Object<'_>> {
        Object::parse(&self.bytes).ok_or_else(|| {
            let message = format!("1.x-compatible authorization {} is no JSON object", self.id);
            Error::new(ErrorKind::Corrupt, message)
        })
    }

    /// The whole record, for comparisons.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.bytes)
    }
}

/// The stored hash of the password; none if there is none.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn stored_password(snapshot: &dyn Snapshot, id: Id) -> Result<Option<Vec<u8>>> {
    let hash = snapshot.get(names::LEGACY_PASSWORDS, id.to_string().as_bytes())?;
    Ok(hash.filter(|hash| !hash.is_empty()))
}
