//! Tasks whose organization is gone. InfluxDB 2.5 and later ends at its start because of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::name_index::{Entry, bucket_key};
use crate::metadata::{Id, names};
use crate::ops::repair::gone::Gone;
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place};
use crate::store::Snapshot;

pub(super) const CODES: &[Code] = &[Code::TaskOrgGone];

const TASK: &[Field] = &[("id", Kind::Id), ("orgID", Kind::Id), ("name", Kind::Text)];

struct Task {
    id: Id,
    org: Id,
    name: String,
}

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let gone = Gone::load(planned.snapshot)?;
    let mut orphans = Vec::new();
    planned.snapshot.scan(names::TASKS, &mut |key, value| {
        let content = go_json::text(value);
        if let Ok(record) = go_json::read(&content, TASK)
            && let (Some(id), Some(org)) = (record.id("id"), record.id("orgID"))
            && key == id.to_string().as_bytes()
            && gone.org(org)
        {
            let entry = gone
                .catalog
                .indexes
                .buckets
                .entry(&bucket_key(org, "_tasks"));
            let has_bucket = match entry {
                Entry::To(id) => !gone.bucket(id),
                Entry::Unknown => true,
                Entry::Absent | Entry::Invalid => false,
            };
            if !has_bucket {
                let name = record.string("name");
                orphans.push(Task { id, org, name });
            }
        }
        ControlFlow::Continue(())
    })?;
    delete(planned, orphans)
}

/// The organizations that have tasks.
pub(super) fn organizations(snapshot: &dyn Snapshot) -> Result<BTreeSet<Id>> {
    let mut organizations = BTreeSet::new();
    snapshot.scan(names::TASKS, &mut |_, value| {
        let content = go_json::text(value);
        let record = go_json::read(&content, TASK).ok();
        organizations.extend(record.and_then(|record| record.id("orgID")));
        ControlFlow::Continue(())
    })?;
    Ok(organizations)
}

/// Deletes tasks with their index entries and runs, as influxd does.
fn delete(planned: &mut PlannedCures<'_>, orphans: Vec<Task>) -> Result<()> {
    let ids: BTreeSet<Id> = orphans.iter().map(|task| task.id).collect();
    let mut pairs = BTreeMap::<Id, Vec<(&[u8], Vec<u8>)>>::new();
    let mut note = |id: Option<Id>, bucket: &'static [u8], key: &[u8]| {
        if let Some(id) = id.filter(|id| ids.contains(id)) {
            pairs.entry(id).or_default().push((bucket, key.to_vec()));
        }
    };
    planned.snapshot.scan(names::TASK_RUNS, &mut |key, _| {
        // The ID of the task, a slash, and the ID of the run or a word.
        let id = key.get(..16).filter(|_| key.get(16) == Some(&b'/'));
        let id = id.and_then(|id| Id::from_bytes(id).ok());
        note(id, names::TASK_RUNS, key);
        ControlFlow::Continue(())
    })?;
    planned
        .snapshot
        .scan(names::TASK_INDEX, &mut |key, value| {
            note(Id::from_bytes(value).ok(), names::TASK_INDEX, key);
            ControlFlow::Continue(())
        })?;
    for Task { id, org, name } in orphans {
        let what = format!("task {name:?} ({id})");
        let cure = Cure::new(
            Code::TaskOrgGone,
            place(names::TASKS, id),
            format!("deletes {what}"),
            format!("its organization {org} does not exist"),
            "no task",
        );
        let others = pairs.remove(&id).unwrap_or_default();
        planned.cure(cure.deleting(Deletion::Named(what)), |changes| {
            changes.remove(names::TASKS, id.to_string().as_bytes());
            for (bucket, key) in &others {
                changes.remove(bucket, key);
            }
        });
    }
    Ok(())
}
