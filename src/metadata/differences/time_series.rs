//! Differences of the time-series metadata.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::metadata::differences::{Comparison, How, Kind, Side, bucket_name};
use crate::metadata::{Id, names, tsm};

impl Comparison<'_> {
    /// The buckets that have time-series metadata, and the number of their shard groups.
    pub(super) fn time_series(&mut self) -> Result<()> {
        let found = self.keys(Kind::Shards, names::TSM_METADATA)?;
        if found.added.is_empty() && found.removed.is_empty() && found.changed.is_empty() {
            return Ok(());
        }
        let sides = (databases(&self.before)?, databases(&self.after)?);
        let (Some(before), Some(after)) = sides else {
            let key = String::from_utf8_lossy(names::TSM_METADATA_KEY).into_owned();
            self.push(Kind::Shards, How::Changed, key, String::new(), None, None);
            return Ok(());
        };
        let name = |side: &Side<'_>, database: &str| match database.parse::<Id>() {
            Ok(id) => bucket_name(&side.catalog, id),
            Err(_) => String::new(),
        };
        let groups =
            |groups: &[u64]| Some(crate::finding::counted(groups.len() as u64, "shard group"));
        // All of it is one value. One that damage hides is not gone.
        let gone = match found.after_hides && after.is_empty() {
            true => How::Unknown,
            false => How::Removed,
        };
        let new = match found.before_hides && before.is_empty() {
            true => How::Unknown,
            false => How::Added,
        };
        let mut changes = Vec::new();
        for (id, was) in &before {
            let name = name(&self.before, id);
            match after.get(id) {
                None => changes.push((gone, id, name, groups(was), None)),
                Some(is) if was != is => {
                    changes.push((How::ShardGroups, id, name, groups(was), groups(is)));
                }
                Some(_) => {}
            }
        }
        for (id, is) in &after {
            if !before.contains_key(id) {
                let name = name(&self.after, id);
                changes.push((new, id, name, None, groups(is)));
            }
        }
        for (how, id, name, before, after) in changes {
            self.push(Kind::Shards, how, id.clone(), name, before, after);
        }
        Ok(())
    }
}

/// The numbers of the shard groups that were not deleted, by the ID of their bucket. None if the
/// value can't be decoded.
fn databases(side: &Side<'_>) -> Result<Option<BTreeMap<String, Vec<u64>>>> {
    let key = names::TSM_METADATA_KEY;
    let Some(value) = side.snapshot.get(names::TSM_METADATA, key)? else {
        return Ok(Some(BTreeMap::new()));
    };
    let Ok(data) = tsm::decode(&value) else {
        return Ok(None);
    };
    let groups = |database: &tsm::Database| {
        let policies = database.retention_policies.iter();
        let groups = policies.flat_map(|policy| &policy.shard_groups);
        groups
            .filter(|group| group.deleted_at == 0)
            .map(|group| group.id)
            .collect()
    };
    let databases = data.databases.iter();
    Ok(Some(
        databases
            .map(|database| (database.name.clone(), groups(database)))
            .collect(),
    ))
}
