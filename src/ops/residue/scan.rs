//! `residue scan`: counts plaintext tokens left in the file and in other files.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::Residue;
use crate::ops::known::{Number, incomplete};
use crate::ops::residue::{Options, Wanted, look};
use crate::store::Store;

/// Numbers of distinct tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// Counts the tokens in unused parts of the store's file and in `options.files`. Damage that may
/// hide tokens is in the findings.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn scan(store: &Store, options: &Options) -> Result<(Counts, Vec<Finding>)> {
    let wanted = Wanted::of(store.snapshot(), store.inspect())?;
    let (residue, damage) = look(store, &wanted.known, options)?;
    let mut findings = wanted.findings;
    findings.extend(damage);
    Ok((Counts::of(&residue, wanted.hidden), findings))
}
