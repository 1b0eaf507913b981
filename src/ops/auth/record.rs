//! One authorization that is to be changed: its record, and the index entries that lead to it.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::json::Object;
use crate::metadata::{Authorization, Fingerprint, Id, names};
use crate::store::Snapshot;

/// The bytes of a record, wiped when they are dropped.
pub(crate) struct Record {
    id: Id,
    bytes: Zeroizing<Vec<u8>>,
}

impl Record {
    /// Reads it.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`] when there is none; else as [`Snapshot::get`].
    pub(crate) fn load(snapshot: &dyn Snapshot, id: Id) -> Result<Self> {
        let key = id.to_string();
        if let Some(bytes) = snapshot.get(names::AUTHORIZATIONS, key.as_bytes())? {
            let bytes = Zeroizing::new(bytes);
            return Ok(Self { id, bytes });
        }
        let legacy = snapshot.get(names::LEGACY_AUTHORIZATIONS, key.as_bytes())?;
        let (what, hint) = match legacy.map(Zeroizing::new) {
            Some(_) => (
                "is a 1.x-compatible authorization, not an API token",
                "boltkey v1 auth update, password and delete change it",
            ),
            None => (
                "does not exist",
                "boltkey auth list shows all of them, also those that influxd hides",
            ),
        };
        Err(Error::new(
            ErrorKind::NoSuchRecord,
            format!("authorization {id} {what}"),
        )
        .with_hint(hint))
    }

    /// A record that is to be stored.
    pub(crate) fn of(id: Id, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { id, bytes }
    }

    /// Whose it is.
    pub(crate) fn id(&self) -> Id {
        self.id
    }

    /// All of it, to be compared later.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.bytes)
    }

    /// What it says.
    ///
    /// # Errors
    /// The finding that says so, when influxd could not decode it either.
    pub(crate) fn decode(&self) -> Result<Authorization<'_>, Finding> {
        let key = self.id.to_string();
        Authorization::decode(names::AUTHORIZATIONS, key.as_bytes(), &self.bytes)
    }

    /// The same for those that can't go on without.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it can't be decoded, or says that it has another ID.
    pub(crate) fn decoded(&self) -> Result<Authorization<'_>> {
        let record = self.decode().map_err(|finding| {
            Error::new(
                ErrorKind::Corrupt,
                format!("{}: {}", finding.place, finding.message),
            )
            .with_hint("boltkey auth delete removes a record that can't be decoded")
        })?;
        if record.id == self.id {
            return Ok(record);
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the record under {} says that its ID is {}",
                self.id, record.id
            ),
        )
        .with_hint("boltkey check lists such records"))
    }

    /// Its fields, to be edited.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is no JSON object.
    pub(crate) fn object(&self) -> Result<Object<'_>> {
        Object::parse(&self.bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("authorization {} is no JSON object", self.id),
            )
        })
    }

    /// The record itself.
    pub(crate) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// How long it is.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// A key of an index, with the bucket of the index.
pub(crate) type IndexKey = (&'static [u8], Zeroizing<Vec<u8>>);

/// The index entries of the token that a record holds, as far as they lead to it; another's entry
/// is left alone.
///
/// # Errors
/// As [`Snapshot::get`].
pub(crate) fn own_index_keys(
    snapshot: &dyn Snapshot,
    record: &Authorization<'_>,
) -> Result<Vec<IndexKey>> {
    let id = record.id.to_string();
    let mut own = Vec::new();
    for (bucket, key) in [
        (names::AUTHORIZATION_INDEX, &record.token),
        (names::AUTHORIZATION_HASHED_INDEX, &record.hashed_token),
    ] {
        if key.is_empty() {
            continue;
        }
        if snapshot.get(bucket, key.as_bytes())?.as_deref() == Some(id.as_bytes()) {
            own.push((bucket, Zeroizing::new(key.as_bytes().to_vec())));
        }
    }
    Ok(own)
}
