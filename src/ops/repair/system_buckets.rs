//! System buckets that an organization lacks. They are made with time-series metadata, without
//! which influxd does not start.

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::name_index::{Entry, bucket_key};
use crate::metadata::new_records::{SYSTEM_BUCKETS, put_bucket};
use crate::metadata::{Catalog, names};
use crate::ops::repair::gone::Gone;
use crate::ops::repair::planned_cures::{Cure, PlannedCures, place};
use crate::ops::repair::{tasks, time_series};
use crate::ops::token_plan::new_id;
use crate::store::ChangeSet;

pub(super) const CODES: &[Code] = &[Code::SystemBucketAbsent, Code::TasksBucketAbsent];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let gone = Gone::load(planned.snapshot)?;
    let catalog: &Catalog = &gone.catalog;
    let with_tasks = tasks::organizations(planned.snapshot)?;
    let not_editable = time_series::not_editable(planned)?;
    let with_record = SYSTEM_BUCKETS.each_ref().map(|bucket| {
        let orgs = catalog.orgs_with_bucket(bucket.name);
        (bucket, orgs)
    });
    let mut databases = Vec::new();
    for org in catalog.orgs.values() {
        let at = place(names::ORGANIZATIONS, org.id);
        for (bucket, with_record) in &with_record {
            let code = match bucket.name {
                "_tasks" if with_tasks.contains(&org.id) => Code::TasksBucketAbsent,
                _ => Code::SystemBucketAbsent,
            };
            let entry = catalog
                .indexes
                .buckets
                .entry(&bucket_key(org.id, bucket.name));
            let found = match entry {
                Entry::To(id) => !gone.bucket(id),
                Entry::Unknown => true,
                Entry::Absent | Entry::Invalid => false,
            };
            let has_record = with_record.contains(&org.id);
            if found || has_record {
                if has_record && !found {
                    let reason = "the bucket exists, but its name does not lead to it: cure that \
                                  too, with --only metadata.index-absent";
                    planned.leave(Code::TasksBucketAbsent, &*at, reason);
                }
                continue;
            }
            if let Some(why) = &not_editable {
                let reason = format!("influxd would not start with a new bucket: {why}");
                planned.leave(code, &*at, reason);
                continue;
            }
            if !planned.wants(code) {
                continue;
            }
            let id = new_id::of_engine(planned.snapshot)?;
            let mut changes = ChangeSet::default();
            let now = planned.now.utc.clone();
            let database = put_bucket(&mut changes, id, org.id, bucket, &now);
            databases.push(database);
            planned.changes.extend(changes);
            let cure = Cure::new(
                code,
                &*at,
                format!(
                    "creates bucket {:?} of organization {:?}",
                    bucket.name, org.name
                ),
                "no such bucket",
                "an empty bucket with time-series metadata",
            );
            planned.cure(cure, |_| {});
        }
    }
    if !databases.is_empty() {
        time_series::add_empty(planned, &databases)?;
    }
    Ok(())
}
