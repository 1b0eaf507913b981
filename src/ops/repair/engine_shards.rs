//! What the engine folder tells about the shards of buckets without time-series metadata. It is read
//! before the store is locked, because that may take long.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::shard_groups::{expired, groups};
use crate::metadata::tsm::{Data, Database, Highest, Placed};
use crate::metadata::{Bucket, Catalog, Id, names, tsm, tsm_edit};
use crate::ops::files::engine_folder::{EngineFolder, Flaws, bucket_id, listed, number_of};
use crate::ops::files::shard_numbers::ShardNumbers;
use crate::store::Snapshot;

/// The engine folder, as far as a repair needs it. By default, it was not read.
#[derive(Debug, Clone)]
pub struct EngineShards {
    folder: EngineFolder,
    /// Why it is not known which shards exist, without a full stop.
    unknown: Option<String>,
    /// Why the times of points are not known, without a full stop.
    unread: Option<String>,
}

/// What a repair needs from the engine folder.
#[derive(Debug, Default)]
pub struct Needed {
    /// The shards that the store knows.
    known: Vec<Placed>,
    /// The buckets without time-series metadata.
    buckets: BTreeSet<Id>,
}

impl Needed {
    /// Reads the records of the store.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(snapshot: &dyn Snapshot) -> Result<Self> {
        let value = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
        let data = value.and_then(|value| tsm::decode(&value).ok());
        let data = data.unwrap_or_default();
        let known = data.databases.iter().filter_map(|d| bucket_id(&d.name));
        let known: BTreeSet<Id> = known.collect();
        let mut buckets: BTreeSet<Id> = Catalog::load(snapshot)?.buckets.into_keys().collect();
        buckets.retain(|id| !known.contains(id));
        Ok(Self {
            known: data.shards(),
            buckets,
        })
    }
}

/// The time-series metadata of a bucket with the shards in its folder.
pub(super) struct WithShards {
    pub(super) database: Database,
    /// The shards as text; empty if there are none.
    pub(super) shards: String,
    /// What is there then, as text.
    pub(super) after: String,
}

impl Default for EngineShards {
    fn default() -> Self {
        Self::not_known(PathBuf::new(), "the engine folder was not read".into())
    }
}

impl EngineShards {
    fn not_known(path: PathBuf, why: String) -> Self {
        Self {
            folder: EngineFolder {
                path,
                ..EngineFolder::default()
            },
            unknown: Some(why),
            unread: None,
        }
    }

    /// Lists the shards in the engine folder beside the database, or in the one that is named.
    ///
    /// # Errors
    /// When the folder is named and can't be listed. Another folder that can't be listed is no error:
    /// then the buckets are left.
    pub fn list(needed: &Needed, database: &Path, named: Option<&Path>) -> Result<Self> {
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => database.with_file_name("engine"),
        };
        let mut shards = match EngineFolder::list(&path) {
            Ok(folder) => Self {
                folder,
                unknown: None,
                unread: None,
            },
            Err(error) if named.is_some() => return Err(error),
            Err(error) => return Ok(Self::not_known(path, why_unknown(&error))),
        };
        if named.is_none() {
            shards.unknown = shards.foreign(&needed.known);
        }
        Ok(shards)
    }

    /// The number of shards that [`EngineShards::read`] reads.
    #[must_use]
    pub fn number(&self, needed: &Needed) -> u64 {
        match self.unknown {
            Some(_) => 0,
            None => number_of(&self.folder.wanted(&needed.buckets)),
        }
    }

    /// Reads the times of the points of the buckets. `done` is called with the number of shards after
    /// each. A file that can't be read is no error: then the buckets are left.
    pub fn read(&mut self, needed: &Needed, done: &dyn Fn(u64)) {
        if self.unknown.is_none() {
            let wanted = self.folder.wanted(&needed.buckets);
            let read = self.folder.read(&wanted, done);
            self.unread = read.err().map(|error| error.to_string());
        }
    }

    /// Why this can't be the folder of the server, if the database knows shards and it has none of
    /// them.
    fn foreign(&self, known: &[Placed]) -> Option<String> {
        let present: BTreeSet<Placed> = self.placed().collect();
        let foreign = !known.is_empty() && known.iter().all(|shard| !present.contains(shard));
        foreign.then(|| {
            format!(
                "the engine folder {} has none of the {} that the database knows. Name the right one \
                 with --engine-path PATH, or this one if it is right",
                self.folder.path.display(),
                counted(known.len() as u64, "shard")
            )
        })
    }

    fn placed(&self) -> impl Iterator<Item = Placed> {
        self.folder.shards.iter().map(|shard| Placed {
            shard: shard.shard,
            bucket: shard.bucket.clone(),
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Files that were not read completely.
    #[must_use]
    pub fn flaws(&self) -> &Flaws {
        &self.folder.flaws
    }

    /// Checks that the folder has the same shards as when it was read.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it does not.
    pub(super) fn is_unchanged(&self) -> Result<()> {
        match self.unknown {
            Some(_) => Ok(()),
            None => self.folder.is_unchanged(),
        }
    }

    /// Why it is not known which shards exist.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// The highest number of a shard, for groups too: each group has a shard.
    pub(super) fn highest(&self) -> Highest {
        let number = self.folder.highest();
        Highest {
            group: number,
            shard: number,
        }
    }

    /// The time-series metadata of a bucket, with a group for each of its shards. `data` are the
    /// metadata so far, `highest` the highest numbers so far.
    ///
    /// # Errors
    /// The reason why they can't be made, without a full stop.
    pub(super) fn database(
        &self,
        bucket: &Bucket,
        data: &Data,
        highest: &mut Highest,
        now: jiff::Timestamp,
    ) -> Result<WithShards, String> {
        if let Some(why) = &self.unknown {
            return Err(format!("it is not known which shards it has: {why}"));
        }
        let duration = match bucket.shard_group_duration {
            known if known > 0 => known,
            _ => tsm_edit::shard_group_duration(bucket.retention_period),
        };
        let mut database = tsm_edit::database(bucket.id, bucket.retention_period, duration);
        let folders = self.folder.shards_in(bucket.id);
        if folders.is_empty() {
            return Ok(WithShards {
                database,
                shards: String::new(),
                after: "time-series metadata without shards".into(),
            });
        }
        if let Some(conflict) = ShardNumbers::new(&self.folder, data).conflict_of(folders) {
            return Err(conflict);
        }
        if let Some(why) = &self.unread {
            return Err(format!(
                "the times of its points are not known: {why}. Make the files readable, and run the \
                 command again"
            ));
        }
        let content = self
            .folder
            .buckets
            .get(&bucket.id)
            .ok_or_else(|| String::from("its shards were not read. Run the command again"))?;
        if !content.unread.is_empty() {
            return Err(format!(
                "no points can be read in {}, which has files that are damaged or foreign. Move its \
                 folders out of data and wal, and run the command again; without them its points are \
                 not shown",
                listed(&content.unread)
            ));
        }
        let found = groups(&content.shards, Some(duration));
        let groups = found.numbered(highest);
        let mut after = match (groups.first(), groups.last()) {
            (Some(first), Some(last)) => format!(
                "{} from {} to {}",
                counted(groups.len() as u64, "shard group"),
                day(first.start_time),
                day(last.end_time)
            ),
            _ => String::from("time-series metadata without shards"),
        };
        match expired(&groups, bucket.retention_period, now) {
            0 => {}
            n => after.push_str(&format!(
                "; {n} of them end before the retention of the bucket, so influxd deletes them after \
                 its start"
            )),
        }
        if !content.empty.is_empty() {
            after.push_str(&format!("; {} has no points", listed(&content.empty)));
        }
        if !found.overlapping.is_empty() {
            after.push_str(&format!(
                "; {} has points of the same time as an earlier shard, and influxd shows both",
                listed(&found.overlapping)
            ));
        }
        let numbers: Vec<u64> = groups
            .iter()
            .flat_map(|group| &group.shards)
            .map(|shard| shard.id)
            .collect();
        if let Some(policy) = database.retention_policies.first_mut() {
            policy.shard_groups = groups;
        }
        Ok(WithShards {
            database,
            shards: match numbers.is_empty() {
                true => String::new(),
                false => listed(&numbers),
            },
            after,
        })
    }
}

/// Why it is not known which shards exist, and what helps.
fn why_unknown(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!(
            "{error}. Name it with --engine-path PATH, or an empty folder if there are no points any \
             more"
        ),
        _ => format!("{error}. Make it readable, or name the right one with --engine-path PATH"),
    }
}

/// The day of a time in Unix nanoseconds.
fn day(time: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(time)).map(|time| time.to_string());
    let time = time.unwrap_or_default();
    time.get(..10).unwrap_or(&time).to_owned()
}
