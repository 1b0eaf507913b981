//! Mappings of 1.x databases and retention policies to buckets.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, text};
use crate::metadata::{Id, names};

/// The fields of a mapping that the check needs.
#[derive(Deserialize)]
struct Dbrp {
    #[serde(default)]
    database: String,
    #[serde(default)]
    retention_policy: String,
    /// Early releases of 2.x wrote the second name.
    #[serde(rename = "bucketID", alias = "bucket_id")]
    bucket_id: Id,
}

impl Checker<'_> {
    /// Mappings whose bucket was deleted.
    pub(super) fn dbrp_mappings(&mut self) -> Result<()> {
        let mut found = Vec::new();
        let damage = self.snapshot.scan(names::DBRP, &mut |key, value| {
            if let Ok(mapping) = serde_json::from_slice::<Dbrp>(value)
                && self.is_bucket_gone(mapping.bucket_id)
            {
                let place = format!("{}/{}", text(names::DBRP), text(key));
                found.push((place, mapping));
            }
            ControlFlow::Continue(())
        })?;
        self.extend(damage);
        for (place, mapping) in found {
            let message = format!(
                "database {:?} with retention policy {:?} is mapped to bucket {}, which was \
                 deleted",
                mapping.database, mapping.retention_policy, mapping.bucket_id
            );
            self.add(Code::DbrpBucketGone, place, message);
        }
        Ok(())
    }
}
