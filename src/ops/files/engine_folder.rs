//! The shards in the engine folder of influxd, by bucket.
//!
//! influxd assigns the number after the highest in its metadata. If a shard in the folder is
//! missing from the metadata, its number would be assigned again, and one bucket would read
//! another's points.

use std::path::Path;

use crate::error::Result;
use crate::metadata::series_key::{BucketKind, SystemBucket};
use crate::metadata::shard_groups::ShardTimes;
use crate::metadata::tsm::Placed;
use crate::store::engine_folder::{Flaw, ShardFolder, shard_folders, shard_times};

/// The shards in an engine folder, ascending, without duplicates. Empty if the folder does not exist.
///
/// # Errors
/// As [`shard_folders`].
pub fn shards(engine: &Path) -> Result<Vec<Placed>> {
    let mut found: Vec<Placed> = shard_folders(engine)?.iter().map(placed).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn placed(folder: &ShardFolder) -> Placed {
    Placed {
        shard: folder.shard,
        bucket: folder.bucket.clone(),
    }
}

/// Numbers of shards as text.
#[must_use]
pub fn listed(shards: &[u64]) -> String {
    const MOST: usize = 10;
    let word = if shards.len() == 1 { "shard" } else { "shards" };
    let numbers: Vec<String> = shards.iter().take(MOST).map(u64::to_string).collect();
    let numbers = numbers.join(", ");
    match shards.len().saturating_sub(MOST) {
        0 => format!("{word} {numbers}"),
        more => format!("{word} {numbers} and {more} more"),
    }
}

/// The content of a bucket's folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketContent {
    /// The shards with points.
    pub shards: Vec<ShardTimes>,
    /// The shards without points that can be read, ascending.
    pub empty: Vec<u64>,
    /// The system bucket that these were the points of.
    pub system: Option<SystemBucket>,
}

/// Files that were not read completely. The first ones are listed, the others only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flaws {
    /// The first ones.
    pub listed: Vec<Flaw>,
    /// The number of the others.
    pub more: u64,
}

impl Flaws {
    const MOST: usize = 100;

    fn push(&mut self, flaw: Flaw) {
        if self.listed.len() < Self::MOST {
            self.listed.push(flaw);
        } else {
            self.more += 1;
        }
    }
}

/// Reads the shards of one bucket. `done` is called after each.
///
/// # Errors
/// As [`shard_times`].
pub fn read_bucket<'f>(
    engine: &Path,
    shards: impl IntoIterator<Item = &'f ShardFolder>,
    flaws: &mut Flaws,
    done: &mut dyn FnMut(),
) -> Result<BucketContent> {
    let mut content = BucketContent::default();
    let mut kind = BucketKind::default();
    for shard in shards {
        let times = shard_times(engine, shard, &mut |key| kind.add(key), &mut |flaw| {
            flaws.push(flaw);
        })?;
        match times {
            Some(times) => content.shards.push(ShardTimes {
                shard: shard.shard,
                first: times.first,
                last: times.last,
            }),
            None => content.empty.push(shard.shard),
        }
        // influxd opens the shards that it finds in the folder data.
        if !shard.has_data && times.is_some() {
            let path = shard.data(engine);
            let reason = "make this empty folder, with the owner of the folder above; influxd opens the \
                          shard only then";
            flaws.push(Flaw {
                path,
                reason: reason.into(),
            });
        }
        done();
    }
    content.system = kind.system();
    Ok(content)
}
