//! `residue scan`: how many plaintext tokens the file, and others, still show.

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::{Known, Residue};
use crate::ops::residue::{Options, look};
use crate::store::Store;

/// Numbers of distinct tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All that were found.
    pub tokens: u64,
    /// Those that belong to a hashed token of this store.
    pub matching: u64,
    /// Those that match nothing in this store.
    pub unmatched: u64,
    /// Always false: looking changes nothing.
    pub changed: bool,
}

impl Counts {
    /// Of what was found.
    pub(super) fn of(residue: &Residue) -> Self {
        Self {
            tokens: residue.tokens(),
            matching: residue.matching.len() as u64,
            unmatched: residue.unmatched,
            changed: false,
        }
    }
}

/// Counts the tokens that the unused parts of the store's file, and `options.files`, show.
/// Damage that may hide some is in the findings.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn scan(store: &Store, options: &Options) -> Result<(Counts, Vec<Finding>)> {
    let (known, mut findings) = Known::load_beside(store.snapshot(), store.inspect())?;
    let (residue, damage) = look(store, &known, options)?;
    findings.extend(damage);
    Ok((Counts::of(&residue), findings))
}
