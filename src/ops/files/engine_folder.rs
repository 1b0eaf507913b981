//! The engine folder of influxd, and the shards in it.
//!
//! influxd assigns the number after the highest in its metadata. If a shard in the folder is
//! missing from the metadata, its number would be assigned again, and one bucket would read
//! another's points.

use std::path::Path;
use std::{fs, io};

use crate::error::{IoContext, Result};
use crate::metadata::tsm::Placed;

/// The folders with shards: data files, and the write-ahead log.
const PARTS: [&str; 2] = ["data", "wal"];

/// The folder of a bucket's series file, beside its retention policies.
const SERIES: &str = "_series";

/// The shards in an engine folder (`data/<bucket>/autogen/<shard>`), ascending, without duplicates.
/// Empty if the folder does not exist.
///
/// # Errors
/// When a folder can't be read.
pub fn shards(engine: &Path) -> Result<Vec<Placed>> {
    let mut found = Vec::new();
    for part in PARTS {
        for bucket in folders(&engine.join(part))? {
            let path = engine.join(part).join(&bucket);
            for policy in folders(&path)? {
                // It belongs to the whole bucket, and its folders have numbers as names too.
                if policy == SERIES {
                    continue;
                }
                for name in folders(&path.join(&policy))? {
                    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
                    if let (true, Ok(shard)) = (digits && !name.starts_with('0'), name.parse()) {
                        found.push(Placed {
                            shard,
                            bucket: bucket.clone(),
                        });
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The names of the folders in a folder. Names that are not UTF-8 are skipped: influxd uses none.
fn folders(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("read", path)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.at("read", path)?;
        // Links are followed: points may be on another disk.
        if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_found_where_influxd_puts_them() {
        let folder = tempfile::tempdir().unwrap();
        assert!(shards(&folder.path().join("engine")).unwrap().is_empty());
        for path in [
            "data/b1/autogen/7",
            "data/b1/_series/00",
            "data/b1/_series/11",
            "data/b1/autogen/08",
            "data/b1/autogen/x",
            "data/b1/autogen/99999999999999999999",
            "data/b2/autogen/+3",
            "data/b2/autogen/12",
            "wal/b2/autogen/12",
            "wal/b2/autogen/13",
        ] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("data/b2/autogen/5"), "a file").unwrap();
        let found = shards(folder.path()).unwrap();
        let found: Vec<_> = found.iter().map(|p| (p.shard, p.bucket.as_str())).collect();
        assert_eq!(found, [(7, "b1"), (12, "b2"), (13, "b2")]);
    }
}
