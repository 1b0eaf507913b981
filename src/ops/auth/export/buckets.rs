//! Buckets of an export. System buckets come with their organization.

use crate::metadata::Bucket;
use crate::metadata::durations::{normal_shard_group, retention, shard_group, shown, text};
use crate::metadata::new_records::SYSTEM_BUCKETS;
use crate::ops::auth::export::found_names::{in_list, org_name};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::{Work, toml_list::TomlList};

/// Writes the buckets.
pub(super) fn write(work: &mut Work<'_>, needed: &Needed) {
    let catalog = work.catalog;
    let mut buckets: Vec<_> = catalog.buckets.values().collect();
    buckets.sort_by_key(|bucket| (org_name(bucket.org_id, catalog), &bucket.name));
    for bucket in buckets {
        if !needed.has(&needed.buckets, bucket.id) {
            continue;
        }
        if bucket.is_system() {
            changed_system_bucket(work, bucket);
            continue;
        }
        match in_list(bucket, catalog) {
            Ok(org) => entry(work, bucket, org),
            Err(why) => work.skip("bucket", bucket.id, &bucket.name, why),
        }
    }
}

fn entry(work: &mut Work<'_>, bucket: &Bucket, org: &str) {
    let list = &mut work.list;
    list.entry("bucket");
    list.text("name", &bucket.name);
    list.text("org", org);
    let wrong = durations(list, bucket);
    if !bucket.description.is_empty() {
        list.text("description", &bucket.description);
    }
    work.contains.buckets.readable += 1;
    if let Some(why) = wrong {
        work.skip("bucket", bucket.id, &bucket.name, why);
    }
}

/// Writes the retention and the time range of a shard group. Returns what InfluxDB would refuse for a
/// new bucket, and which is not in the list.
fn durations(list: &mut TomlList, bucket: &Bucket) -> Option<String> {
    let (kept, groups) = (bucket.retention_period, bucket.shard_group_duration);
    let text_of = |duration: i64, parse: fn(&str) -> Result<i64, String>| {
        text(duration).filter(|text| parse(text) == Ok(duration))
    };
    let Some(retention) = text_of(kept, retention) else {
        return Some(format!(
            "its retention {} is one that InfluxDB refuses; the list has the bucket with infinite \
             retention",
            shown(kept)
        ));
    };
    list.text("retention", &retention);
    // Early releases did not store it.
    if groups == 0 {
        return None;
    }
    let is_normal = normal_shard_group(groups, kept) == Ok(groups);
    match text_of(groups, shard_group).filter(|_| is_normal) {
        Some(groups) => {
            list.text("shardDuration", &groups);
            None
        }
        None => Some(format!(
            "its shard groups of {} are such that InfluxDB refuses them; the list has the bucket \
             without their duration",
            shown(groups)
        )),
    }
}

/// Tells that a system bucket differs from the one that a new organization gets.
fn changed_system_bucket(work: &mut Work<'_>, bucket: &Bucket) {
    let mut new = SYSTEM_BUCKETS.iter();
    let Some(new) = new.find(|new| new.name == bucket.name) else {
        return;
    };
    if new.retention != bucket.retention_period {
        let why = format!(
            "a system bucket, which a list does not have; its retention is {} instead of {}",
            shown(bucket.retention_period),
            shown(new.retention)
        );
        work.skip("bucket", bucket.id, &bucket.name, why);
    }
}
