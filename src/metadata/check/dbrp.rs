//! Mappings of 1.x databases and retention policies to buckets.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::check::other_records::{MOST, undecodable};
use crate::metadata::check::{Checker, text};
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::names;

const MAPPING: &[Field] = &[
    ("id", Kind::Id),
    ("database", Kind::Text),
    ("retention_policy", Kind::Text),
    ("default", Kind::Flag),
    ("orgID", Kind::Id),
    ("bucketID", Kind::Id),
];

impl Checker<'_> {
    /// Mappings that can't be decoded, and mappings whose bucket was deleted.
    pub(super) fn dbrp_mappings(&mut self) -> Result<()> {
        let mut found = Vec::new();
        let bucket = names::DBRP;
        let damage = self.snapshot.scan(bucket, &mut |key, value| {
            let content = go_json::text(value);
            match go_json::read(&content, MAPPING) {
                Err(why) => found.push(undecodable(bucket, key, &why)),
                Ok(mapping) => {
                    // Early releases of 2.x wrote the second name.
                    let target = mapping.id("bucketID").or_else(|| mapping.id("bucket_id"));
                    if let Some(id) = target.filter(|id| self.is_bucket_gone(*id)) {
                        let message = format!(
                            "database {:?} with retention policy {:?} is mapped to bucket {id}, \
                             which was deleted",
                            mapping.string("database"),
                            mapping.string("retention_policy"),
                        );
                        let at = format!("{}/{}", text(bucket), text(key));
                        found.push(Finding::new(Code::DbrpBucketGone, at, message));
                    }
                }
            }
            if found.len() < MOST {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        self.extend(damage);
        self.extend(found);
        Ok(())
    }
}
