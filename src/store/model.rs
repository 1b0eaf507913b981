//! An in-memory store: the oracle for tests, and the least a [`Snapshot`] can be.

use std::collections::BTreeMap;

use super::{Bucket, Snapshot, Visitor};
use crate::error::Result;
use crate::finding::Finding;

/// Buckets and pairs in ordered maps.
#[derive(Clone, Default)]
pub struct Model {
    buckets: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Model {
    /// Creates `bucket` if it is not there.
    pub fn create_bucket(&mut self, bucket: &[u8]) {
        self.buckets.entry(bucket.to_vec()).or_default();
    }

    /// Puts a pair, creating the bucket if it is not there.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        self.buckets
            .entry(bucket.to_vec())
            .or_default()
            .insert(key.to_vec(), value.to_vec());
    }

    /// Removes a pair if it is there.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) {
        if let Some(pairs) = self.buckets.get_mut(bucket) {
            pairs.remove(key);
        }
    }

    /// Removes a bucket with all its pairs if it is there.
    pub fn delete_bucket(&mut self, bucket: &[u8]) {
        self.buckets.remove(bucket);
    }

    /// A copy of all that `snapshot` shows; what it skipped is in the findings.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn copy_of(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let mut model = Self::default();
        let (buckets, mut skipped) = snapshot.buckets()?;
        for bucket in buckets {
            model.create_bucket(&bucket.name);
            skipped.extend(snapshot.scan(&bucket.name, &mut |key, value| {
                model.put(&bucket.name, key, value);
                std::ops::ControlFlow::Continue(())
            })?);
        }
        Ok((model, skipped))
    }
}

impl Snapshot for Model {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        let buckets = self.buckets.keys().map(|name| Bucket {
            name: name.clone(),
            sequence: 0,
        });
        Ok((buckets.collect(), Vec::new()))
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.buckets.get(bucket).and_then(|b| b.get(key)).cloned())
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        for (key, value) in self.buckets.get(bucket).into_iter().flatten() {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(Vec::new())
    }
}
