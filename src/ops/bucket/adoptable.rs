//! Which folders of an engine can become buckets of a store, and why the others can't.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::series_key::SystemBucket;
use crate::metadata::tsm::Data;
use crate::metadata::{Catalog, Id};
use crate::ops::files::engine_folder::{BucketContent, EngineFolder, bucket_id, listed};
use crate::ops::files::shard_numbers::ShardNumbers;
use crate::ops::resolve::By;

/// Which buckets are adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every bucket that the store does not know, except system buckets.
    All,
    /// These.
    Ids(BTreeSet<Id>),
}

/// Options of an adoption.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which buckets.
    pub which: Which,
    /// Names for some of them. The others get the name `recovered-<ID>`.
    pub names: BTreeMap<Id, String>,
    /// The organization of the buckets; needed if there are several.
    pub org: Option<By>,
}

impl Options {
    /// The buckets of an engine folder whose content must be read: those that are asked for and not in
    /// `catalog`.
    #[must_use]
    pub fn candidates(&self, engine: &EngineFolder, catalog: &Catalog) -> BTreeSet<Id> {
        let ids = engine.names().into_iter().filter_map(bucket_id);
        let asked = ids.filter(|id| match &self.which {
            Which::All => true,
            Which::Ids(ids) => ids.contains(id),
        });
        asked
            .filter(|id| !catalog.buckets.contains_key(id))
            .collect()
    }
}

/// A folder that is not adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name: the ID of a bucket, unless it is foreign.
    pub id: String,
    /// Why, without a full stop.
    pub reason: String,
}

/// The facts that decide which buckets are adopted.
pub(super) struct Adoptable<'a> {
    pub(super) options: &'a Options,
    pub(super) catalog: &'a Catalog,
    engine: &'a EngineFolder,
    numbers: ShardNumbers<'a>,
    /// The shards of each bucket in the metadata, without those of deleted groups.
    known: HashMap<String, BTreeSet<u64>>,
}

/// Whether a folder becomes a bucket.
enum Decision<'a> {
    Adopt(&'a BucketContent),
    /// It was a system bucket, which is adopted only by ID.
    System(&'a BucketContent, SystemBucket),
    /// The store has it.
    Known,
    /// The reason, without a full stop.
    Impossible(String),
}

impl<'a> Adoptable<'a> {
    /// Collects the facts.
    pub(super) fn new(
        options: &'a Options,
        engine: &'a EngineFolder,
        catalog: &'a Catalog,
        data: &'a Data,
    ) -> Self {
        let mut known: HashMap<String, BTreeSet<u64>> = HashMap::new();
        for placed in data.shards() {
            known.entry(placed.bucket).or_default().insert(placed.shard);
        }
        Self {
            options,
            catalog,
            engine,
            numbers: ShardNumbers::new(engine, data),
            known,
        }
    }

    /// The buckets to adopt, and the folders that are not adopted.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`], [`ErrorKind::Refused`] when a bucket that is asked for can't be
    /// adopted.
    pub(super) fn choose(&self) -> Result<(BTreeMap<Id, &'a BucketContent>, Vec<Skipped>)> {
        match &self.options.which {
            Which::All => self.all(),
            Which::Ids(ids) => self.named(ids),
        }
    }

    fn all(&self) -> Result<(BTreeMap<Id, &'a BucketContent>, Vec<Skipped>)> {
        let mut chosen = BTreeMap::new();
        let mut skipped = Vec::new();
        for name in self.engine.names() {
            let mut skip = |reason: String| {
                let id = name.to_owned();
                skipped.push(Skipped { id, reason });
            };
            let Some(id) = bucket_id(name) else {
                skip("its name is not the ID of a bucket".into());
                continue;
            };
            match self.decide(id)? {
                Decision::Adopt(content) => {
                    chosen.insert(id, content);
                }
                Decision::System(_, system) => skip(format!(
                    "it was the bucket {} of an organization; to adopt it, name its ID",
                    system.name()
                )),
                Decision::Impossible(reason) => skip(reason),
                Decision::Known => {
                    let lacking = self.lacking(id);
                    if !lacking.is_empty() {
                        let lacking = listed(&lacking);
                        skip(format!("the store has this bucket, but not its {lacking}"));
                    }
                }
            }
        }
        Ok((chosen, skipped))
    }

    fn named(&self, ids: &BTreeSet<Id>) -> Result<(BTreeMap<Id, &'a BucketContent>, Vec<Skipped>)> {
        let mut chosen = BTreeMap::new();
        let mut skipped = Vec::new();
        for id in ids {
            match self.decide(*id)? {
                Decision::Adopt(content) | Decision::System(content, _) => {
                    chosen.insert(*id, content);
                }
                Decision::Known => skipped.push(Skipped {
                    id: id.to_string(),
                    reason: "the store has this bucket".into(),
                }),
                Decision::Impossible(reason) => {
                    return Err(Error::new(
                        ErrorKind::Refused,
                        format!("bucket {id} can't be adopted: {reason}"),
                    ));
                }
            }
        }
        Ok((chosen, skipped))
    }

    fn decide(&self, id: Id) -> Result<Decision<'a>> {
        if self.catalog.buckets.contains_key(&id) {
            return Ok(Decision::Known);
        }
        let shards = self.engine.shards_in(id);
        if shards.is_empty() {
            return Err(self.no_such(id));
        }
        if let Some(reason) = self.numbers.conflict_of(shards) {
            return Ok(Decision::Impossible(reason));
        }
        // A bucket that was in the store when the folder was read has no content.
        let content = self.engine.buckets.get(&id).ok_or_else(|| {
            Error::new(
                ErrorKind::Refused,
                format!("bucket {id} was deleted from the store meanwhile"),
            )
            .with_hint("run the command again")
        })?;
        if content.shards.is_empty() {
            let number = listed(&content.empty);
            return Ok(Decision::Impossible(format!(
                "no points can be read in {number}"
            )));
        }
        Ok(match content.system {
            Some(system) => Decision::System(content, system),
            None => Decision::Adopt(content),
        })
    }

    /// The shards in the folder of a bucket that the metadata lack.
    pub(super) fn lacking(&self, id: Id) -> Vec<u64> {
        let known = self.known.get(&id.to_string());
        let shards = self.engine.shards_in(id).iter().map(|shard| shard.shard);
        shards
            .filter(|shard| known.is_none_or(|known| !known.contains(shard)))
            .collect()
    }

    /// The shards of a bucket in the metadata, ascending, without those of deleted groups.
    pub(super) fn in_metadata(&self, id: Id) -> Vec<u64> {
        let known = self.known.get(&id.to_string());
        known.into_iter().flatten().copied().collect()
    }

    fn no_such(&self, id: Id) -> Error {
        let ids: Vec<Id> = self
            .engine
            .names()
            .into_iter()
            .filter_map(bucket_id)
            .collect();
        let unknown = ids
            .iter()
            .filter(|id| !self.catalog.buckets.contains_key(id));
        let mut unknown: Vec<String> = unknown.map(Id::to_string).collect();
        let hint = match unknown.len() {
            0 => "the store knows all buckets of the folder".into(),
            more @ 21.. => {
                unknown.truncate(20);
                format!("there are: {}, and {} more", unknown.join(", "), more - 20)
            }
            _ => format!("there are: {}", unknown.join(", ")),
        };
        Error::new(
            ErrorKind::NoSuchRecord,
            format!(
                "{} has no shards of bucket {id}",
                self.engine.path.display()
            ),
        )
        .naming(&self.engine.path)
        .with_hint(hint)
    }
}
