//! Compares required index entries with existing ones.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use crate::metadata::authenticate::{KeyDigest, Leading, key_digest};

/// The entries that records require; `T` is the target of an entry. Keys are kept as digests,
/// because they may be tokens.
pub(super) struct Expected<T> {
    entries: HashMap<KeyDigest, Wanted<T>, BuildHasherDefault<Leading>>,
}

struct Wanted<T> {
    target: T,
    required: bool,
    met: bool,
}

/// The result for an existing entry.
pub(super) enum Met<T> {
    /// The entry that a record requires.
    Right,
    /// The entry should lead to this target instead.
    Elsewhere(T),
    /// No record requires an entry with this key.
    Unexpected,
}

impl<T> Default for Expected<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
        }
    }
}

impl<T: Copy + Ord> Expected<T> {
    /// Requires an entry.
    pub(super) fn expect(&mut self, key: &[u8], target: T) {
        self.insert(key_digest(key), target, true);
    }

    /// Requires an entry, or allows it. Its key has this digest.
    pub(super) fn insert(&mut self, key: KeyDigest, target: T, required: bool) {
        let wanted = Wanted {
            target,
            required,
            met: false,
        };
        self.entries.insert(key, wanted);
    }

    /// Notes an existing entry, whose key has this digest, if it is right. Otherwise returns false.
    pub(super) fn is_right(&mut self, key: &KeyDigest, target: Option<T>) -> bool {
        match self.entries.get_mut(key) {
            Some(wanted) if target == Some(wanted.target) => {
                wanted.met = true;
                true
            }
            _ => false,
        }
    }

    /// Compares an existing entry. With `any_target` an entry that leads elsewhere counts as met.
    pub(super) fn meet(&mut self, key: &[u8], target: Option<T>, any_target: bool) -> Met<T> {
        let key = key_digest(key);
        if self.is_right(&key, target) {
            return Met::Right;
        }
        match self.entries.get_mut(&key) {
            None => Met::Unexpected,
            Some(wanted) => {
                wanted.met |= any_target;
                Met::Elsewhere(wanted.target)
            }
        }
    }

    /// Whether every required entry exists.
    pub(super) fn are_all_met(&self) -> bool {
        let mut wanted = self.entries.values();
        wanted.all(|wanted| wanted.met || !wanted.required)
    }

    /// The targets of required entries that do not exist.
    pub(super) fn unmet(self) -> BTreeSet<T> {
        let unmet = self.entries.into_values();
        unmet
            .filter(|wanted| wanted.required && !wanted.met)
            .map(|wanted| wanted.target)
            .collect()
    }
}
