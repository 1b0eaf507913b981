//! The keys of a bucket that two stores do not share, or that have another value. Both stores are
//! read at the same time, and the values are not kept.

use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;

use crate::error::Result;
use crate::metadata::Fingerprint;
use crate::store::Snapshot;

/// Keys that are handed from one thread to the other at once.
const BATCH: usize = 1024;

/// Batches that may wait.
const AHEAD: usize = 4;

type Key = Vec<u8>;

/// The keys that differ, each list ascending.
#[derive(Default)]
pub(super) struct KeyChanges {
    /// Only in the second store.
    pub(super) added: Vec<Key>,
    /// Only in the first store.
    pub(super) removed: Vec<Key>,
    /// In both, with other values.
    pub(super) changed: Vec<Key>,
    /// Whether damage hides a part of the first store's bucket.
    pub(super) before_hides: bool,
    /// Whether damage hides a part of the second store's bucket.
    pub(super) after_hides: bool,
}

impl KeyChanges {
    /// Compares one bucket of two stores.
    ///
    /// # Errors
    /// When one of them can't be read.
    pub(super) fn find(before: &dyn Snapshot, after: &dyn Snapshot, bucket: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let (hides_before, hides_after) = thread::scope(|scope| {
            let (batches, old) = mpsc::sync_channel::<Vec<(Key, Fingerprint)>>(AHEAD);
            let reader = scope.spawn(move || {
                let mut batch = Vec::new();
                let damage = before.scan(bucket, &mut |key, value| {
                    batch.push((key.to_vec(), Fingerprint::of(value)));
                    if batch.len() < BATCH {
                        return ControlFlow::Continue(());
                    }
                    match batches.send(std::mem::take(&mut batch)) {
                        Ok(()) => ControlFlow::Continue(()),
                        // The other store can't be read.
                        Err(_) => ControlFlow::Break(()),
                    }
                });
                let _ = batches.send(batch);
                damage
            });
            let mut old = old.into_iter().flatten().peekable();
            let damage = after.scan(bucket, &mut |key, value| {
                while let Some((gone, _)) = old.next_if(|(old, _)| old.as_slice() < key) {
                    found.removed.push(gone);
                }
                match old.next_if(|(old, _)| old == key) {
                    None => found.added.push(key.to_vec()),
                    Some((key, was)) if was != Fingerprint::of(value) => found.changed.push(key),
                    Some(_) => {}
                }
                ControlFlow::Continue(())
            });
            if damage.is_ok() {
                found.removed.extend(old.by_ref().map(|(key, _)| key));
            }
            // A reader that still sends must not wait for this thread.
            drop(old);
            let read = reader.join();
            let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (read, damage)
        });
        found.before_hides = !hides_before?.is_empty();
        found.after_hides = !hides_after?.is_empty();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    #[test]
    fn every_key_is_told_once() {
        let store = |pairs: &[(u32, &str)]| {
            let mut model = Model::default();
            model.create_bucket(b"b");
            for (key, value) in pairs {
                model.put(b"b", &key.to_be_bytes(), value.as_bytes());
            }
            model
        };
        // More than one batch, with differences at both ends and between batches.
        let many: Vec<(u32, &str)> = (1..5000).map(|key| (key, "x")).collect();
        let mut other = many.clone();
        other.remove(2000);
        other.remove(0);
        other.push((6000, "x"));
        if let Some(pair) = other.get_mut(3000) {
            pair.1 = "y";
        }
        let find = |a: &Model, b: &Model| KeyChanges::find(a, b, b"b").unwrap();
        let (a, b) = (store(&many), store(&other));
        let numbers = |keys: &[Key]| -> Vec<u32> {
            let number = |key: &Key| u32::from_be_bytes(key.as_slice().try_into().unwrap());
            keys.iter().map(number).collect()
        };
        let found = find(&a, &b);
        assert_eq!(numbers(&found.removed), [1, 2001]);
        assert_eq!(numbers(&found.added), [6000]);
        assert_eq!(numbers(&found.changed), [3003]);
        let same = find(&a, &a);
        assert!(same.removed.is_empty() && same.added.is_empty() && same.changed.is_empty());
        let empty = store(&[]);
        assert_eq!(find(&a, &empty).removed.len(), many.len());
        assert_eq!(find(&empty, &a).added.len(), many.len());
    }
}
