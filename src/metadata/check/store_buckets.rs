//! The store's own buckets: those that influxd requires, and unknown ones.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, text};
use crate::metadata::{Schema, names};

impl Checker<'_> {
    pub(super) fn store_buckets(&mut self, schema: &Schema) -> Result<()> {
        let (buckets, damage) = self.snapshot.buckets()?;
        let whole = damage.is_empty();
        self.extend(damage);
        let there: BTreeSet<Vec<u8>> = buckets.into_iter().map(|bucket| bucket.name).collect();
        for (since, name) in names::REQUIRED {
            if whole && schema.migrations >= *since && !there.contains(*name) {
                let text = text(name);
                self.add(
                    Code::BucketAbsent,
                    &*text,
                    format!("the store lacks the bucket {text:?}, which influxd requires"),
                );
            }
        }
        for name in &there {
            if !names::ALL.contains(&name.as_slice()) {
                let text = text(name);
                self.add(
                    Code::BucketUnknown,
                    &*text,
                    "InfluxDB does not know this bucket of the store",
                );
            }
        }
        Ok(())
    }
}
