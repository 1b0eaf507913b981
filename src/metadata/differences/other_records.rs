//! Differences of migrations, of indexes that do not agree with their records, and the number of all
//! other records.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::check;
use crate::metadata::differences::key_changes::KeyChanges;
use crate::metadata::differences::{
    COMPARED, Change, Comparison, Described, How, Kind, RecordNumbers, Side, text, undecodable,
};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// Findings about indexes and absent buckets. Their records are not compared one by one, because
/// they follow from other records.
const OF_INDEXES: &[Code] = &[
    Code::BucketAbsent,
    Code::OtherBucketAbsent,
    Code::TokenIndexAbsent,
    Code::TokenIndexElsewhere,
    Code::TokenIndexDangling,
    Code::IndexAbsent,
    Code::IndexElsewhere,
    Code::IndexDangling,
    Code::MappingIndexAbsent,
    Code::MappingIndexDangling,
    Code::DbrpIndexAbsent,
    Code::DbrpIndexDangling,
    Code::LabelIndexAbsent,
    Code::LabelIndexDangling,
    Code::V1IndexAbsent,
    Code::V1IndexDangling,
];

impl Comparison<'_> {
    /// Migrations, by number. A record that only differs in its times is not told.
    pub(super) fn migrations(&mut self) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Record {
            #[serde(default)]
            name: String,
            #[serde(default)]
            finished_at: Option<String>,
        }
        let decode = |value: &[u8]| serde_json::from_slice::<Record>(value).ok();
        let state = |record: &Record| match record.finished_at {
            Some(_) => String::from("finished"),
            None => String::from("not finished"),
        };
        let describe = |_: &Side<'_>, _: &[u8], value: &[u8]| match decode(value) {
            Some(record) => Described {
                summary: Some(state(&record)),
                name: record.name,
            },
            None => undecodable(),
        };
        self.records(
            Kind::Migration,
            names::MIGRATIONS,
            describe,
            |comparison, key, was, is| {
                let (Some(was), Some(is)) = (decode(was), decode(is)) else {
                    return comparison.fields(Kind::Migration, key, "", []);
                };
                let fields = [
                    (How::Status, state(&was), state(&is)),
                    (How::Name, was.name, is.name.clone()),
                ];
                if fields.iter().any(|(_, before, after)| before != after) {
                    comparison.fields(Kind::Migration, key, &is.name, fields);
                }
            },
        )?;
        for change in &mut self.changes {
            if change.kind == Kind::Migration
                && let Some(id) = &change.id
                && let Ok(number) = Id::from_bytes(id.as_bytes())
            {
                change.id = Some(number.get().to_string());
            }
        }
        Ok(())
    }

    /// Entries of indexes that are missing or wrong in one of the stores.
    pub(super) fn index_findings(&mut self) -> Result<()> {
        let found = |snapshot: &dyn Snapshot| -> Result<BTreeSet<(Code, String)>> {
            let findings = check(snapshot)?.into_iter();
            let of_indexes = findings.filter(|finding| OF_INDEXES.contains(&finding.code));
            Ok(of_indexes
                .map(|finding| (finding.code, finding.place))
                .collect())
        };
        let (was, is) = (found(self.before.snapshot)?, found(self.after.snapshot)?);
        let gone = was.difference(&is).map(|finding| (How::Removed, finding));
        let new = is.difference(&was).map(|finding| (How::Added, finding));
        let changes: Vec<_> = gone.chain(new).collect();
        for (how, (code, place)) in changes {
            let name = code.name().to_owned();
            self.push(Kind::Finding, how, place.clone(), name, None, None);
        }
        Ok(())
    }

    /// Numbers of records of all other buckets.
    pub(super) fn other_records(&mut self) -> Result<()> {
        let mut buckets = BTreeSet::new();
        for side in [&self.before, &self.after] {
            let (there, _) = side.snapshot.buckets()?;
            buckets.extend(there.into_iter().map(|bucket| bucket.name));
        }
        for bucket in buckets {
            if COMPARED.contains(&bucket.as_slice()) {
                continue;
            }
            let mut found = KeyChanges::find(self.before.snapshot, self.after.snapshot, &bucket)?;
            found.before_hides |= self.before.catalog.hidden.hides(&bucket);
            found.after_hides |= self.after.catalog.hidden.hides(&bucket);
            if found.before_hides || found.after_hides {
                self.incomplete.push(Kind::Records);
            }
            let records = RecordNumbers {
                added: found.added.len() as u64,
                removed: found.removed.len() as u64,
                changed: found.changed.len() as u64,
            };
            let how = match (records.added, records.removed, records.changed) {
                (0, 0, 0) => continue,
                (_, 0, 0) if !found.before_hides => How::Added,
                (0, _, 0) if !found.after_hides => How::Removed,
                (0, 0, _) => How::Changed,
                _ if found.before_hides || found.after_hides => How::Unknown,
                _ => How::Changed,
            };
            self.changes.push(Change {
                kind: Kind::Records,
                id: None,
                name: text(&bucket),
                how,
                before: None,
                after: None,
                records: Some(records),
            });
        }
        Ok(())
    }
}
