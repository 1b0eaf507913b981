//! The system buckets of each organization.

use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::names;

impl Checker<'_> {
    /// Those that an organization lacks. Tasks that need one are looked at by themselves.
    pub(super) fn system_buckets(&mut self) {
        let told = |found: &crate::finding::Finding| found.code == Code::TasksBucketAbsent;
        let without_tasks: Vec<String> = self
            .findings
            .iter()
            .filter(|found| told(found))
            .map(|found| found.place.clone())
            .collect();
        let mut found = Vec::new();
        for org in self.catalog.orgs.values() {
            for name in ["_tasks", "_monitoring"] {
                let mut buckets = self.catalog.buckets.values();
                let at = place(names::ORGANIZATIONS, org.id);
                let is_there = buckets.any(|b| b.org_id == org.id && b.name == name);
                if is_there || (name == "_tasks" && without_tasks.contains(&at)) {
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
}
