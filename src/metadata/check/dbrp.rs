//! Mappings of 1.x databases and retention policies to buckets.

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::check::other_records::undecodable;
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
        let bucket = names::DBRP;
        self.each_record(bucket, |check, key, value| {
            let content = go_json::text(value);
            let mapping = match go_json::read(&content, MAPPING) {
                Ok(mapping) => mapping,
                Err(why) => return Some(undecodable(bucket, key, &why)),
            };
            // Early releases of 2.x wrote the second name.
            let target = mapping.id("bucketID").or_else(|| mapping.id("bucket_id"));
            let id = target.filter(|id| check.is_bucket_gone(*id))?;
            let message = format!(
                "database {:?} with retention policy {:?} is mapped to bucket {id}, which was \
                 deleted",
                mapping.string("database"),
                mapping.string("retention_policy"),
            );
            let at = format!("{}/{}", text(bucket), text(key));
            Some(Finding::new(Code::DbrpBucketGone, at, message))
        })
    }
}
