//! Everything of a store that can be made again from its records: indexes, system buckets,
//! time-series metadata, migrations, empty buckets.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::Result;
use crate::metadata::json::Object;
use crate::metadata::migration::{HASHING, MIGRATIONS};
use crate::metadata::new_records::{SYSTEM_BUCKETS, put_bucket};
use crate::metadata::salvage::links::{INDEXES, id, links, text};
use crate::metadata::salvage::{Records, without_record};
use crate::metadata::tsm::{Database, Highest};
use crate::metadata::{Authorization, Id, Schema, migration, names, tsm, tsm_edit};
use crate::secret::Token;
use crate::store::{ChangeSet, Commit, Model, Snapshot};

/// What making things again needs from outside.
pub struct Surroundings<'s> {
    /// The current time in UTC, RFC 3339.
    pub utc: &'s str,
    /// Returns a new random ID, as organizations and buckets have them.
    pub random_id: &'s dyn Fn(&Model) -> Result<Id>,
    /// A random number.
    pub random: u64,
    /// The highest numbers of shards that exist.
    pub highest: Highest,
}

/// A new store, and what it lacks.
pub struct Rebuilt {
    /// Its content.
    pub content: Model,
    /// What was lost.
    pub lost: Vec<Lost>,
    /// What was made again.
    pub made: MadeAgain,
    /// Its authorizations.
    pub tokens: TokenReport,
    /// Tokens of which only an entry of the index is left, with the IDs of their authorizations.
    pub without_record: Vec<(Id, Token)>,
    /// Buckets that could not be found, and were made again without records.
    made_empty: Vec<Vec<u8>>,
}

/// Something that was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// The bucket of the store; `None` if it is not known.
    pub bucket: Option<String>,
    /// The ID of the record, if it is known.
    pub id: Option<String>,
    /// The name of the user, organization or bucket, if it is known.
    pub name: Option<String>,
    /// The page that can't be read, if it is known.
    pub page: Option<u64>,
    /// What is lost, in one sentence.
    pub reason: String,
}

/// What was made again; numbers of records unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MadeAgain {
    /// Organizations and users that other records need, under their old IDs.
    pub owners: u64,
    /// Entries of indexes.
    pub index_entries: u64,
    /// System buckets of organizations.
    pub system_buckets: u64,
    /// Buckets whose time-series metadata was lost. Their shards are not known.
    pub time_series: u64,
    /// Migrations.
    pub migrations: u64,
}

/// The authorizations of the new store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenReport {
    /// All of them.
    pub found: u64,
    /// Those that may be older versions, or deleted.
    pub doubtful: u64,
    /// Authorizations of which only an entry of a token index is left.
    pub only_in_index: u64,
    /// Their IDs, ascending.
    pub only_in_index_ids: Vec<String>,
    /// Those of them whose entry has the token itself.
    pub with_value: u64,
}

pub(super) fn lost(bucket: &[u8], reason: impl Into<String>) -> Lost {
    Lost {
        bucket: Some(String::from_utf8_lossy(bucket).into_owned()),
        id: None,
        name: None,
        page: None,
        reason: reason.into(),
    }
}

impl Records {
    /// Makes the content of a new store.
    ///
    /// # Errors
    /// When no ID can be made.
    pub fn rebuild(mut self, surroundings: &Surroundings<'_>) -> Result<Rebuilt> {
        let mut rebuilt = Rebuilt {
            content: Model::default(),
            lost: Vec::new(),
            made: MadeAgain::default(),
            tokens: TokenReport::default(),
            without_record: Vec::new(),
            made_empty: Vec::new(),
        };
        self.leave_out_undecodable();
        self.undecodable(&mut rebuilt);
        self.count_tokens(&mut rebuilt);
        self.missing_names(&mut rebuilt);
        self.put_pairs(&mut rebuilt);
        rebuilt.last_resorts(&self);
        rebuilt.migrations(&self, surroundings.utc)?;
        self.missing_parts(&mut rebuilt);
        self.owners(&mut rebuilt, surroundings.utc)?;
        rebuilt.tasks()?;
        rebuilt.indexes()?;
        rebuilt.system_buckets(surroundings)?;
        rebuilt.time_series(surroundings)?;
        rebuilt.lost.sort();
        Ok(rebuilt)
    }

    /// Leaves out authorizations that influxd can't decode: it would not start.
    fn leave_out_undecodable(&mut self) {
        let bucket = names::AUTHORIZATIONS;
        let Some(found) = self.buckets.get_mut(bucket) else {
            return;
        };
        let undecodable = &mut self.undecodable;
        found.pairs.retain(|key, version| {
            let decoded: std::result::Result<Authorization<'_>, _> =
                Authorization::decode(bucket, key, &version.value);
            if decoded.is_err() {
                undecodable.insert((bucket.to_vec(), key.clone()));
            }
            decoded.is_ok()
        });
    }

    /// Records that can't be decoded, and of which no other version was found.
    fn undecodable(&self, rebuilt: &mut Rebuilt) {
        for (bucket, key) in &self.undecodable {
            let is_index = self.indexes.contains_key(bucket.as_slice());
            let found = self.buckets.get(bucket);
            if is_index || found.is_some_and(|found| found.pairs.contains_key(key)) {
                continue;
            }
            let id = Id::from_bytes(key).ok();
            rebuilt.lost.push(Lost {
                id: id.map(|id| id.to_string()),
                ..lost(bucket, "a record is damaged and can't be decoded")
            });
        }
    }

    fn count_tokens(&self, rebuilt: &mut Rebuilt) {
        let records = self.buckets.get(names::AUTHORIZATIONS);
        let tokens = &mut rebuilt.tokens;
        if let Some(found) = records {
            tokens.found = found.pairs.len() as u64;
            let doubtful = found.pairs.values().filter(|version| version.doubtful);
            tokens.doubtful = doubtful.count() as u64;
        }
        let mut ids = BTreeSet::new();
        for index in [
            names::AUTHORIZATION_INDEX,
            names::AUTHORIZATION_HASHED_INDEX,
        ] {
            if let Some(found) = self.indexes.get(index) {
                let alone = without_record(found, records);
                if index == names::AUTHORIZATION_INDEX {
                    let entries = found.pairs.iter().filter_map(|(key, version)| {
                        let id = Id::from_bytes(&version.value).ok()?;
                        let text = std::str::from_utf8(key).ok()?;
                        alone
                            .contains(&id)
                            .then(|| (id, Token::new(text.to_owned())))
                    });
                    rebuilt.without_record = entries.collect();
                    tokens.with_value = alone.len() as u64;
                }
                ids.extend(alone);
            }
        }
        tokens.only_in_index = ids.len() as u64;
        tokens.only_in_index_ids = ids.iter().map(ToString::to_string).collect();
        let known = rebuilt.lost.iter().filter_map(|lost| lost.id.clone());
        let known: BTreeSet<String> = known.collect();
        for id in ids {
            let id = id.to_string();
            if known.contains(&id) {
                continue;
            }
            rebuilt.lost.push(Lost {
                id: Some(id),
                ..lost(
                    names::AUTHORIZATIONS,
                    "only the index of tokens still has this authorization",
                )
            });
        }
    }

    /// Buckets and 1.x authorizations of which only the name is left.
    fn missing_names(&self, rebuilt: &mut Rebuilt) {
        for (index, records, what) in [
            (names::BUCKET_INDEX, names::BUCKETS, "bucket"),
            (
                names::LEGACY_AUTHORIZATION_INDEX,
                names::LEGACY_AUTHORIZATIONS,
                "1.x authorization",
            ),
        ] {
            let Some(entries) = self.indexes.get(index) else {
                continue;
            };
            let alone = without_record(entries, self.buckets.get(records));
            for (key, version) in &entries.pairs {
                let id = Id::from_bytes(&version.value).ok();
                let Some(id) = id.filter(|id| alone.contains(id)) else {
                    continue;
                };
                let key = String::from_utf8_lossy(key);
                let name = match index {
                    names::BUCKET_INDEX => key.get(16..).unwrap_or_default(),
                    _ => &key,
                };
                rebuilt.lost.push(Lost {
                    id: Some(id.to_string()),
                    name: Some(name.to_owned()),
                    ..lost(
                        records,
                        format!("only the index of names still has this {what}"),
                    )
                });
            }
        }
    }

    /// Damaged parts of the tree whose records nothing else tells about.
    fn missing_parts(&self, rebuilt: &mut Rebuilt) {
        let mut told = BTreeSet::new();
        for part in &self.missing {
            let page = part.page;
            let Some(bucket) = part.bucket.as_deref() else {
                // Indexes are made again from the records.
                let is_index = |name: &[u8]| INDEXES.iter().any(|(index, _)| *index == name);
                let gone: Vec<_> = rebuilt
                    .made_empty
                    .iter()
                    .filter(|name| !is_index(name))
                    .map(|name| String::from_utf8_lossy(name).into_owned())
                    .collect();
                if !gone.is_empty() && told.insert(Vec::new()) {
                    rebuilt.lost.push(Lost {
                        bucket: None,
                        page: Some(page),
                        ..lost(
                            b"",
                            format!(
                                "the page can't be read; buckets that may have been on it, and \
                                 can't be found elsewhere: {}",
                                gone.join(", ")
                            ),
                        )
                    });
                }
                continue;
            };
            let is_index = INDEXES.iter().any(|(index, _)| *index == bucket);
            let mut indexes = INDEXES.iter().filter(|(_, records)| *records == bucket);
            let mut has_index = false;
            // An index that is complete names each lost record.
            let all_known = indexes.all(|(index, _)| {
                has_index = true;
                let found = self.indexes.get(index);
                found.is_none_or(|found| found.cover.is_everything())
            });
            let found = self.buckets.get(bucket);
            let is_complete = found.is_some_and(|found| found.cover.is_everything());
            if is_index || is_complete || has_index && all_known || !told.insert(bucket.to_vec()) {
                continue;
            }
            rebuilt.lost.push(Lost {
                page: Some(page),
                ..lost(
                    bucket,
                    format!("page {page} of this bucket can't be read; its records may be lost"),
                )
            });
        }
    }

    fn put_pairs(&self, rebuilt: &mut Rebuilt) {
        for name in &self.names {
            rebuilt.content.create_bucket(name);
        }
        let indexes = self.indexes.iter().map(|(name, found)| (*name, found));
        let buckets = self
            .buckets
            .iter()
            .map(|(name, found)| (name.as_slice(), found));
        for (name, found) in buckets.chain(indexes) {
            for (key, version) in &found.pairs {
                rebuilt.content.put(name, key, &version.value);
            }
        }
    }
}

impl Rebuilt {
    pub(super) fn commit(&mut self, changes: &ChangeSet) -> Result<()> {
        self.content.commit(changes, &[]).map(drop)
    }

    pub(super) fn pairs(&self, bucket: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut pairs = Vec::new();
        self.content.scan(bucket, &mut |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(pairs)
    }

    /// Records that every store has one of: an old one is better than none.
    fn last_resorts(&mut self, records: &Records) {
        for (bucket, key) in [
            (names::TSM_METADATA, names::TSM_METADATA_KEY),
            (names::INSTANCE, names::INSTANCE_KEY),
        ] {
            let there = matches!(self.content.get(bucket, key), Ok(Some(_)));
            if let (false, Some(value)) = (there, records.old_values.get(key)) {
                self.content.put(bucket, key, value);
                if bucket == names::TSM_METADATA {
                    self.lost.push(lost(
                        bucket,
                        "the time-series metadata is an older version, found on a free page: \
                         shards that were made since are not known; boltkey bucket adopt --all adds \
                         them to the new store from the engine folder",
                    ));
                }
            }
        }
    }

    /// The sequence of migrations without a gap, and the buckets that they create.
    fn migrations(&mut self, records: &Records, utc: &str) -> Result<()> {
        let schema = Schema::load(&self.content)?;
        let mut newest = schema.migrations.min(MIGRATIONS.len() as u64);
        let is_whole = records
            .buckets
            .get(names::MIGRATIONS)
            .is_some_and(|found| found.cover.covers(b"ffffffffffffffff"));
        if !is_whole {
            newest = newest.max(self.schema_of_records(records)?);
        }
        let mut changes = ChangeSet::default();
        changes.create_bucket(names::MIGRATIONS);
        for number in 1..=newest {
            let key = hex::encode(number.to_be_bytes());
            if self
                .content
                .get(names::MIGRATIONS, key.as_bytes())?
                .is_none()
            {
                migration::put_record(&mut changes, number, utc);
                self.made.migrations += 1;
            }
        }
        for (since, name, _) in names::EXPECTED {
            if *since <= newest {
                if !records.names.contains(*name) && self.pairs(name)?.is_empty() {
                    self.made_empty.push(name.to_vec());
                }
                changes.create_bucket(name);
            }
        }
        self.commit(&changes)
    }

    /// The newest migration that the records show.
    fn schema_of_records(&self, records: &Records) -> Result<u64> {
        let mut newest = 0;
        for (since, name, _) in names::EXPECTED {
            let known = records.names.contains(*name);
            if known && *name != names::AUTHORIZATION_HASHED_INDEX {
                newest = newest.max(*since);
            }
        }
        let mut has = [false; 3];
        for (_, value) in self.pairs(names::AUTHORIZATIONS)? {
            let Some(object) = Object::parse(&value) else {
                continue;
            };
            let permissions = object.get("permissions").unwrap_or_default();
            let names = |kind: &[u8]| memchr::memmem::find(permissions, kind).is_some();
            let [hashed, remotes, notebooks] = &mut has;
            *hashed |= !text(&object, "hashedToken").is_empty();
            *remotes |= names(b"\"remotes\"");
            *notebooks |= names(b"\"notebooks\"");
        }
        let [hashed, remotes, notebooks] = has;
        let shown = if hashed {
            HASHING
        } else if remotes {
            20
        } else if notebooks {
            18
        } else {
            15
        };
        Ok(newest.max(shown))
    }

    /// Leaves out tasks without an organization: influxd would not start.
    fn tasks(&mut self) -> Result<()> {
        for (key, value) in self.pairs(names::TASKS)? {
            let org = Object::parse(&value).and_then(|object| id(&object, "orgID"));
            let there = match org {
                Some(org) => {
                    let key = org.to_string();
                    self.content
                        .get(names::ORGANIZATIONS, key.as_bytes())?
                        .is_some()
                }
                None => false,
            };
            if !there {
                self.content.delete(names::TASKS, &key);
                self.lost.push(Lost {
                    id: Some(String::from_utf8_lossy(&key).into_owned()),
                    ..lost(
                        names::TASKS,
                        "the task is left out because its organization is missing: influxd \
                         would not start",
                    )
                });
            }
        }
        Ok(())
    }

    /// Removes entries without a record, and adds those that are missing.
    fn indexes(&mut self) -> Result<()> {
        let (buckets, _) = self.content.buckets()?;
        let known: BTreeSet<Vec<u8>> = buckets.into_iter().map(|bucket| bucket.name).collect();
        for (index, records) in INDEXES {
            if !known.contains(*index) {
                continue;
            }
            for (key, target) in self.pairs(index)? {
                if self.content.get(records, &target)?.is_none() {
                    self.content.delete(index, &key);
                }
            }
        }
        let mut records: Vec<&[u8]> = INDEXES.iter().map(|(_, records)| *records).collect();
        records.dedup();
        for bucket in records {
            for (key, value) in self.pairs(bucket)? {
                for link in links(bucket, &key, &value) {
                    let there = self.content.get(link.index, &link.key)?.is_some();
                    // Of two records with one name influxd uses the one that the entry leads to.
                    if !there && known.contains(link.index) {
                        self.content.put(link.index, &link.key, &link.target);
                        self.made.index_entries += 1;
                    }
                }
            }
        }
        for (bucket, index) in [
            (names::TASKS, &b"taskIndexsv1"[..]),
            (b"telegrafv1", b"telegrafbyorgindexv1"),
        ] {
            for (key, value) in self.pairs(bucket)? {
                let org = Object::parse(&value).and_then(|object| id(&object, "orgID"));
                let Some(org) = org.filter(|_| known.contains(index)) else {
                    continue;
                };
                let mut entry = format!("{org}/").into_bytes();
                entry.extend_from_slice(&key);
                if self.content.get(index, &entry)?.is_none() {
                    self.content.put(index, &entry, &key);
                    self.made.index_entries += 1;
                }
            }
        }
        Ok(())
    }

    /// Adds the system buckets that an organization lacks: influxd needs them for tasks.
    fn system_buckets(&mut self, surroundings: &Surroundings<'_>) -> Result<()> {
        let mut there = BTreeSet::new();
        for (_, value) in self.pairs(names::BUCKETS)? {
            if let Some(object) = Object::parse(&value)
                && let Some(org) = id(&object, "orgID")
            {
                there.insert((org, text(&object, "name")));
            }
        }
        for (key, _) in self.pairs(names::ORGANIZATIONS)? {
            let Ok(org) = Id::from_bytes(&key) else {
                continue;
            };
            for bucket in SYSTEM_BUCKETS {
                if there.contains(&(org, bucket.name.to_owned())) {
                    continue;
                }
                let id = (surroundings.random_id)(&self.content)?;
                let mut changes = ChangeSet::default();
                // Its metadata is added with that of all others.
                let _ = put_bucket(&mut changes, id, org, &bucket, surroundings.utc);
                self.commit(&changes)?;
                self.made.system_buckets += 1;
            }
        }
        Ok(())
    }

    /// Adds the time-series metadata that buckets lack: influxd does not start without it.
    fn time_series(&mut self, surroundings: &Surroundings<'_>) -> Result<()> {
        let (bucket, key) = (names::TSM_METADATA, names::TSM_METADATA_KEY);
        let old = self.content.get(bucket, key)?;
        let data = old.as_ref().and_then(|value| tsm::decode(value).ok());
        let known: BTreeSet<String> = data
            .iter()
            .flat_map(|data| data.databases.iter().map(|database| database.name.clone()))
            .collect();
        let mut new: Vec<Database> = Vec::new();
        for (key, value) in self.pairs(names::BUCKETS)? {
            let Ok(id) = Id::from_bytes(&key) else {
                continue;
            };
            if known.contains(&id.to_string()) {
                continue;
            }
            let object = Object::parse(&value);
            let number = |name: &str| {
                let value = object.as_ref().and_then(|object| object.get(name));
                value.and_then(|value| serde_json::from_slice::<i64>(value).ok())
            };
            let retention = number("retentionPeriod").unwrap_or_default();
            let group = number("shardGroupDuration").filter(|group| *group > 0);
            let group = group.unwrap_or_else(|| tsm_edit::shard_group_duration(retention));
            new.push(tsm_edit::database(id, retention, group));
        }
        let added = new.len() as u64;
        let made = self.made.system_buckets.min(added);
        self.made.time_series = added - made;
        if added > made {
            self.lost.push(lost(
                bucket,
                format!(
                    "the shards of {} are not known, so influxd does not serve their old points; \
                     boltkey bucket adopt --all adds them to the new store from the engine folder",
                    crate::finding::counted(added - made, "bucket")
                ),
            ));
        }
        let value = match old.as_deref().filter(|_| data.is_some()) {
            Some(old) if new.is_empty() => old.to_vec(),
            Some(old) => {
                let with = tsm_edit::with_databases(old, &new).unwrap_or_else(|| old.to_vec());
                tsm_edit::raised(&with, surroundings.highest).unwrap_or(with)
            }
            None if new.is_empty() && old.is_none() => return Ok(()),
            None => tsm_edit::new_value(surroundings.random, new, surroundings.highest),
        };
        self.content.put(bucket, key, &value);
        Ok(())
    }
}
