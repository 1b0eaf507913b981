//! The entries of a token index as records want them, to be met by those that are there.

use std::collections::{BTreeSet, HashMap};

use crate::metadata::Id;
use crate::metadata::authenticate::key_digest;

/// The index entries that records demand, by digest since the keys may be tokens.
#[derive(Default)]
pub(super) struct Expected {
    entries: HashMap<[u8; 16], Wanted>,
}

struct Wanted {
    id: Id,
    required: bool,
    met: bool,
}

pub(super) enum Met {
    Right,
    Elsewhere(Id),
    Unexpected,
}

impl Expected {
    pub(super) fn expect(&mut self, key: &[u8], id: Id) {
        self.insert(key, id, true);
    }

    /// Allows an entry without demanding it.
    pub(super) fn tolerate(&mut self, key: &[u8], id: Id) {
        self.insert(key, id, false);
    }

    fn insert(&mut self, key: &[u8], id: Id, required: bool) {
        let wanted = Wanted {
            id,
            required,
            met: false,
        };
        self.entries.insert(key_digest(key), wanted);
    }

    pub(super) fn meet(&mut self, key: &[u8], target: Option<Id>) -> Met {
        match self.entries.get_mut(&key_digest(key)) {
            None => Met::Unexpected,
            Some(wanted) => {
                wanted.met = true;
                if target == Some(wanted.id) {
                    Met::Right
                } else {
                    Met::Elsewhere(wanted.id)
                }
            }
        }
    }

    pub(super) fn unmet(self) -> BTreeSet<Id> {
        let unmet = self.entries.into_values();
        unmet
            .filter(|w| w.required && !w.met)
            .map(|w| w.id)
            .collect()
    }
}
