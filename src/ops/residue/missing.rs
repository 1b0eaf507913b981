//! The hashed tokens of a store whose plaintext was not found.

use std::collections::HashSet;

use serde::Serialize;

use crate::error::Result;
use crate::finding::Severity;
use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::authorization::Undecoded;
use crate::metadata::{Authorization, Id, Storage, lost_records, names, parallel_scan};
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
        let found: HashSet<Id> = found.into_iter().collect();
        let (mut hashed, mut missing, mut complete) = (0, Vec::new(), true);
        // Two authorizations may have the same token.
        let mut found_hashes = HashSet::new();
        let findings = parallel_scan::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut Part, key, value| part.add(key, value, &found),
            &mut |part| {
                hashed += part.hashed;
                found_hashes.extend(part.found);
                missing.extend(part.others);
                complete &= !part.undecodable;
            },
        )?;
        let missing: Vec<MissingToken> = missing
            .into_iter()
            .filter(|(hash, _)| !found_hashes.contains(hash))
            .map(|(_, token)| token)
            .collect();
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

/// The result for some consecutive records.
#[derive(Default)]
struct Part {
    /// Number of records with only a hash.
    hashed: u64,
    /// The hashes of authorizations that were found.
    found: Vec<KeyDigest>,
    /// The others that have only a hash.
    others: Vec<(KeyDigest, MissingToken)>,
    undecodable: bool,
}

impl Part {
    fn add(&mut self, key: &[u8], value: &[u8], found: &HashSet<Id>) {
        let bucket = names::AUTHORIZATIONS;
        let Ok(record) = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value) else {
            // Damage may hide a record whose token was found.
            self.undecodable = true;
            return;
        };
        let is_hashed = record.storage() == Storage::Hashed;
        self.hashed += u64::from(is_hashed);
        let hash = key_digest(record.hashed_token.as_bytes());
        if Id::from_bytes(key).is_ok_and(|id| found.contains(&id)) {
            self.found.push(hash);
        } else if is_hashed {
            let token = MissingToken {
                id: record.id,
                description: record.description.into_owned(),
            };
            self.others.push((hash, token));
        }
    }
}
