//! Buckets of the store that are missing, and the ID of the instance.

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::Id;
use crate::metadata::names::{self, Without};
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};
use crate::ops::token_plan::new_id;

pub(super) const CODES: &[Code] = &[
    Code::BucketAbsent,
    Code::OtherBucketAbsent,
    Code::InstanceUnreadable,
];

/// Buckets whose records can't be made again. What refers to their records is the last trace of
/// them, and an empty bucket would hide the loss.
const IRREPLACEABLE: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::USERS,
    names::ORGANIZATIONS,
    names::BUCKETS,
    names::MAPPINGS,
];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let there = planned.snapshot.buckets()?.0;
    for (since, name, without) in names::EXPECTED {
        let exists = there.iter().any(|bucket| bucket.name == *name);
        if exists || planned.schema.migrations < *since || *without == Without::Created {
            continue;
        }
        let at = text(name);
        for code in [Code::BucketAbsent, Code::OtherBucketAbsent] {
            if IRREPLACEABLE.contains(name) {
                planned.leave(
                    code,
                    &*at,
                    "its records are lost, and an empty bucket would hide that. Restore a backup: \
                     boltkey backup restore",
                );
            }
        }
        if IRREPLACEABLE.contains(name) {
            continue;
        }
        let code = match without {
            Without::Less => Code::OtherBucketAbsent,
            // Without tasks influxd starts, and `check` has the other code.
            Without::EndsWithTasks if !has_tasks(planned)? => Code::OtherBucketAbsent,
            _ => Code::BucketAbsent,
        };
        let cure = Cure::new(
            code,
            at,
            "creates the bucket",
            "no bucket",
            "an empty bucket",
        );
        planned.cure(cure, |changes| changes.create_bucket(name));
    }
    instance(planned)
}

fn has_tasks(planned: &PlannedCures<'_>) -> Result<bool> {
    let mut any = false;
    planned.snapshot.scan(names::TASKS, &mut |_, _| {
        any = true;
        std::ops::ControlFlow::Break(())
    })?;
    Ok(any)
}

/// An ID of the instance that influxd can't read is replaced.
fn instance(planned: &mut PlannedCures<'_>) -> Result<()> {
    let Some(old) = planned.snapshot.get(names::INSTANCE, names::INSTANCE_KEY)? else {
        return Ok(());
    };
    let digits = old.get(..16).unwrap_or(&old);
    if old.is_empty() || Id::from_bytes(digits).is_ok() {
        return Ok(());
    }
    let new = new_id::by_time(planned.snapshot, planned.now)?.to_string();
    let at = place(names::INSTANCE, text(names::INSTANCE_KEY));
    let what = format!("the ID of the instance {:?}", text(&old));
    let cure = Cure::new(
        Code::InstanceUnreadable,
        at,
        "gives the instance a new ID",
        &*what,
        "a new ID",
    );
    planned.cure(cure.deleting(Deletion::Named(what)), |changes| {
        changes.put(names::INSTANCE, names::INSTANCE_KEY, new.as_bytes());
    });
    Ok(())
}
