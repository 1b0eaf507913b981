//! Decides whether the keys of one stale page are an index of tokens.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::metadata::Id;
use crate::metadata::residue::finder::is_generated;
use crate::metadata::residue::{Tally, may_be_token};
use crate::store::StaleElement;

/// From this length on, a match is not by chance: one of four billion places has the same bytes.
const SURE: usize = 4;

/// Collects the keys of a page that match nothing. If most keys of the page have the form of
/// tokens, or match, the others count as tokens too.
#[derive(Default)]
pub(super) struct PageKeys {
    page: u64,
    tokens: usize,
    /// Digests and places of the keys that may be tokens.
    others: Vec<([u8; 32], Range<u64>)>,
}

impl PageKeys {
    /// Examines a key. Index entries have an ID as value, separators have no value.
    pub(super) fn add(&mut self, element: &StaleElement<'_>, tally: &mut Tally<'_>) {
        let StaleElement {
            page, key, value, ..
        } = *element;
        if self.page != page {
            self.finish(tally);
            self.page = page;
        }
        // Keys of generated form are found by the search of raw bytes.
        if is_generated(key) {
            self.tokens += 1;
            return;
        }
        let digest = Sha256::digest(key).into();
        // What looks like a page may be none, such as a live page of another layout, and then its
        // keys are any bytes. Those of a short token stand there by chance, those of an ID do not.
        let is_sure = key.len() >= SURE || Id::from_bytes(value).is_ok();
        if is_sure && tally.matching(key, &digest, Some(element.place.clone())) {
            self.tokens += 1;
            return;
        }
        let index_entry = if value.is_empty() {
            // Separators of a bucket of records are IDs.
            Id::from_bytes(key).is_err()
        } else {
            Id::from_bytes(value).is_ok()
        };
        if index_entry && may_be_token(key) {
            self.others.push((digest, element.place.clone()));
        }
    }

    /// Ends the page.
    pub(super) fn finish(&mut self, tally: &mut Tally<'_>) {
        if self.tokens > self.others.len() {
            for (digest, place) in &self.others {
                tally.unmatched(digest, Some(place.clone()));
            }
        }
        self.tokens = 0;
        self.others.clear();
    }
}
