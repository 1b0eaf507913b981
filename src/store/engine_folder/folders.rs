//! Which shards an engine folder contains.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::io::Errno;

use super::Flaw;
use crate::error::{Error, ErrorKind, IoContext, Result};

/// The folder of a bucket's series file, beside its retention policies.
const SERIES: &str = "_series";

/// Most entries of folders that are read.
const MOST_ENTRIES: u64 = 1_000_000;

/// The highest number of a shard. influxd counts on from the highest one in 64 bits, and would begin
/// again at 0 after far higher ones.
const HIGHEST: u64 = i64::MAX as u64;

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
    /// The number of the shard.
    pub shard: u64,
    /// The name of the retention policy's folder, normally `autogen`.
    pub policy: String,
    /// Whether there is a folder for TSM files. influxd opens only shards that have one.
    pub has_data: bool,
    /// Whether there is a folder for the write-ahead log.
    pub has_wal: bool,
    /// A folder that has this number for influxd, although influxd does not read the points in it.
    pub flaw: Option<Flaw>,
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

/// What was found of a shard: whether it has a folder in `data`, one in `wal`, and a flaw.
type Found = (bool, bool, Option<Flaw>);

/// The shards in an engine folder, ascending. Empty if the folder does not exist.
///
/// # Errors
/// When a folder can't be read; [`ErrorKind::Refused`] when the folders have more than a million
/// entries, or the number of a shard is too high to count on from it.
pub fn shard_folders(engine: &Path) -> Result<Vec<ShardFolder>> {
    let mut left = MOST_ENTRIES;
    let mut found: BTreeMap<(String, u64, String), Found> = BTreeMap::new();
    for part in [Part::Data, Part::Wal] {
        for bucket in folders(&engine.join(part.name()), &mut left)? {
            let path = engine.join(part.name()).join(&bucket.name);
            for policy in folders(&path, &mut left)? {
                // It belongs to the whole bucket, and its folders have numbers as names too.
                if policy.name == SERIES {
                    continue;
                }
                let policy_path = path.join(&policy.name);
                let linked = match (bucket.is_link, policy.is_link) {
                    (true, _) => Some(&path),
                    (_, true) => Some(&policy_path),
                    _ => None,
                };
                for folder in folders(&policy_path, &mut left)? {
                    let path = policy_path.join(&folder.name);
                    let Some(shard) = number(&folder.name, &path)? else {
                        continue;
                    };
                    let is_misnamed = shard == 0 || folder.name.starts_with('0');
                    if is_misnamed && part == Part::Wal {
                        // influxd looks for shards in the folder data only.
                        continue;
                    }
                    let key = (bucket.name.clone(), shard, policy.name.clone());
                    let (has_data, has_wal, flaw) = found.entry(key).or_default();
                    if is_misnamed {
                        *flaw = Some(misnamed(shard, path));
                        continue;
                    }
                    *has_data |= part == Part::Data;
                    *has_wal |= part == Part::Wal;
                    if let (Part::Data, Some(link), None) = (part, linked, &flaw) {
                        *flaw = Some(behind_link(link));
                    }
                }
            }
        }
    }
    let shards = found.into_iter();
    Ok(shards
        .map(
            |((bucket, shard, policy), (has_data, has_wal, flaw))| ShardFolder {
                bucket,
                shard,
                policy,
                has_data,
                has_wal,
                flaw,
            },
        )
        .collect())
}

/// The number that influxd reads in the name of a shard's folder; `None` if it reads none.
fn number(name: &str, path: &Path) -> Result<Option<u64>> {
    if !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match name.parse::<u64>() {
        Ok(number) if number > HIGHEST => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "influxd can't count on from a number of a shard that is as high as that of {}",
                path.display()
            ),
        )
        .naming(path)
        .with_hint("move the folder out of the engine folder, and run the command again")),
        Ok(number) => Ok(Some(number)),
        Err(_) => Ok(None),
    }
}

/// influxd takes the name for the number, and looks for the points in a folder that is named as it
/// writes numbers.
fn misnamed(shard: u64, path: PathBuf) -> Flaw {
    let reason = match shard {
        0 => String::from("influxd has no shard 0; give the folder a number that is free"),
        _ => format!(
            "influxd takes it for shard {shard}, but reads the points of that shard from the folder \
             {shard}; give it this name, if there is no such folder"
        ),
    };
    Flaw { path, reason }
}

/// influxd looks for shards only in buckets and policies that are folders themselves.
fn behind_link(link: &Path) -> Flaw {
    Flaw {
        path: link.to_owned(),
        reason:
            "influxd reads no shards behind this link; put the folder itself there, or mount it"
                .into(),
    }
}

/// A folder, or a link to one.
struct Folder {
    name: String,
    is_link: bool,
}

/// The names of the folders in a folder. Names that are not UTF-8 are skipped: influxd uses none.
fn folders(path: &Path, left: &mut u64) -> Result<Vec<Folder>> {
    let entries = match fs::read_dir(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.at("read", path)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.at("read", path)?;
        *left = left.checked_sub(1).ok_or_else(|| too_many(path))?;
        if let Ok(name) = entry.file_name().into_string()
            && let Some(is_link) = is_folder(&entry)?
        {
            names.push(Folder { name, is_link });
        }
    }
    Ok(names)
}

/// Whether this folder is a link to one: points may be on another disk. `None` if it is no folder.
fn is_folder(entry: &DirEntry) -> Result<Option<bool>> {
    let path = entry.path();
    let kind = entry.file_type().at("read", &path)?;
    if !kind.is_symlink() {
        return Ok(kind.is_dir().then_some(false));
    }
    match fs::metadata(&path) {
        Ok(target) => Ok(target.is_dir().then_some(true)),
        Err(cause) if leads_nowhere(&cause) => Ok(None),
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
                let parts = (one.has_data, one.has_wal, one.flaw.is_some());
                (one.bucket.as_str(), one.shard, one.policy.as_str(), parts)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("b1", 7, "autogen", (true, false, false)),
                ("b2", 2, "other", (true, false, false)),
                ("b2", 3, "moved", (true, false, true)),
                ("b2", 12, "autogen", (true, true, false)),
                ("b2", 13, "autogen", (false, true, false)),
            ]
        );
    }

    /// influxd opens shard 8 for a folder 08: the number is taken, though the points in it are not
    /// read.
    #[test]
    fn a_number_with_zeros_in_front_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path();
        for path in [
            "data/b1/autogen/08",
            "data/b1/autogen/9",
            "data/b1/autogen/009",
            "data/b1/autogen/0",
            "wal/b1/autogen/8",
            "wal/b1/autogen/011",
        ] {
            fs::create_dir_all(engine.join(path)).unwrap();
        }
        let found = shard_folders(engine).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                let flaw = one.flaw.as_ref();
                let name = flaw.and_then(|flaw| flaw.path.file_name()?.to_str());
                (one.shard, (one.has_data, one.has_wal), name)
            })
            .collect();
        assert_eq!(
            found,
            [
                (0, (false, false), Some("0")),
                (8, (false, true), Some("08")),
                (9, (true, false), Some("009")),
            ]
        );
    }

    #[test]
    fn a_number_from_which_influxd_can_not_count_on_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let engine = folder.path();
        let highest = engine.join(format!("data/b1/autogen/{HIGHEST}"));
        fs::create_dir_all(&highest).unwrap();
        assert_eq!(shard_folders(engine).unwrap()[0].shard, HIGHEST);
        for part in ["data", "wal"] {
            for number in [HIGHEST + 1, u64::MAX] {
                let path = engine.join(format!("{part}/b1/autogen/{number}"));
                fs::create_dir_all(&path).unwrap();
                let refused = shard_folders(engine).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Refused);
                assert!(refused.message().contains(&number.to_string()), "{refused}");
                fs::remove_dir(&path).unwrap();
            }
        }
    }
}
