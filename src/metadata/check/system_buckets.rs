//! The system buckets of each organization.

use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::name_index::{Entry, bucket_key};
use crate::metadata::{Id, names};

impl Checker<'_> {
    /// System buckets that an organization lacks. Those that tasks need are reported with the tasks.
    pub(super) fn system_buckets(&mut self) {
        let without_tasks: Vec<String> = self
            .findings
            .iter()
            .filter(|found| found.code == Code::TasksBucketAbsent)
            .map(|found| found.place.clone())
            .collect();
        let mut found = Vec::new();
        for org in self.catalog.orgs.values() {
            for name in ["_tasks", "_monitoring"] {
                let at = place(names::ORGANIZATIONS, org.id);
                // A record without its index entry is a finding of its own.
                let mut buckets = self.catalog.buckets.values();
                let has_record = buckets.any(|b| b.org_id == org.id && b.name == name);
                if has_record
                    || self.finds_bucket(org.id, name)
                    || (name == "_tasks" && without_tasks.contains(&at))
                {
                    continue;
                }
                let message = format!("organization {:?} has no bucket {name:?}", org.name);
                found.push((at, message));
            }
        }
        for (at, message) in found {
            self.add(Code::SystemBucketAbsent, at, message);
        }
    }

    /// Whether influxd finds a bucket by its name. If damage hides the entry, it counts as found.
    pub(super) fn finds_bucket(&self, org: Id, name: &str) -> bool {
        match self.catalog.indexes.buckets.entry(&bucket_key(org, name)) {
            Entry::To(id) => !self.is_bucket_gone(id),
            Entry::Unknown => true,
            Entry::Absent | Entry::Invalid => false,
        }
    }
}
