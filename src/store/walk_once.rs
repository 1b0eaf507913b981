//! A store of which a whole bucket is read during the walk over all trees.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::store::{Bucket, Inspect, Snapshot, Visitor};

/// A snapshot for a plan that reads one large bucket of a store whose structure is examined anyway:
/// the first bucket that is read in any order is read during that examination, so that each of its
/// pages is read once.
pub struct WalkOnce<'s> {
    /// The records.
    pub snapshot: &'s dyn Snapshot,
    /// The pages of the same store.
    pub inspect: &'s dyn Inspect,
}

impl Snapshot for WalkOnce<'_> {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        self.snapshot.buckets()
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.snapshot.get(bucket, key)
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.snapshot.scan(bucket, visit)
    }

    fn scan_any_order(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        let mut next = ControlFlow::Continue(());
        let walked = self.inspect.prepare(bucket, &mut |key, value| {
            if next.is_continue() {
                next = visit(key, value);
            }
        })?;
        if !walked {
            return self.snapshot.scan_any_order(bucket, visit);
        }
        let findings = self.inspect.check()?.findings;
        match findings.iter().any(|f| f.severity == Severity::Error) {
            // The walk leaves damaged parts out without a word.
            true => self
                .snapshot
                .scan(bucket, &mut |_, _| ControlFlow::Continue(())),
            false => Ok(Vec::new()),
        }
    }
}
