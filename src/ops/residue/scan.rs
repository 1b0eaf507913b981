//! `residue scan`: counts plaintext tokens left in the file and in other files.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::{Known, Residue};
use crate::ops::known::{Number, incomplete};
use crate::ops::residue::missing::HashedTokens;
use crate::ops::residue::{Options, Wanted, embedded, look};
use crate::store::Store;

/// Numbers of distinct tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counts {
    /// All tokens found.
    pub tokens: u64,
    /// Those of this store that no readable record holds in plaintext, mostly hashed ones.
    pub matching: Number,
    /// Those that match nothing in this store. If damage hides tokens, it is unknown whether they
    /// are the store's.
    pub unmatched: Number,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
    /// Whether damage hides tokens of the store.
    #[serde(skip)]
    pub damaged: bool,
    /// Always false: this command only reads.
    pub changed: bool,
}

impl Counts {
    /// The counts of a search result.
    pub(super) fn of(residue: &Residue, damaged: bool) -> Self {
        // Without unmatched tokens, all that were found are known.
        let hidden = damaged && residue.unmatched > 0;
        Self {
            tokens: residue.tokens(),
            matching: Number::new(residue.matching.len() as u64, hidden),
            unmatched: Number::new(residue.unmatched, hidden),
            incomplete: incomplete(&[("matching", hidden), ("unmatched", hidden)]),
            damaged,
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
    let Wanted {
        known,
        hidden,
        mut findings,
    } = Wanted::of(snapshot, inspect)?;
    let (residue, damage) = look(store, &known, options)?;
    findings.extend(damage);
    let counts = Counts::of(&residue, hidden);
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
