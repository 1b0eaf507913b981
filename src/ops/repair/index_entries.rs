//! Comparing an index with the entries that records need, and curing the differences.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::authenticate::key_digest;
use crate::ops::repair::planned_cures::{Cure, PlannedCures};
use crate::store::Snapshot;

/// The entries that records need. Keys are kept as digests, because they may be tokens; several
/// records may need the same key.
pub(super) struct Needed<T> {
    entries: HashMap<[u8; 16], Need<T>>,
}

struct Need<T> {
    target: T,
    /// Other records with the same key.
    others: Vec<T>,
    required: bool,
    met: bool,
}

impl<T> Default for Needed<T> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
        }
    }
}

impl<T: Copy + Ord> Needed<T> {
    /// A record that needs an entry.
    pub(super) fn add(&mut self, key: &[u8], target: T) {
        self.insert(key, target, true);
    }

    /// A record that may have an entry.
    pub(super) fn allow(&mut self, key: &[u8], target: T) {
        self.insert(key, target, false);
    }

    fn insert(&mut self, key: &[u8], target: T, required: bool) {
        let need = Need {
            target,
            others: Vec::new(),
            required,
            met: false,
        };
        match self.entries.entry(key_digest(key)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(need);
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                entry.get_mut().others.push(target);
                entry.get_mut().required |= required;
            }
        }
    }
}

/// See [`Index::key_of`].
type KeyOf<'i, T> = dyn Fn(&dyn Snapshot, T) -> Result<Option<Zeroizing<Vec<u8>>>> + 'i;
/// See [`Index::elsewhere`]. Gets the key, the target now, and the right target.
type Elsewhere<'i, T> = dyn Fn(&[u8], Option<T>, T) -> Cure + 'i;
/// See [`Index::dangling`]. Gets the key and the target.
type Dangling<'i, T> = dyn Fn(&[u8], Option<T>) -> Option<Cure> + 'i;

/// What is special about an index.
pub(super) struct Index<'i, T> {
    pub(super) bucket: &'i [u8],
    /// Decodes the target of an entry.
    pub(super) target: fn(&[u8]) -> Option<T>,
    /// The value of an entry.
    pub(super) value: &'i dyn Fn(T) -> Vec<u8>,
    /// The key that a record needs; none if its record can't be read again.
    pub(super) key_of: &'i KeyOf<'i, T>,
    /// Whether an entry that no record needs may stay: its record can't be decoded.
    pub(super) stays: &'i dyn Fn(Option<T>) -> bool,
    /// The cure for a missing entry.
    pub(super) absent: &'i dyn Fn(T) -> Cure,
    /// The cure for an entry that should lead to this record.
    pub(super) elsewhere: &'i Elsewhere<'i, T>,
    /// The cure for an entry that no record needs; none if it has to stay.
    pub(super) dangling: &'i Dangling<'i, T>,
    /// Why entries are left of which the key belongs to several records.
    pub(super) ambiguous: &'static str,
}

/// Cures the differences between an index and what records need.
///
/// # Errors
/// When the file can't be read.
pub(super) fn repair<T: Copy + Ord>(
    planned: &mut PlannedCures<'_>,
    index: &Index<'_, T>,
    mut needed: Needed<T>,
) -> Result<()> {
    let snapshot = planned.snapshot;
    let mut wrong = Vec::new();
    let mut ambiguous = BTreeSet::new();
    snapshot.scan(index.bucket, &mut |key, value| {
        let to = (index.target)(value);
        let Some(need) = needed.entries.get_mut(&key_digest(key)) else {
            if !(index.stays)(to) {
                wrong.push((Zeroizing::new(key.to_vec()), to, None));
            }
            return ControlFlow::Continue(());
        };
        if to == Some(need.target) || to.is_some_and(|to| need.others.contains(&to)) {
            need.met = true;
        } else if need.others.is_empty() {
            need.met = true;
            wrong.push((Zeroizing::new(key.to_vec()), to, Some(need.target)));
        }
        ControlFlow::Continue(())
    })?;
    for (key, to, right) in wrong {
        match right {
            Some(right) => {
                let cure = (index.elsewhere)(&key, to, right);
                let value = (index.value)(right);
                planned.cure(cure, |changes| changes.put(index.bucket, &key, &value));
            }
            None => {
                if let Some(cure) = (index.dangling)(&key, to) {
                    planned.cure(cure, |changes| changes.remove(index.bucket, &key));
                }
            }
        }
    }
    let mut absent = BTreeSet::new();
    for need in needed.entries.into_values() {
        if !need.others.is_empty() {
            ambiguous.insert(need.target);
            ambiguous.extend(need.others);
        } else if need.required && !need.met {
            absent.insert(need.target);
        }
    }
    for target in absent {
        let cure = (index.absent)(target);
        match (index.key_of)(snapshot, target)? {
            Some(key) if is_possible(&key) => {
                let value = (index.value)(target);
                planned.cure(cure, |changes| changes.put(index.bucket, &key, &value));
            }
            _ => planned.leave(
                cure.code,
                cure.place,
                "the store can't have an entry for it",
            ),
        }
    }
    for target in ambiguous {
        let cure = (index.absent)(target);
        planned.leave(cure.code, cure.place, index.ambiguous);
        if let Some(key) = (index.key_of)(snapshot, target)? {
            let now = snapshot.get(index.bucket, &key)?;
            let now = now.and_then(|value| (index.target)(&value));
            let Cure { code, place, .. } = (index.elsewhere)(&key, now, target);
            planned.leave(code, place, index.ambiguous);
        }
    }
    Ok(())
}

/// Whether a store can have a pair with this key.
fn is_possible(key: &[u8]) -> bool {
    (1..=crate::store::MAX_KEY_SIZE).contains(&key.len())
}
