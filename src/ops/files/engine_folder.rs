//! The shards in the engine folder of influxd.
//!
//! influxd assigns the number after the highest in its metadata. If a shard in the folder is
//! missing from the metadata, its number would be assigned again, and one bucket would read
//! another's points.

use std::path::Path;

use crate::error::Result;
use crate::metadata::tsm::Placed;
use crate::store::engine_folder::shard_folders;

/// The shards in an engine folder, ascending, without duplicates. Empty if the folder does not exist.
///
/// # Errors
/// As [`shard_folders`].
pub fn shards(engine: &Path) -> Result<Vec<Placed>> {
    let folders = shard_folders(engine)?.into_iter();
    let mut found: Vec<Placed> = folders
        .map(|folder| Placed {
            shard: folder.shard,
            bucket: folder.bucket,
        })
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}
