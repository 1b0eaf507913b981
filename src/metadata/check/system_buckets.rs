//! The system buckets of each organization, which tasks need.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::{Id, names};

impl Checker<'_> {
    pub(super) fn system_buckets(&mut self) -> Result<()> {
        #[derive(Deserialize)]
        struct Task {
            #[serde(rename = "orgID")]
            org_id: Id,
        }
        let mut with_tasks = BTreeSet::new();
        let damage = self.snapshot.scan(names::TASKS, &mut |_, value| {
            if let Ok(Task { org_id }) = serde_json::from_slice(value) {
                with_tasks.insert(org_id);
            }
            ControlFlow::Continue(())
        })?;
        self.extend(damage);
        let mut found = Vec::new();
        for org in self.catalog.orgs.values() {
            for name in ["_tasks", "_monitoring"] {
                let there = self
                    .catalog
                    .buckets
                    .values()
                    .any(|bucket| bucket.org_id == org.id && bucket.name == name);
                if there || self.leads_to_undecodable(org.id, name)? {
                    continue;
                }
                let at = place(names::ORGANIZATIONS, org.id);
                if name == "_tasks" && with_tasks.contains(&org.id) {
                    found.push((
                        Code::TasksBucketAbsent,
                        at,
                        format!(
                            "organization {:?} has tasks, but no bucket for their logs; influxd \
                             does not start: bucket \"_tasks\" not found",
                            org.name
                        ),
                    ));
                } else {
                    found.push((
                        Code::SystemBucketAbsent,
                        at,
                        format!("organization {:?} has no bucket {name:?}", org.name),
                    ));
                }
            }
        }
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        Ok(())
    }

    /// Whether the index of names has a bucket of this name, and its record can't be decoded.
    fn leads_to_undecodable(&self, org: Id, name: &str) -> Result<bool> {
        if self.undecodable.is_empty() {
            return Ok(false);
        }
        let mut found = false;
        let key = format!("{org}{name}");
        // What damage hides is told by those who read the index.
        let _ = self.snapshot.scan(names::BUCKET_INDEX, &mut |at, id| {
            if at == key.as_bytes() {
                found = Id::from_bytes(id).is_ok_and(|id| self.is_undecodable(names::BUCKETS, id));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}
