//! The index of the names of labels.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::label::Label;
use crate::metadata::{Id, names};
use crate::ops::repair::planned_cures::{Cure, Deletion, PlannedCures, place, text};
use crate::store::MAX_KEY_SIZE;

pub(super) const CODES: &[Code] = &[Code::LabelIndexAbsent, Code::LabelIndexDangling];

pub(super) fn repair(planned: &mut PlannedCures<'_>) -> Result<()> {
    let index = names::LABEL_INDEX;
    let (buckets, _) = planned.snapshot.buckets()?;
    if !buckets.iter().any(|bucket| bucket.name == index) {
        return Ok(());
    }
    let mut wanted = BTreeMap::<Vec<u8>, Vec<Id>>::new();
    let mut undecodable = BTreeSet::new();
    planned.snapshot.scan(names::LABELS, &mut |key, value| {
        match serde_json::from_slice::<Label>(value) {
            Ok(label) => wanted.entry(label.index_key()).or_default().push(label.id),
            Err(_) => undecodable.extend(Id::from_bytes(key).ok()),
        }
        ControlFlow::Continue(())
    })?;
    let mut dangling = Vec::new();
    planned.snapshot.scan(index, &mut |key, value| {
        let to = Id::from_bytes(value).ok();
        let labels = wanted.get(key).map(Vec::as_slice).unwrap_or_default();
        if to.is_some_and(|id| labels.contains(&id)) {
            wanted.remove(key);
        } else if !to.is_some_and(|id| undecodable.contains(&id)) {
            dangling.push(key.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    for key in dangling {
        let only = match wanted.get(&key).map(Vec::as_slice) {
            Some([only]) => Some(*only),
            _ => None,
        };
        let (action, after) = match only {
            Some(_) => ("corrects the entry", "leads to the label of that name"),
            None => ("removes the entry", "no entry"),
        };
        let at = place(index, text(&key));
        let code = Code::LabelIndexDangling;
        let cure = Cure::new(code, at, action, "leads to no label of that name", after);
        let cure = match only {
            Some(_) => cure,
            None => cure.deleting(Deletion::Entry),
        };
        planned.cure(cure, |changes| match only {
            Some(id) => changes.put(index, &key, id.to_string().as_bytes()),
            None => changes.remove(index, &key),
        });
    }
    for (key, labels) in wanted {
        let [only] = labels.as_slice() else {
            for id in labels {
                let reason = "several labels have the same name. Rename one of them in the UI";
                planned.leave(Code::LabelIndexAbsent, place(names::LABELS, id), reason);
            }
            continue;
        };
        if key.len() > MAX_KEY_SIZE {
            continue;
        }
        let cure = Cure::new(
            Code::LabelIndexAbsent,
            place(names::LABELS, only),
            "adds the index entry of its name",
            "no entry",
            format!("leads to label {only}"),
        );
        planned.cure(cure, |changes| {
            changes.put(index, &key, only.to_string().as_bytes());
        });
    }
    Ok(())
}
