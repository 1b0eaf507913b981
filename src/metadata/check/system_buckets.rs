//! The system buckets of each organization, which tasks need.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::lookup::Lookup;
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
                // influxd uses the index here too.
                let hidden = match self.catalog.bucket_by_name(org.id, name) {
                    Lookup::Found(_) | Lookup::Elsewhere { .. } => continue,
                    Lookup::Blocked { to: Some(id), .. }
                        if self.is_undecodable(names::BUCKETS, id) =>
                    {
                        continue;
                    }
                    Lookup::Nobody => false,
                    Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => {
                        !records.is_empty()
                    }
                };
                let at = place(names::ORGANIZATIONS, org.id);
                if name == "_tasks" && with_tasks.contains(&org.id) {
                    found.push((
                        Code::TasksBucketAbsent,
                        at,
                        format!(
                            "organization {:?} has tasks, but {} bucket for their logs; influxd \
                             does not start: bucket \"_tasks\" not found",
                            org.name,
                            if hidden {
                                "the index does not lead to the"
                            } else {
                                "no"
                            }
                        ),
                    ));
                } else if !hidden {
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
}
