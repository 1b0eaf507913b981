//! An in-memory store: the reference for tests, and the content of new stores.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Finding;
use crate::store::change::no_such_bucket;
use crate::store::{
    Bucket, ChangeSet, Commit, CommitOutcome, Committed, Preview, ProtectedBytes, Snapshot, Visitor,
};

/// Buckets and pairs in ordered maps.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Model {
    buckets: BTreeMap<Vec<u8>, ModelBucket>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct ModelBucket {
    sequence: u64,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    /// Creates `bucket` if it does not exist.
    pub fn create_bucket(&mut self, bucket: &[u8]) {
        self.buckets.entry(bucket.to_vec()).or_default();
    }

    /// Puts a pair. Creates the bucket if it does not exist.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        self.buckets
            .entry(bucket.to_vec())
            .or_default()
            .pairs
            .insert(key.to_vec(), value.to_vec());
    }

    /// Removes a pair if it exists.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) {
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.pairs.remove(key);
        }
    }

    /// Removes a bucket and all its pairs if it exists.
    pub fn delete_bucket(&mut self, bucket: &[u8]) {
        self.buckets.remove(bucket);
    }

    /// A copy of `snapshot`, and findings about the damaged parts that were skipped.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn copy_of(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let mut model = Self::default();
        let (buckets, mut skipped) = snapshot.buckets()?;
        for bucket in buckets {
            let mut copy = ModelBucket {
                sequence: bucket.sequence,
                pairs: BTreeMap::new(),
            };
            skipped.extend(snapshot.scan(&bucket.name, &mut |key, value| {
                copy.pairs.insert(key.to_vec(), value.to_vec());
                ControlFlow::Continue(())
            })?);
            model.buckets.insert(bucket.name, copy);
        }
        Ok((model, skipped))
    }
}

impl Snapshot for Model {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        let buckets = self.buckets.iter().map(|(name, bucket)| Bucket {
            name: name.clone(),
            sequence: bucket.sequence,
        });
        Ok((buckets.collect(), Vec::new()))
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        let bucket = self.buckets.get(bucket);
        Ok(bucket.and_then(|bucket| bucket.pairs.get(key)).cloned())
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        let bucket = self.buckets.get(bucket).into_iter();
        for (key, value) in bucket.flat_map(|bucket| &bucket.pairs) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(Vec::new())
    }
}

impl Commit for Model {
    fn commit(&mut self, changes: &ChangeSet, _: &ProtectedBytes) -> Result<Committed> {
        for (name, change) in changes.buckets() {
            if !change.create && !change.delete && !self.buckets.contains_key(name) {
                return Err(no_such_bucket(name));
            }
        }
        // Nothing may be changed when a transform fails.
        let mut transformed = Vec::new();
        for (name, change) in changes.buckets() {
            if !change.delete && (change.transform.is_some() || change.additions.is_some()) {
                let mut pairs = BTreeMap::new();
                Preview::new(self, changes).scan(name, &mut |key, value| {
                    pairs.insert(key.to_vec(), value.to_vec());
                    ControlFlow::Continue(())
                })?;
                transformed.push((name, pairs));
            }
        }
        let mut changed = false;
        for (name, change) in changes.buckets() {
            if change.delete {
                changed |= self.buckets.remove(name).is_some();
                continue;
            }
            changed |= !self.buckets.contains_key(name);
            let bucket = self.buckets.entry(name.to_vec()).or_default();
            for (key, edit) in &change.edits {
                let old = match edit {
                    Some(value) => bucket.pairs.insert(key.clone(), value.to_vec()),
                    None => bucket.pairs.remove(key),
                };
                changed |= old.as_deref() != edit.as_ref().map(|value| value.as_slice());
            }
        }
        for (name, pairs) in transformed {
            if let Some(bucket) = self.buckets.get_mut(name) {
                changed |= bucket.pairs != pairs;
                bucket.pairs = pairs;
            }
        }
        let outcome = match changed {
            true => CommitOutcome::Changed,
            false => CommitOutcome::Unchanged,
        };
        Ok(Committed {
            outcome,
            failure: None,
        })
    }
}
