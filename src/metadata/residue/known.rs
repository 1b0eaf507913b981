//! What a store knows of its tokens: against this, what was found is judged.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Id, TokenHash, Variant, names};
use crate::store::Snapshot;

/// The hashed tokens of a store, and the texts that are no residue of one.
#[derive(Default)]
pub struct Known {
    sha256: HashMap<[u8; 32], Id>,
    sha512: HashMap<[u8; 64], Id>,
    /// SHA-256 digests of tokens that stand in the store in plaintext, and of 1.x user names,
    /// which stand where tokens stand.
    no_residue: HashSet<[u8; 32]>,
}

/// The fields of an authorization record that matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenFields<'a> {
    id: Id,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    hashed_token: Cow<'a, str>,
}

impl Known {
    /// Reads what the records of a store say. Records that can't be decoded are skipped; the
    /// findings of reading pages are returned.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let mut known = Self::default();
        let mut damage = snapshot.scan(names::AUTHORIZATIONS, &mut |_, value| {
            if let Ok(record) = serde_json::from_slice::<TokenFields<'_>>(value) {
                known.add(record.id, &record.token, &record.hashed_token);
            }
            ControlFlow::Continue(())
        })?;
        damage.extend(
            snapshot.scan(names::LEGACY_AUTHORIZATION_INDEX, &mut |name, _| {
                known.no_residue.insert(Sha256::digest(name).into());
                ControlFlow::Continue(())
            })?,
        );
        Ok((known, damage))
    }

    /// Adds a record's token and hash; the one it lacks is empty.
    fn add(&mut self, id: Id, token: &str, hash: &str) {
        if !token.is_empty() {
            self.no_residue.insert(Sha256::digest(token).into());
        } else if let Ok(hash) = TokenHash::parse(hash) {
            // A digest of another length matches nothing.
            match hash.variant() {
                Variant::Sha256 => {
                    let digest = hash.digest().try_into();
                    digest
                        .map(|digest| self.sha256.entry(digest).or_insert(id))
                        .ok();
                }
                Variant::Sha512 => {
                    let digest = hash.digest().try_into();
                    digest
                        .map(|digest| self.sha512.entry(digest).or_insert(id))
                        .ok();
                }
            }
        }
    }

    /// The ID of the record without plaintext that holds the hash of `text`.
    #[must_use]
    pub fn owner_of(&self, text: &[u8]) -> Option<Id> {
        self.hashed(text, &Sha256::digest(text).into())
    }

    /// The ID of the record without plaintext that holds the hash of `text`, whose SHA-256 digest
    /// is at hand.
    pub(super) fn hashed(&self, text: &[u8], sha256: &[u8; 32]) -> Option<Id> {
        self.sha256.get(sha256).copied().or_else(|| {
            if self.sha512.is_empty() {
                return None;
            }
            let digest: [u8; 64] = Sha512::digest(text).into();
            self.sha512.get(&digest).copied()
        })
    }

    /// Whether the text with this SHA-256 digest is in the store as it is, or no token.
    pub(super) fn is_no_residue(&self, sha256: &[u8; 32]) -> bool {
        self.no_residue.contains(sha256)
    }
}
