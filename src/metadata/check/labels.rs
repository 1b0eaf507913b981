//! Labels, and the index of their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::label::Label;
use crate::metadata::{Id, names};

impl Checker<'_> {
    /// Compares labels with the index of their names.
    pub(super) fn labels(&mut self) -> Result<()> {
        let (records, whole) = self.pairs(names::LABELS)?;
        let mut wanted = BTreeMap::<Vec<u8>, Vec<Id>>::new();
        let mut unreadable = BTreeSet::new();
        for (key, value) in &records {
            match serde_json::from_slice::<Label>(value) {
                Ok(label) => wanted.entry(label.index_key()).or_default().push(label.id),
                // Reported with the records of other kinds.
                Err(_) => unreadable.extend(Id::from_bytes(key).ok()),
            }
        }
        let (entries, complete) = self.pairs(names::LABEL_INDEX)?;
        for (key, value) in entries {
            let to = Id::from_bytes(&value).ok();
            let labels = wanted.get(&key).map(Vec::as_slice).unwrap_or_default();
            if to.is_some_and(|id| labels.contains(&id)) {
                wanted.remove(&key);
            } else if whole && !to.is_some_and(|id| unreadable.contains(&id)) {
                let at = format!("{}/{}", text(names::LABEL_INDEX), text(&key));
                let message = "no label has this name and ID, so the name can't be used again";
                self.add(Code::LabelIndexDangling, at, message);
            }
        }
        let there = self.snapshot.buckets()?.0;
        if complete && there.iter().any(|bucket| bucket.name == names::LABEL_INDEX) {
            for id in wanted.into_values().flatten() {
                let message = "its name has no index entry";
                self.add(Code::LabelIndexAbsent, place(names::LABELS, id), message);
            }
        }
        Ok(())
    }
}
