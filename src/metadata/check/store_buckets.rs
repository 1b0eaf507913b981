//! The store's own buckets: those that a store must have, and unknown ones.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, text};
use crate::metadata::names::{self, Without};
use crate::metadata::{Id, Schema};

impl Checker<'_> {
    pub(super) fn store_buckets(&mut self, schema: &Schema) -> Result<()> {
        let (buckets, damage) = self.snapshot.buckets()?;
        let whole = damage.is_empty();
        self.extend(damage);
        let there: BTreeSet<Vec<u8>> = buckets.into_iter().map(|bucket| bucket.name).collect();
        for (since, name, without) in names::EXPECTED {
            if whole && schema.migrations >= *since && !there.contains(*name) {
                self.bucket_absent(name, *without);
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

    fn bucket_absent(&mut self, name: &[u8], without: Without) {
        let name = text(name);
        let (code, effect) = match without {
            Without::Ends => (Code::BucketAbsent, "influxd does not start"),
            Without::EndsWithTasks if self.tasks > 0 => (
                Code::BucketAbsent,
                "the store has tasks, and InfluxDB 2.5 and later does not start",
            ),
            Without::NoAccess => (Code::BucketAbsent, "tokens or logins don't work"),
            Without::EndsWithTasks | Without::Less => (
                Code::OtherBucketAbsent,
                "influxd starts, but the content of the bucket is lost",
            ),
            Without::Created => return,
        };
        let message = format!("the store lacks the bucket {name:?}: {effect}");
        self.add(code, name, message);
    }

    /// The ID of the instance. influxd creates one if there is none.
    pub(super) fn instance(&mut self) -> Result<()> {
        let (entries, _) = self.pairs(names::INSTANCE)?;
        for (key, value) in entries {
            let digits = value.get(..16).unwrap_or(&value);
            if key == names::INSTANCE_KEY && !value.is_empty() && Id::from_bytes(digits).is_err() {
                self.add(
                    Code::InstanceUnreadable,
                    format!("{}/{}", text(names::INSTANCE), text(&key)),
                    "influxd can't read the ID of the instance and does not start",
                );
            }
        }
        Ok(())
    }
}
