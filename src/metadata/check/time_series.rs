//! Time-series metadata, which must have a database for each bucket.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, place};
use crate::metadata::{Id, names, tsm};

impl Checker<'_> {
    pub(super) fn time_series(&mut self) -> Result<()> {
        let place_of_all = "v1_tsm1_metadata/meta.db";
        let (entries, whole) = self.pairs(names::TSM_METADATA)?;
        let entry = entries
            .iter()
            .find(|(key, _)| key == names::TSM_METADATA_KEY);
        let data = match entry.map(|(_, value)| tsm::decode(value)) {
            Some(Ok(data)) => data,
            None if !whole => return Ok(()),
            // influxd then writes a new value, in which every bucket is missing.
            None => tsm::Data::default(),
            Some(Err(_)) => {
                self.add(
                    Code::TsmUndecodable,
                    place_of_all,
                    "influxd can't read its time-series metadata and does not start",
                );
                return Ok(());
            }
        };
        let databases: BTreeSet<&str> = data.databases.iter().map(|d| d.name.as_str()).collect();
        let mut found = Vec::new();
        for bucket in self.catalog.buckets.values() {
            if !databases.contains(bucket.id.to_string().as_str()) {
                found.push((
                    Code::TsmAbsent,
                    place(names::BUCKETS, bucket.id),
                    format!(
                        "bucket {:?} has no time-series metadata; influxd does not start: \
                         \"Missing metadata for bucket.\"",
                        bucket.name
                    ),
                ));
            }
            if self.is_org_gone(bucket.org_id) {
                found.push((
                    Code::BucketOrgGone,
                    place(names::BUCKETS, bucket.id),
                    format!("its organization {} was deleted", bucket.org_id),
                ));
            }
        }
        for name in databases {
            if name
                .parse::<Id>()
                .map_or(true, |id| self.is_bucket_gone(id))
            {
                found.push((
                    Code::TsmDangling,
                    format!("{place_of_all}, database {name}"),
                    String::from("there is no bucket with this ID, so its points can't be queried"),
                ));
            }
        }
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        Ok(())
    }
}
