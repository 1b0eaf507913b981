//! The system buckets of each organization.

use std::collections::HashSet;

use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::name_index::{Entry, bucket_key};
use crate::metadata::{Id, names};

const NAMES: [&str; 2] = ["_tasks", "_monitoring"];

impl Checker<'_> {
    /// System buckets that an organization lacks. Those that tasks need are reported with the tasks.
    pub(super) fn system_buckets(&mut self) {
        let without_tasks: HashSet<String> = self
            .findings
            .iter()
            .filter(|found| found.code == Code::TasksBucketAbsent)
            .map(|found| found.place.clone())
            .collect();
        let with_record = NAMES.map(|name| (name, self.catalog.orgs_with_bucket(name)));
        let mut found = Vec::new();
        for org in self.catalog.orgs.values() {
            for (name, with_record) in &with_record {
                let at = place(names::ORGANIZATIONS, org.id);
                // A record without its index entry is a finding of its own.
                if with_record.contains(&org.id)
                    || self.finds_bucket(org.id, name)
                    || (*name == "_tasks" && without_tasks.contains(&at))
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
