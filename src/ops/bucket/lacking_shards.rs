//! Which shards in the folder of a bucket the time-series metadata of the store lack.

use std::collections::{BTreeSet, HashMap};

use crate::metadata::Id;
use crate::metadata::tsm::{Data, Database};
use crate::ops::files::engine_folder::EngineFolder;

/// The time-series metadata of buckets, by their IDs as text.
pub(super) struct KnownShards<'a>(HashMap<&'a str, Known<'a>>);

struct Known<'a> {
    database: &'a Database,
    /// Those that influxd serves.
    live: BTreeSet<u64>,
    /// Those whose folders influxd deletes, because their groups are deleted.
    deleted: BTreeSet<u64>,
}

impl<'a> KnownShards<'a> {
    pub(super) fn of(data: &'a Data) -> Self {
        let databases = data.databases.iter();
        let known = databases.map(|database| {
            let mut known = Known {
                database,
                live: BTreeSet::new(),
                deleted: BTreeSet::new(),
            };
            let policies = database.retention_policies.iter();
            for group in policies.flat_map(|policy| &policy.shard_groups) {
                let shards = match group.deleted_at {
                    0 => &mut known.live,
                    _ => &mut known.deleted,
                };
                shards.extend(group.shards.iter().map(|shard| shard.id));
            }
            (database.name.as_str(), known)
        });
        Self(known.collect())
    }

    /// The time-series metadata of a bucket.
    pub(super) fn database(&self, id: Id) -> Option<&'a Database> {
        self.0
            .get(id.to_string().as_str())
            .map(|known| known.database)
    }

    /// The shards of a bucket in the metadata, ascending, without those of deleted groups.
    pub(super) fn live(&self, id: Id) -> Vec<u64> {
        let known = self.0.get(id.to_string().as_str());
        known
            .into_iter()
            .flat_map(|known| &known.live)
            .copied()
            .collect()
    }

    /// The shards in the folder of a bucket that the metadata lack.
    pub(super) fn lacking(&self, id: Id, engine: &EngineFolder) -> BTreeSet<u64> {
        let known = self.0.get(id.to_string().as_str());
        let is_known = |shard: &u64| {
            known.is_some_and(|known| known.live.contains(shard) || known.deleted.contains(shard))
        };
        let shards = engine.shards_in(id).iter().map(|shard| shard.shard);
        shards.filter(|shard| !is_known(shard)).collect()
    }
}
