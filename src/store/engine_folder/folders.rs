//! Which shards an engine folder contains.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// The folder of a bucket's series file, beside its retention policies.
const SERIES: &str = "_series";

/// Most entries of folders that are read.
const MOST_ENTRIES: u64 = 1_000_000;

/// A part of the engine folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// TSM files.
    Data,
    /// The write-ahead log.
    Wal,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Wal => "wal",
        }
    }
}

/// The folders of one shard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardFolder {
    /// The name of the bucket's folder: the bucket's ID, 16 hex digits, unless it is foreign.
    pub bucket: String,
    /// The number of the shard, not 0.
    pub shard: u64,
    /// The name of the retention policy's folder, normally `autogen`.
    pub policy: String,
    /// Whether there is a folder for TSM files. influxd opens only shards that have one.
    pub has_data: bool,
    /// Whether there is a folder for the write-ahead log.
    pub has_wal: bool,
}

impl ShardFolder {
    /// The folder of the TSM files.
    #[must_use]
    pub fn data(&self, engine: &Path) -> PathBuf {
        self.in_part(engine, Part::Data)
    }

    /// The folder of the write-ahead log.
    #[must_use]
    pub fn wal(&self, engine: &Path) -> PathBuf {
        self.in_part(engine, Part::Wal)
    }

    fn in_part(&self, engine: &Path, part: Part) -> PathBuf {
        let bucket = engine.join(part.name()).join(&self.bucket);
        bucket.join(&self.policy).join(self.shard.to_string())
    }
}

/// The shards in an engine folder, ascending. Empty if the folder does not exist.
///
/// # Errors
/// When a folder can't be read; [`ErrorKind::Refused`] when the folders have more than a million
/// entries.
pub fn shard_folders(engine: &Path) -> Result<Vec<ShardFolder>> {
    let mut left = MOST_ENTRIES;
    let mut found: BTreeMap<(String, u64, String), (bool, bool)> = BTreeMap::new();
    for part in [Part::Data, Part::Wal] {
        for bucket in folders(&engine.join(part.name()), &mut left)? {
            let path = engine.join(part.name()).join(&bucket);
            for policy in folders(&path, &mut left)? {
                // It belongs to the whole bucket, and its folders have numbers as names too.
                if policy == SERIES {
                    continue;
                }
                for name in folders(&path.join(&policy), &mut left)? {
                    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
                    if let (true, Ok(shard)) = (digits && !name.starts_with('0'), name.parse()) {
                        let key = (bucket.clone(), shard, policy.clone());
                        let (has_data, has_wal) = found.entry(key).or_default();
                        *has_data |= part == Part::Data;
                        *has_wal |= part == Part::Wal;
                    }
                }
            }
        }
    }
    let shards = found.into_iter();
    Ok(shards
        .map(
            |((bucket, shard, policy), (has_data, has_wal))| ShardFolder {
                bucket,
                shard,
                policy,
                has_data,
                has_wal,
            },
        )
        .collect())
}

/// The names of the folders in a folder. Names that are not UTF-8 are skipped: influxd uses none.
fn folders(path: &Path, left: &mut u64) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("read", path)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.at("read", path)?;
        *left = left.checked_sub(1).ok_or_else(|| too_many(path))?;
        if let Ok(name) = entry.file_name().into_string()
            && is_folder(&entry)?
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether this is a folder, or a link to one: points may be on another disk.
fn is_folder(entry: &DirEntry) -> Result<bool> {
    let path = entry.path();
    let kind = entry.file_type().at("read", &path)?;
    if !kind.is_symlink() {
        return Ok(kind.is_dir());
    }
    match fs::metadata(&path) {
        Ok(target) => Ok(target.is_dir()),
        Err(cause) if leads_nowhere(&cause) => Ok(false),
        Err(cause) => Err(cause).at("read", &path),
    }
}

/// Whether a link leads to nothing, or to itself.
fn leads_nowhere(cause: &io::Error) -> bool {
    let known = [Errno::NOENT, Errno::LOOP, Errno::NOTDIR];
    Errno::from_io_error(cause).is_some_and(|errno| known.contains(&errno))
}

fn too_many(path: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "the engine folder has more than {MOST_ENTRIES} files and folders down to {}, which \
             is the limit",
            path.display()
        ),
    )
    .naming(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_found_where_influxd_puts_them() {
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path();
        assert!(shard_folders(&engine.join("engine")).unwrap().is_empty());
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
            "data/b2/other/2",
        ] {
            fs::create_dir_all(engine.join(path)).unwrap();
        }
        fs::write(engine.join("data/b2/autogen/5"), "a file").unwrap();
        // A folder that contains itself is read once on each level.
        std::os::unix::fs::symlink("..", engine.join("data/b1/loop")).unwrap();
        // Points may be on another disk. A link that leads nowhere is no folder.
        fs::create_dir_all(engine.join("disk/3")).unwrap();
        for (target, link) in [
            ("../../disk", "data/b2/moved"),
            ("itself", "data/b2/itself"),
            ("nowhere", "data/nowhere"),
            ("autogen/5/below", "data/b2/below"),
        ] {
            std::os::unix::fs::symlink(target, engine.join(link)).unwrap();
        }
        let found = shard_folders(engine).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                let parts = (one.has_data, one.has_wal);
                (one.bucket.as_str(), one.shard, one.policy.as_str(), parts)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("b1", 7, "autogen", (true, false)),
                ("b2", 2, "other", (true, false)),
                ("b2", 3, "moved", (true, false)),
                ("b2", 12, "autogen", (true, true)),
                ("b2", 13, "autogen", (false, true)),
            ]
        );
    }
}
