//! Users, organizations and buckets, and the indexes of their names.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::{Code, Finding, Severity};
use crate::metadata::check::{Checker, place, text};
use crate::metadata::lookup::Named;
use crate::metadata::name_index::{Entry, NameIndex};
use crate::metadata::{Catalog, Id, names};

impl Checker<'_> {
    /// Users, organizations and buckets against their indexes by name.
    pub(super) fn names(&mut self) -> Result<()> {
        let damage = std::mem::take(&mut self.catalog.indexes.damage);
        self.extend(damage);
        let Catalog {
            users,
            orgs,
            buckets,
            indexes,
            ..
        } = &self.catalog;
        let mut found = Vec::new();
        self.compare_names(names::USERS, users, &indexes.users, &mut found);
        self.compare_names(names::ORGANIZATIONS, orgs, &indexes.orgs, &mut found);
        self.compare_names(names::BUCKETS, buckets, &indexes.buckets, &mut found);
        self.extend(found);
        for bucket in [names::USERS, names::ORGANIZATIONS, names::BUCKETS] {
            self.keys_of(bucket)?;
        }
        Ok(())
    }

    /// Compares records with the index of their names.
    fn compare_names<T: Named>(
        &self,
        bucket: &'static [u8],
        records: &BTreeMap<Id, T>,
        index: &NameIndex,
        found: &mut Vec<Finding>,
    ) {
        let what = T::WHAT;
        let mut by_key: BTreeMap<Vec<u8>, Vec<&T>> = BTreeMap::new();
        for record in records.values() {
            by_key.entry(record.key()).or_default().push(record);
        }
        let entry_at = |key: &[u8]| format!("{}/{}", text(T::INDEX), text(key));
        let target = |id: Id| match records.get(&id) {
            Some(record) => format!("{what} {:?} ({id})", record.name()),
            None if self.is_undecodable(bucket, id) => {
                format!("{what} {id}, whose record can't be decoded")
            }
            None => format!("{what} {id}, which does not exist"),
        };
        for (key, same_name) in &by_key {
            let entry = index.entry(key);
            let named = same_name
                .iter()
                .find(|record| entry == Entry::To(record.id()));
            for (number, record) in same_name.iter().enumerate() {
                let at = place(bucket, record.id());
                match (named, entry) {
                (Some(named), _) if named.id() != record.id() => found.push(Finding::new(
                    Code::NameTaken,
                    at,
                    format!(
                        "{what} {} has the same name ({:?}); influxd finds only that one by name",
                        named.id(),
                        record.name()
                    ),
                )),
                (Some(_), _) | (None, Entry::Unknown) => {}
                (None, Entry::Absent) => {
                    let message = format!(
                        "{what} {:?} has no entry in {}, so influxd does not find it by name",
                        record.name(),
                        text(T::INDEX)
                    );
                    let finding = Finding::new(Code::IndexAbsent, at, message);
                    found.push(match bucket == names::USERS && same_name.len() == 1 {
                        true => finding.with_hint(format!(
                            "boltkey repair creates the entry; boltkey user password --id {} sets a \
                             password too",
                            record.id()
                        )),
                        false => finding,
                    });
                }
                // One finding for each entry.
                (None, Entry::To(_) | Entry::Invalid) if number > 0 => {}
                (None, Entry::To(id)) => found.push(Finding::new(
                    Code::IndexElsewhere,
                    entry_at(key),
                    format!(
                        "the entry should lead to {}, but leads to {}",
                        record.id(),
                        target(id)
                    ),
                )),
                (None, Entry::Invalid) => found.push(Finding::new(
                    Code::IndexElsewhere,
                    entry_at(key),
                    format!("the entry should lead to {}, but its value is not an ID", record.id()),
                )),
            }
            }
            if let (None, [first, rest @ ..]) = (named, same_name.as_slice()) {
                found.extend(rest.iter().map(|record| {
                    let message = format!(
                        "{what} {} has the same name ({:?})",
                        first.id(),
                        record.name()
                    );
                    Finding::new(Code::NameTaken, place(bucket, record.id()), message)
                }));
            }
        }
        for (key, id) in index.entries() {
            if by_key.contains_key(key) || id.is_some_and(|id| self.is_undecodable(bucket, id)) {
                continue;
            }
            found.push(match id.filter(|id| records.contains_key(id)) {
                Some(id) => Finding::new(
                    Code::IndexElsewhere,
                    entry_at(key),
                    format!(
                        "the entry leads to {}, which has a different name",
                        target(id)
                    ),
                )
                .with_severity(Severity::Warning),
                None => {
                    let message = format!(
                        "no {what} has this name, but the name can't be used again: the entry {}",
                        id.map_or_else(
                            || String::from("contains no ID"),
                            |id| format!("leads to {}", target(id))
                        )
                    );
                    let finding = Finding::new(Code::IndexDangling, entry_at(key), message);
                    match id.filter(|_| bucket == names::USERS) {
                        Some(id) => finding.with_hint(format!(
                            "boltkey repair frees the name; boltkey user delete --id {id} deletes \
                             the rest of that user too"
                        )),
                        None => finding,
                    }
                }
            });
        }
    }
}
