//! What a store knows of its tokens: against this, what was found is judged.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::thread;

use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Id, TokenHash, Variant, names, parallel};
use crate::store::{Inspect, Snapshot};

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

/// What a record says of its token.
enum Proof {
    /// It holds it as it is, with this SHA-256 digest.
    Plaintext([u8; 32]),
    /// It holds its hash.
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Proof {
    /// None for a record without token, or with a hash that matches nothing: one that can't be
    /// decoded or has the wrong length.
    fn of(record: &TokenFields<'_>) -> Option<Self> {
        if !record.token.is_empty() {
            let digest = Sha256::digest(record.token.as_bytes());
            return Some(Self::Plaintext(digest.into()));
        }
        let hash = TokenHash::parse(&record.hashed_token).ok()?;
        match hash.variant() {
            Variant::Sha256 => Some(Self::Sha256(hash.digest().try_into().ok()?)),
            Variant::Sha512 => Some(Self::Sha512(hash.digest().try_into().ok()?)),
        }
    }
}

impl Known {
    /// Reads what the records of a store say. Records that can't be decoded are skipped; the
    /// findings of reading pages are returned.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let mut known = Self::default();
        let mut damage = parallel::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut Vec<(Id, Proof)>, _, value| {
                if let Ok(record) = serde_json::from_slice::<TokenFields<'_>>(value) {
                    part.extend(Proof::of(&record).map(|proof| (record.id, proof)));
                }
            },
            &mut |part| {
                part.into_iter()
                    .for_each(|(id, proof)| known.add(id, proof))
            },
        )?;
        damage.extend(
            snapshot.scan(names::LEGACY_AUTHORIZATION_INDEX, &mut |name, _| {
                known.no_residue.insert(Sha256::digest(name).into());
                ControlFlow::Continue(())
            })?,
        );
        Ok((known, damage))
    }

    /// The same, while another thread looks at the pages, for a search through what is unused.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load_beside(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<(Self, Vec<Finding>)> {
        thread::scope(|scope| {
            let prepared = scope.spawn(|| inspect.prepare());
            let known = Self::load(snapshot);
            match prepared.join() {
                Ok(prepared) => prepared.and(known),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Of records with the same hash the first one counts.
    fn add(&mut self, id: Id, proof: Proof) {
        match proof {
            Proof::Plaintext(digest) => {
                self.no_residue.insert(digest);
            }
            Proof::Sha256(digest) => {
                self.sha256.entry(digest).or_insert(id);
            }
            Proof::Sha512(digest) => {
                self.sha512.entry(digest).or_insert(id);
            }
        }
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
