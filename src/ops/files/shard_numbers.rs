//! Which bucket the number of a shard belongs to. influxd finds a shard by its number alone, so no
//! number may be in the folders or in the metadata of two buckets.

use std::collections::HashMap;

use crate::metadata::tsm::Data;
use crate::ops::files::engine_folder::EngineFolder;
use crate::store::engine_folder::ShardFolder;

/// The numbers of all shards in an engine folder and in time-series metadata.
pub struct ShardNumbers<'a> {
    /// The folders of each number.
    folders: HashMap<u64, Vec<&'a ShardFolder>>,
    /// The buckets in the metadata that have each number. Those of deleted groups count: influxd
    /// deletes the folders of such shards by number.
    owners: HashMap<u64, Vec<&'a str>>,
    /// The first number that is not in use.
    free: u64,
}

impl<'a> ShardNumbers<'a> {
    /// Collects the numbers.
    #[must_use]
    pub fn new(engine: &'a EngineFolder, data: &'a Data) -> Self {
        let mut folders: HashMap<u64, Vec<&ShardFolder>> = HashMap::new();
        for folder in &engine.shards {
            folders.entry(folder.shard).or_default().push(folder);
        }
        let mut owners: HashMap<u64, Vec<&str>> = HashMap::new();
        for database in &data.databases {
            let groups = database.retention_policies.iter();
            let groups = groups.flat_map(|policy| &policy.shard_groups);
            for shard in groups.flat_map(|group| &group.shards) {
                owners.entry(shard.id).or_default().push(&database.name);
            }
        }
        let highest = data.highest().shard.max(engine.highest());
        Self {
            folders,
            owners,
            free: highest.saturating_add(1),
        }
    }

    /// Why one of the shards of a bucket can't belong to it: something else has the same number.
    #[must_use]
    pub fn conflict_of(&self, shards: &[ShardFolder]) -> Option<String> {
        shards.iter().find_map(|shard| self.conflict(shard))
    }

    /// Why a shard can't belong to its bucket. The text says what helps, without a full stop.
    #[must_use]
    pub fn conflict(&self, shard: &ShardFolder) -> Option<String> {
        let cure = format!(
            "rename its folders in data and wal to {}, a number that is free, and run the command \
             again",
            self.free
        );
        let number = shard.shard;
        let mut others = self.folders.get(&number).into_iter().flatten();
        if let Some(other) = others.find(|other| **other != shard) {
            return Some(format!(
                "bucket {} has a shard {number} too, and influxd would take one for the other; \
                 {cure}",
                other.bucket
            ));
        }
        let mut owners = self.owners.get(&number).into_iter().flatten();
        let owner = owners.find(|owner| **owner != shard.bucket)?;
        Some(format!(
            "in the store, shard {number} belongs to bucket {owner}; {cure}"
        ))
    }
}
