//! The hashed tokens of a store whose plaintext was not found.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{ErrorKind, Result};
use crate::finding::Severity;
use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::authorization::Undecoded;
use crate::metadata::{Authorization, Id, Storage, authorization, lost_records, names};
use crate::store::{Inspect, Snapshot};

/// The hashed tokens of a store, and those of them that were not found.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HashedTokens {
    /// Number of tokens that the store holds only as a hash; none if damage may hide some.
    pub hashed: Option<u64>,
    /// Those whose plaintext was not found, by ID; none if damage may hide some.
    pub missing: Option<Vec<MissingToken>>,
    /// Those that are known to be missing, where others may be hidden.
    #[serde(skip)]
    at_least: Vec<MissingToken>,
}

/// A hashed token whose plaintext was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissingToken {
    /// The authorization.
    pub id: Id,
    /// Its description, which may be empty.
    pub description: String,
}

impl HashedTokens {
    /// Compares the hashed tokens of a store with those of the authorizations `found`.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        found: impl IntoIterator<Item = Id>,
    ) -> Result<Self> {
        let found = hashes(snapshot, found)?;
        let (mut hashed, mut missing, mut complete) = (0, Vec::new(), true);
        let findings = snapshot.scan(names::AUTHORIZATIONS, &mut |key, value| {
            let bucket = names::AUTHORIZATIONS;
            match Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value) {
                Ok(record) if record.storage() == Storage::Hashed => {
                    hashed += 1;
                    if !found.contains(&key_digest(record.hashed_token.as_bytes())) {
                        missing.push(MissingToken {
                            id: record.id,
                            description: record.description.into_owned(),
                        });
                    }
                }
                Ok(_) => {}
                Err(_) => complete = false,
            }
            ControlFlow::Continue(())
        })?;
        complete &= findings.iter().all(|f| f.severity != Severity::Error);
        if !complete || lost_records::find(snapshot, inspect)?.is_some() {
            return Ok(Self {
                hashed: None,
                missing: None,
                at_least: missing,
            });
        }
        Ok(Self {
            hashed: Some(hashed),
            missing: Some(missing),
            at_least: Vec::new(),
        })
    }

    /// The tokens that are known to be missing. Damage may hide others.
    #[must_use]
    pub fn known_missing(&self) -> &[MissingToken] {
        self.missing.as_deref().unwrap_or(&self.at_least)
    }
}

/// The hashes of these authorizations. Two may have the same token.
fn hashes(
    snapshot: &dyn Snapshot,
    found: impl IntoIterator<Item = Id>,
) -> Result<BTreeSet<KeyDigest>> {
    let mut hashes = BTreeSet::new();
    for id in found {
        match authorization::with(snapshot, id, |record| {
            hashes.insert(key_digest(record.hashed_token.as_bytes()));
        }) {
            // Damage may hide a record whose token was found.
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            _ => {}
        }
    }
    Ok(hashes)
}
