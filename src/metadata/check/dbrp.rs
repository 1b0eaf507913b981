//! Mappings of 1.x databases and retention policies to buckets, and their indexes.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::check::other_records::undecodable;
use crate::metadata::check::{Checker, place, text};
use crate::metadata::dbrp::{Dbrp, EARLY, must_not_be_early};
use crate::metadata::{Id, names};

impl Checker<'_> {
    /// Mappings that can't be decoded, and mappings whose bucket was deleted.
    pub(super) fn dbrp_mappings(&mut self) -> Result<()> {
        let bucket = names::DBRP;
        self.each_record(bucket, |check, key, value| {
            let mapping = match Dbrp::decode(value) {
                Ok(mapping) => mapping,
                Err(why) => return Some(undecodable(bucket, key, &why)),
            };
            if mapping.early && check.schema.is_some_and(must_not_be_early) {
                return Some(undecodable(bucket, key, EARLY));
            }
            let to = match mapping.bucket {
                Some(id) if check.is_bucket_gone(id) => {
                    format!("bucket {id}, which was deleted")
                }
                Some(_) => return None,
                None => "no bucket".into(),
            };
            let message = format!(
                "database {:?} with retention policy {:?} is mapped to {to}",
                mapping.database, mapping.retention_policy,
            );
            let at = format!("{}/{}", text(bucket), text(key));
            Some(Finding::new(Code::DbrpBucketGone, at, message))
        })?;
        self.dbrp_indexes()
    }

    /// The indexes of mappings by organization and by database, and the default mappings.
    fn dbrp_indexes(&mut self) -> Result<()> {
        let (records, whole) = self.pairs(names::DBRP)?;
        let mut wanted = BTreeMap::<&[u8], BTreeMap<Vec<u8>, Id>>::new();
        let mut databases = BTreeMap::<Vec<u8>, Vec<Id>>::new();
        let mut unreadable = BTreeSet::new();
        for (key, value) in &records {
            let Ok(id) = Id::from_bytes(key) else {
                continue;
            };
            let Ok(mapping) = Dbrp::decode(value) else {
                unreadable.insert(id);
                continue;
            };
            for (index, key) in mapping.entries(id).into_iter().flatten() {
                wanted.entry(index).or_default().insert(key, id);
            }
            if let Some(key) = mapping.database_key() {
                databases.entry(key).or_default().push(id);
            }
        }
        let there = self.snapshot.buckets()?.0;
        let exists = |bucket: &[u8]| there.iter().any(|b| b.name == bucket);
        for index in [names::DBRP_BY_ORG, names::DBRP_BY_DATABASE] {
            let (entries, complete) = self.pairs(index)?;
            let mut wanted = wanted.remove(index).unwrap_or_default();
            for (key, value) in entries {
                let to = Id::from_bytes(&value).ok();
                if to.is_some() && wanted.get(&key) == to.as_ref() {
                    wanted.remove(&key);
                } else if whole && !to.is_some_and(|id| unreadable.contains(&id)) {
                    let at = format!("{}/{}", text(index), text(&key));
                    let message = "no mapping needs this entry";
                    self.add(Code::DbrpIndexDangling, at, message);
                }
            }
            if complete && exists(index) {
                for id in wanted.into_values() {
                    let message = format!("the mapping has no entry in {}", text(index));
                    self.add(Code::DbrpIndexAbsent, place(names::DBRP, id), message);
                }
            }
        }
        let (entries, complete) = self.pairs(names::DBRP_DEFAULT)?;
        for (key, value) in entries {
            let to = Id::from_bytes(&value).ok();
            let of_database = databases.remove(&key).unwrap_or_default();
            let right = to.is_some_and(|id| of_database.contains(&id) || unreadable.contains(&id));
            if whole && !right {
                let at = format!("{}/{}", text(names::DBRP_DEFAULT), text(&key));
                let message = "the default mapping of this database does not exist";
                self.add(Code::DbrpIndexDangling, at, message);
            }
        }
        if complete && exists(names::DBRP_DEFAULT) {
            for id in databases
                .into_values()
                .filter_map(|ids| ids.into_iter().next())
            {
                let message = "no mapping of its database is the default";
                self.add(Code::DbrpIndexAbsent, place(names::DBRP, id), message);
            }
        }
        Ok(())
    }
}
