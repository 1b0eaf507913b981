//! `residue scan`: counts plaintext tokens left in the file and in other files.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::{Known, Residue};
use crate::ops::residue::{Options, look};
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

/// Counts the tokens in unused parts of the store's file and in `options.files`. Damage that may
/// hide tokens is in the findings.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn scan(store: &Store, options: &Options) -> Result<(Counts, Vec<Finding>)> {
    let (known, mut findings) = Known::load_beside(store.snapshot(), store.inspect())?;
    let (residue, damage) = look(store, &known, options)?;
    findings.extend(damage);
    Ok((Counts::of(&residue), findings))
}
