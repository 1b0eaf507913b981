//! The shards in the engine folder of influxd, by bucket.
//!
//! influxd assigns the number after the highest in its metadata. If a shard in the folder is
//! missing from the metadata, its number would be assigned again, and one bucket would read
//! another's points.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::Id;
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
    /// Those of them that have files which could not be read.
    pub unread: Vec<u64>,
    /// The system bucket that these were the points of.
    pub system: Option<SystemBucket>,
}

/// Shards by bucket.
pub type Wanted = BTreeMap<Id, BTreeSet<u64>>;

/// The number of these shards.
#[must_use]
pub fn number_of(wanted: &Wanted) -> u64 {
    wanted.values().map(|shards| shards.len() as u64).sum()
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
        // Many shards can be behind one link.
        if self.listed.contains(&flaw) {
            return;
        }
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
fn read_bucket<'f>(
    engine: &Path,
    shards: impl IntoIterator<Item = &'f ShardFolder>,
    flaws: &mut Flaws,
    done: &mut dyn FnMut(),
) -> Result<BucketContent> {
    let mut content = BucketContent::default();
    let mut kind = BucketKind::default();
    for shard in shards {
        let mut is_flawed = shard.flaw.is_some();
        shard.flaw.iter().for_each(|flaw| flaws.push(flaw.clone()));
        let times = shard_times(engine, shard, &mut |key| kind.add(key), &mut |flaw| {
            is_flawed = true;
            flaws.push(flaw);
        })?;
        match times {
            Some(times) => content.shards.push(ShardTimes {
                shard: shard.shard,
                first: times.first,
                last: times.last,
            }),
            None => {
                content.empty.push(shard.shard);
                if is_flawed {
                    content.unread.push(shard.shard);
                }
            }
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

/// What was read of an engine folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFolder {
    /// Its path.
    pub path: PathBuf,
    /// All its shards, ascending.
    pub shards: Vec<ShardFolder>,
    /// The content of the buckets that may be adopted.
    pub buckets: BTreeMap<Id, BucketContent>,
    /// Files that were not read completely.
    pub flaws: Flaws,
}

/// Refuses an engine folder that was named and is not there.
///
/// # Errors
/// [`ErrorKind::NotFound`]; [`ErrorKind::Io`] when it can't be looked at.
pub fn named_engine(path: &Path) -> Result<()> {
    let is_folder = match path.metadata() {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => false,
        found => found.at("read", path)?.is_dir(),
    };
    if is_folder {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotFound,
        format!("there is no engine folder at {}", path.display()),
    )
    .naming(path)
    .with_hint("name it with --engine-path PATH"))
}

impl EngineFolder {
    /// Lists the shards in the folder without reading them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such folder; the errors of [`shard_folders`].
    pub fn list(path: &Path) -> Result<Self> {
        named_engine(path)?;
        Ok(Self {
            path: path.to_owned(),
            shards: shard_folders(path)?,
            ..Self::default()
        })
    }

    /// The names of the buckets' folders, ascending.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.shards
            .iter()
            .map(|shard| shard.bucket.as_str())
            .collect()
    }

    /// The shards in the folder of a bucket.
    #[must_use]
    pub fn shards_in(&self, id: Id) -> &[ShardFolder] {
        of_bucket(&self.shards, id)
    }

    /// All shards of these buckets.
    #[must_use]
    pub fn wanted(&self, buckets: &BTreeSet<Id>) -> Wanted {
        let ids = buckets.iter().copied();
        let all = ids.map(|id| {
            let shards = self.shards_in(id).iter().map(|shard| shard.shard);
            (id, shards.collect::<BTreeSet<u64>>())
        });
        all.filter(|(_, shards)| !shards.is_empty()).collect()
    }

    /// Reads the content of these shards. `done` is called with the number of shards after each.
    ///
    /// # Errors
    /// When a folder can't be read, or the system denies access to a file.
    pub fn read(&mut self, wanted: &Wanted, done: &dyn Fn(u64)) -> Result<()> {
        let mut number = 0;
        for (id, numbers) in wanted {
            let shards = of_bucket(&self.shards, *id).iter();
            let shards = shards.filter(|shard| numbers.contains(&shard.shard));
            let content = read_bucket(&self.path, shards, &mut self.flaws, &mut || {
                number += 1;
                done(number);
            })?;
            self.buckets.insert(*id, content);
        }
        Ok(())
    }

    /// Checks that the folder contains the same shards as when it was read.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it does not.
    pub fn is_unchanged(&self) -> Result<()> {
        if shard_folders(&self.path)? == self.shards {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the shards in {} have changed since they were read",
                self.path.display()
            ),
        )
        .with_hint("make sure that influxd is stopped, and run the command again"))
    }

    /// The highest number of a shard; 0 without shards.
    #[must_use]
    pub fn highest(&self) -> u64 {
        let numbers = self.shards.iter().map(|shard| shard.shard);
        numbers.max().unwrap_or_default()
    }
}

/// The ID that is the name of a bucket's folder. influxd writes it in lower case.
#[must_use]
pub fn bucket_id(name: &str) -> Option<Id> {
    let id: Id = name.parse().ok()?;
    (id.to_string() == name).then_some(id)
}

/// The shards of a bucket, among those of all buckets in ascending order.
fn of_bucket(shards: &[ShardFolder], id: Id) -> &[ShardFolder] {
    let name = id.to_string();
    let start = shards.partition_point(|shard| shard.bucket < name);
    let rest = shards.get(start..).unwrap_or_default();
    let end = rest.partition_point(|shard| shard.bucket == name);
    rest.get(..end).unwrap_or_default()
}
