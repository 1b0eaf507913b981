//! `residue scan`: counts plaintext tokens left in the file and in other files.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::{Known, Residue};
use crate::ops::residue::missing::HashedTokens;
use crate::ops::residue::{Options, embedded, look};
use crate::store::Store;

/// Numbers of distinct tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All tokens found.
    pub tokens: u64,
    /// Those that belong to a hashed token of this store.
    pub matching: u64,
    /// Those that match nothing in this store.
    pub unmatched: u64,
    /// Always false: this command only reads.
    pub changed: bool,
}

impl Counts {
    /// The counts of a search result.
    pub(super) fn of(residue: &Residue) -> Self {
        Self {
            tokens: residue.tokens(),
            matching: residue.matching.len() as u64,
            unmatched: residue.unmatched,
            changed: false,
        }
    }
}

/// The result of [`scan`].
pub struct Scanned {
    /// Numbers of distinct tokens.
    pub counts: Counts,
    /// The hashed tokens of the store, and those that were not found, also not in live records.
    pub hashed: HashedTokens,
    /// The tokens of the store, for a search in other files.
    pub known: Known,
    /// Damage that may hide tokens.
    pub findings: Vec<Finding>,
}

/// Counts the tokens in unused parts of the store's file and in `options.files`.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn scan(store: &Store, options: &Options) -> Result<Scanned> {
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let (known, mut findings) = Known::load_beside(snapshot, inspect)?;
    let (residue, damage) = look(store, &known, options)?;
    findings.extend(damage);
    let counts = Counts::of(&residue);
    let live = embedded(snapshot, &known)?;
    let found = residue.matching.iter().chain(&live.matching);
    let hashed = HashedTokens::of(snapshot, inspect, found.map(|(id, _)| *id))?;
    Ok(Scanned {
        counts,
        hashed,
        known,
        findings,
    })
}
