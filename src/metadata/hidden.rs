//! The buckets of a store whose records can't all be read. What is counted in such a bucket is a
//! minimum.

use std::collections::BTreeSet;

/// The buckets in which damage hides records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    buckets: BTreeSet<&'static [u8]>,
    /// Records are lost, and any bucket may have had them.
    everywhere: bool,
}

impl Hidden {
    /// Whether damage hides records of `bucket`.
    #[must_use]
    pub fn hides(&self, bucket: &[u8]) -> bool {
        self.everywhere || self.buckets.contains(bucket)
    }

    /// Whether damage hides records of any of `buckets`.
    #[must_use]
    pub fn hides_any(&self, buckets: &[&[u8]]) -> bool {
        buckets.iter().any(|bucket| self.hides(bucket))
    }

    /// Whether damage hides anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.everywhere && self.buckets.is_empty()
    }

    /// Damage hides records of `bucket`.
    pub fn add(&mut self, bucket: &'static [u8]) {
        self.buckets.insert(bucket);
    }

    /// Damage may hide records of every bucket.
    pub fn add_all(&mut self) {
        self.everywhere = true;
    }
}
