//! Buckets of a list.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::durations::{normal_shard_group, retention, shard_group, shown};
use crate::metadata::json::{Edit, Object};
use crate::metadata::{Bucket as Record, Catalog, Organization, json, names, tsm_edit};
use crate::ops::apply::entry::Entry;
use crate::ops::apply::said::Said;
use crate::ops::apply::{Action, Kind, PlannedChange, Work};
use crate::ops::bucket::create::{self, not_editable};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::store::{ChangeSet, Snapshot};

/// A bucket, new or existing. Durations are in nanoseconds; what is none stays as it is.
pub(super) struct Bucket {
    name: Said<String>,
    org: Said<String>,
    retention: Option<Said<i64>>,
    shard_duration: Option<Said<i64>>,
    description: Option<Said<String>>,
}

impl Entry {
    pub(super) fn bucket(mut self) -> Result<Bucket> {
        let name = self.name()?;
        let org = self.required("org")?;
        let duration = |text: Said<String>, parse: fn(&str) -> Result<i64, String>| {
            let value = parse(&text.value).map_err(|why| text.place.refused(why))?;
            Ok::<_, Error>(text.map(|_| value))
        };
        let kept = self.text("retention")?;
        let groups = self.text("shardDuration")?;
        Ok(Bucket {
            name,
            org,
            retention: kept.map(|text| duration(text, retention)).transpose()?,
            shard_duration: groups.map(|text| duration(text, shard_group)).transpose()?,
            description: self.text("description")?,
        })
    }
}

/// Creates missing buckets and updates existing ones.
pub(super) fn buckets(work: &mut Work<'_>, list: &[Bucket]) -> Result<()> {
    let catalog = Catalog::load(&work.preview())?;
    all_decoded(&catalog.skipped)?;
    let mut known = HashSet::new();
    for bucket in list {
        let org = resolve::org_named(&catalog, &bucket.org.value)
            .map_err(|error| bucket.org.place.wrap(&error))?;
        if !known.insert((org.id, bucket.name.value.as_str())) {
            return Err(bucket.name.place.refused("duplicate name"));
        }
        match catalog.bucket_by_name(org.id, &bucket.name.value).found() {
            Some(record) => update(work, bucket, record, org)?,
            None => create(work, &catalog, bucket, org)?,
        }
    }
    Ok(())
}

fn create(
    work: &mut Work<'_>,
    catalog: &Catalog,
    bucket: &Bucket,
    org: &Organization,
) -> Result<()> {
    create::name_is_free(catalog, org, &bucket.name.value)
        .map_err(|error| bucket.name.place.wrap(&error))?;
    let value = |said: &Option<Said<i64>>| said.as_ref().map_or(0, |said| said.value);
    let options = create::Options {
        org: None,
        name: bucket.name.value.clone(),
        description: bucket
            .description
            .as_ref()
            .map_or_else(String::new, |said| said.value.clone()),
        retention: value(&bucket.retention),
        shard_group_duration: value(&bucket.shard_duration),
    };
    let (changes, id) = create::changes(&work.preview(), org.id, &options, work.now)
        .map_err(|error| bucket.name.place.wrap(&error))?;
    work.plan.changes.extend(changes);
    work.plan.planned.push(PlannedChange {
        action: Action::Create,
        kind: Kind::Bucket,
        id,
        name: options.name,
        org: Some(org.name.clone()),
        details: vec![format!("retention {}", shown(options.retention))],
    });
    Ok(())
}

fn update(work: &mut Work<'_>, bucket: &Bucket, record: &Record, org: &Organization) -> Result<()> {
    let wanted = |said: &Option<Said<i64>>, now: i64| said.as_ref().map_or(now, |said| said.value);
    let retention = wanted(&bucket.retention, record.retention_period);
    let now = record.shard_group_duration;
    let groups = normal_shard_group(wanted(&bucket.shard_duration, now), retention);
    let groups = groups.map_err(|why| {
        let place = bucket.shard_duration.as_ref().or(bucket.retention.as_ref());
        let place = place.map_or(&bucket.name.place, |said| &said.place);
        let hint = "shardDuration sets the time range of a shard group";
        place.refused(why).with_hint(hint)
    })?;
    let mut details = Vec::new();
    if retention != record.retention_period {
        let (before, after) = (shown(record.retention_period), shown(retention));
        details.push(format!("retention {after} instead of {before}"));
        let is_shorter =
            retention != 0 && (record.retention_period == 0 || retention < record.retention_period);
        if is_shorter {
            work.plan.shortened.push(format!(
                "bucket {:?} of {:?} keeps points for {after} instead of {before}",
                record.name, org.name
            ));
        }
    }
    if groups != now {
        details.push(format!("shard groups of {}", shown(groups)));
    }
    let description = bucket.description.as_ref().map(|said| said.value.as_str());
    let description = description.filter(|wanted| *wanted != record.description);
    if description.is_some() {
        details.push("description".into());
    }
    if details.is_empty() {
        work.plan.same += 1;
        return Ok(());
    }
    let preview = work.preview();
    let changes = changes(
        &preview,
        record,
        retention,
        groups,
        description,
        &work.now.utc,
    )
    .map_err(|error| bucket.name.place.wrap(&error))?;
    work.plan.changes.extend(changes);
    work.plan.planned.push(PlannedChange {
        action: Action::Update,
        kind: Kind::Bucket,
        id: record.id,
        name: record.name.clone(),
        org: Some(org.name.clone()),
        details,
    });
    Ok(())
}

/// The edits of the record and of the time-series metadata, as the API makes them.
fn changes(
    snapshot: &dyn Snapshot,
    record: &Record,
    retention: i64,
    groups: i64,
    description: Option<&str>,
    now: &str,
) -> Result<ChangeSet> {
    let mut changes = ChangeSet::default();
    let key = record.id.to_string();
    let old = snapshot
        .get(names::BUCKETS, key.as_bytes())?
        .unwrap_or_default();
    let object = Object::parse(&old).ok_or_else(|| {
        let message = format!("the record of bucket {key} is not a JSON object");
        Error::new(ErrorKind::Corrupt, message)
    })?;
    let (retention_text, groups_text) = (retention.to_string(), groups.to_string());
    let time = json::string(now);
    let description = description.map(json::string);
    let mut edits = vec![
        ("retentionPeriod", Edit::Set(&retention_text)),
        ("shardGroupDuration", Edit::Set(&groups_text)),
        ("updatedAt", Edit::Set(&time)),
    ];
    if let Some(description) = &description {
        edits.push(("description", Edit::Set(description)));
    }
    let mut new = Vec::with_capacity(old.len() + 64);
    object.edit(&edits, &mut new);
    changes.put(names::BUCKETS, key.as_bytes(), &new);
    if (retention, groups) != (record.retention_period, record.shard_group_duration) {
        let old = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
        let new = old.and_then(|old| tsm_edit::with_durations(&old, record.id, retention, groups));
        let new = new.ok_or_else(not_editable)?;
        changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &new);
    }
    Ok(changes)
}
