//! Which folders of an engine can become buckets of a store, which buckets of the store lack shards that
//! are in their folders, and why other folders can't be used.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::series_key::SystemBucket;
use crate::metadata::tsm::Data;
use crate::metadata::{Catalog, Id, tsm_edit};
use crate::ops::bucket::lacking_shards::KnownShards;
use crate::ops::files::engine_folder::{BucketContent, EngineFolder, Wanted, bucket_id, listed};
use crate::ops::files::shard_numbers::ShardNumbers;
use crate::ops::resolve::By;

/// Which buckets are adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every bucket that the store does not know, except system buckets, and every shard that buckets
    /// of the store lack.
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
    /// The shards in an engine folder that must be read: those of buckets that are asked for, and not
    /// in `catalog` or not in `data`, its time-series metadata.
    #[must_use]
    pub fn candidates(&self, engine: &EngineFolder, catalog: &Catalog, data: &Data) -> Wanted {
        let known = KnownShards::of(data);
        let ids = engine.names().into_iter().filter_map(bucket_id);
        let asked = ids.filter(|id| match &self.which {
            Which::All => true,
            Which::Ids(ids) => ids.contains(id),
        });
        let shards = asked.map(|id| {
            let is_known = catalog.buckets.contains_key(&id) && known.database(id).is_some();
            let shards = match is_known {
                true => known.lacking(id, engine),
                false => engine.shards_in(id).iter().map(|one| one.shard).collect(),
            };
            (id, shards)
        });
        shards.filter(|(_, shards)| !shards.is_empty()).collect()
    }
}

/// A folder that is not adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    pub(super) engine: &'a EngineFolder,
    numbers: ShardNumbers<'a>,
    pub(super) known: KnownShards<'a>,
}

/// The buckets that change.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    /// Those that become buckets of the store.
    pub(super) new: BTreeMap<Id, &'a BucketContent>,
    /// Buckets of the store that get shards, with the content of these.
    pub(super) extended: BTreeMap<Id, &'a BucketContent>,
    /// Folders that are left.
    pub(super) skipped: Vec<Skipped>,
}

/// What happens to the folder of a bucket.
enum Decision<'a> {
    Adopt(&'a BucketContent),
    /// It was a system bucket, which is adopted only by ID.
    System(&'a BucketContent, SystemBucket),
    /// The store has the bucket, but not these shards.
    Extend(&'a BucketContent),
    /// The store has it, with all its shards.
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
        Self {
            options,
            catalog,
            engine,
            numbers: ShardNumbers::new(engine, data),
            known: KnownShards::of(data),
        }
    }

    /// Decides about all folders, or about those that are asked for.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`], [`ErrorKind::Refused`] when a bucket that is asked for can't be
    /// adopted.
    pub(super) fn choose(&self) -> Result<Chosen<'a>> {
        match &self.options.which {
            Which::All => self.all(),
            Which::Ids(ids) => self.named(ids),
        }
    }

    fn all(&self) -> Result<Chosen<'a>> {
        let mut chosen = Chosen::default();
        for name in self.engine.names() {
            let reason = match bucket_id(name) {
                None => Some("its name is not the ID of a bucket".into()),
                Some(id) => match self.decide(id)? {
                    Decision::System(_, system) => Some(format!(
                        "it was the bucket {} of an organization; to adopt it, name its ID",
                        system.name()
                    )),
                    Decision::Impossible(reason) => Some(reason),
                    Decision::Known => None,
                    Decision::Adopt(content) => {
                        chosen.new.insert(id, content);
                        None
                    }
                    Decision::Extend(content) => {
                        chosen.extended.insert(id, content);
                        None
                    }
                },
            };
            chosen.skipped.extend(reason.map(|reason| Skipped {
                id: name.to_owned(),
                reason,
            }));
        }
        Ok(chosen)
    }

    fn named(&self, ids: &BTreeSet<Id>) -> Result<Chosen<'a>> {
        let mut chosen = Chosen::default();
        for id in ids {
            match self.decide(*id)? {
                Decision::Adopt(content) | Decision::System(content, _) => {
                    chosen.new.insert(*id, content);
                }
                Decision::Extend(content) => {
                    chosen.extended.insert(*id, content);
                }
                Decision::Known => chosen.skipped.push(Skipped {
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
        Ok(chosen)
    }

    fn decide(&self, id: Id) -> Result<Decision<'a>> {
        let is_known = self.catalog.buckets.contains_key(&id);
        let shards = self.engine.shards_in(id);
        let lacking = self.known.lacking(id, self.engine);
        if is_known && lacking.is_empty() {
            return Ok(Decision::Known);
        }
        if shards.is_empty() {
            return Err(self.no_such(id));
        }
        let database = self.known.database(id);
        if is_known && database.is_none() {
            let reason = "the store has this bucket, but no time-series metadata of it; boltkey \
                          repair makes them again, with these shards";
            return Ok(Decision::Impossible(reason.into()));
        }
        if database.is_some_and(|database| !tsm_edit::takes_groups(database)) {
            let reason = "its time-series metadata have no retention policy for new points";
            return Ok(Decision::Impossible(reason.into()));
        }
        let new = shards.iter();
        let mut new = new.filter(|shard| !is_known || lacking.contains(&shard.shard));
        if let Some(reason) = new.find_map(|shard| self.numbers.conflict(shard)) {
            return Ok(Decision::Impossible(reason));
        }
        // A bucket that was in the store when the folder was read has no content.
        let content = self.engine.buckets.get(&id).ok_or_else(|| {
            Error::new(
                ErrorKind::Refused,
                format!("bucket {id} was changed in the store meanwhile"),
            )
            .with_hint("run the command again")
        })?;
        if is_known && content.shards.is_empty() && content.unread.is_empty() {
            return Ok(Decision::Known);
        }
        if content.shards.is_empty() {
            let number = listed(&content.empty);
            return Ok(Decision::Impossible(format!(
                "no points can be read in {number}"
            )));
        }
        Ok(match content.system {
            _ if is_known => Decision::Extend(content),
            Some(system) => Decision::System(content, system),
            None => Decision::Adopt(content),
        })
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
