//! `bucket adopt`: creates buckets for folders of the engine that the store does not know, under
//! their old IDs, with shard groups for their shards. Buckets of the store get the shards that their
//! time-series metadata lack.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_records::{NewBucket, put_bucket, valid_bucket_name};
use crate::metadata::shard_groups::{Groups, expired, groups, groups_beside};
use crate::metadata::tsm::{Data, Database, Highest, ShardGroup};
use crate::metadata::{Catalog, Id, names, tsm, tsm_edit};
use crate::ops::bucket::adoptable::{Adoptable, Options, Skipped};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::files::engine_folder::{BucketContent, EngineFolder};
use crate::ops::resolve::{must_be_free, org};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// A bucket that is adopted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// Its old ID.
    pub id: Id,
    /// Its new name.
    pub name: String,
    /// The numbers of its shards, by time.
    pub shards: Vec<u64>,
    /// Time of the first point, RFC 3339.
    pub from: String,
    /// Time of the last point, RFC 3339.
    pub to: String,
    /// Retention in seconds; 0 for unlimited.
    pub retention_seconds: i64,
    /// Seconds that a new shard group covers.
    pub shard_group_duration_seconds: i64,
    /// Shards without points that can be read. They are not in the metadata.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<u64>,
    /// Shards with points of the same time as points of an earlier shard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlapping: Vec<u64>,
    /// The shard groups.
    #[serde(skip)]
    pub groups: Vec<ShardGroup>,
}

/// A bucket of the store that gets shards.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Extended {
    /// Its ID.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// The numbers of the shards that it gets, by time.
    pub shards: Vec<u64>,
    /// Time of the first point in them, RFC 3339.
    pub from: String,
    /// Time of the last point in them, RFC 3339.
    pub to: String,
    /// How many of the shards end before its retention: influxd deletes them.
    #[serde(skip_serializing_if = "is_zero")]
    pub expired: u64,
    /// Shards without points that can be read. They are not in the metadata.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<u64>,
    /// Shards with points of the same time as points of another shard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlapping: Vec<u64>,
    /// The shard groups.
    #[serde(skip)]
    pub groups: Vec<ShardGroup>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // for serde
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A planned adoption.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// The organization's ID and name; none if there is no bucket to adopt.
    pub org: Option<(Id, String)>,
    /// The buckets, by ID.
    pub adopted: Vec<Adopted>,
    /// Buckets of the store that get shards, by ID.
    pub extended: Vec<Extended>,
    /// Folders that are not adopted, by name.
    pub skipped: Vec<Skipped>,
}

/// Plans the records and the time-series metadata. Reads nothing but the store.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::NoSuchRecord`] when the engine folder has no shards of a bucket that is asked for
/// * [`ErrorKind::Usage`] when the organization must be named
/// * [`ErrorKind::Refused`] for a name that InfluxDB refuses, and when a bucket that is asked for
///   can't be adopted
pub fn plan(
    snapshot: &dyn Snapshot,
    options: &Options,
    engine: &EngineFolder,
    now: &Timestamp,
) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let old = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
    let data = match &old {
        Some(value) => tsm::decode(value).map_err(|_| tsm::undecodable())?,
        None => Data::default(),
    };
    let facts = Adoptable::new(options, engine, &catalog, &data);
    let chosen = facts.choose()?;
    facts.named_exist(&chosen.new)?;
    let mut plan = Plan {
        changes: ChangeSet::default(),
        org: None,
        adopted: Vec::new(),
        extended: Vec::new(),
        skipped: chosen.skipped,
    };
    if chosen.new.is_empty() && chosen.extended.is_empty() {
        return Ok(plan);
    }
    let mut highest = data.highest().and(Highest {
        group: 0,
        shard: engine.highest(),
    });
    let mut databases = Vec::new();
    let mut added = BTreeMap::new();
    if !chosen.new.is_empty() {
        let org = org(&catalog, options.org.as_ref(), ErrorKind::Usage)?;
        plan.org = Some((org.id, org.name.clone()));
        let mut taken = BTreeSet::new();
        for (id, content) in chosen.new {
            let name = facts.name(id, org.id, &mut taken)?;
            let known = facts.known.database(id);
            let bucket = match known {
                Some(known) => facts.known(id, name, content, known, &mut highest),
                None => new(id, name, content, &mut highest),
            };
            let mut database = put(&mut plan.changes, &bucket, org.id, now);
            match (known, database.retention_policies.first_mut()) {
                (None, Some(policy)) => {
                    policy.shard_groups.clone_from(&bucket.groups);
                    databases.push(database);
                }
                _ => {
                    added.insert(id.to_string(), bucket.groups.clone());
                }
            }
            plan.adopted.push(bucket);
        }
    }
    for (id, content) in chosen.extended {
        let bucket = facts.extended(id, content, &mut highest, now);
        added.extend(
            bucket
                .iter()
                .map(|one| (id.to_string(), one.groups.clone())),
        );
        plan.extended.extend(bucket);
    }
    let old = match old {
        Some(value) => value,
        None => tsm_edit::new_value(new_id::random_number()?, Vec::new(), Highest::default()),
    };
    let value = tsm_edit::with_databases(&old, &databases)
        .and_then(|value| tsm_edit::with_groups(&value, &added))
        .and_then(|value| tsm_edit::raised(&value, highest))
        .ok_or_else(tsm::undecodable)?;
    plan.changes.create_bucket(names::TSM_METADATA);
    let key = names::TSM_METADATA_KEY;
    plan.changes.put(names::TSM_METADATA, key, &value);
    Ok(plan)
}

const SECOND: i64 = 1_000_000_000;

/// Adds record and index entry of a bucket. Returns its time-series metadata without groups.
fn put(changes: &mut ChangeSet, bucket: &Adopted, org: Id, now: &Timestamp) -> Database {
    let record = NewBucket {
        name: &bucket.name,
        description: "",
        system: false,
        retention: bucket.retention_seconds.saturating_mul(SECOND),
        shard_group_duration: bucket.shard_group_duration_seconds.saturating_mul(SECOND),
    };
    put_bucket(changes, bucket.id, org, &record, &now.utc)
}

/// A bucket that neither the records nor the time-series metadata know. Its groups get the next
/// numbers. Its retention is not known, so its points are kept.
fn new(id: Id, name: String, content: &BucketContent, highest: &mut Highest) -> Adopted {
    let found = groups(&content.shards, None);
    let groups = found.numbered(highest);
    let Groups {
        duration,
        overlapping,
        ..
    } = found;
    let shards = numbers(&groups).collect();
    Adopted {
        overlapping,
        groups,
        ..adopted(id, name, content, shards, (0, duration))
    }
}

/// The numbers of the shards in groups.
fn numbers(groups: &[ShardGroup]) -> impl Iterator<Item = u64> {
    let shards = groups.iter().flat_map(|group| &group.shards);
    shards.map(|shard| shard.id)
}

/// The times of the first and the last point.
fn range(content: &BucketContent) -> (String, String) {
    let first = content.shards.iter().map(|shard| shard.first).min();
    let last = content.shards.iter().map(|shard| shard.last).max();
    (rfc3339(first), rfc3339(last))
}

/// `shards` are its shards in the metadata; retention and duration are nanoseconds.
fn adopted(
    id: Id,
    name: String,
    content: &BucketContent,
    shards: Vec<u64>,
    (retention, duration): (i64, i64),
) -> Adopted {
    let (from, to) = range(content);
    Adopted {
        id,
        name,
        shards,
        from,
        to,
        retention_seconds: retention / SECOND,
        shard_group_duration_seconds: duration / SECOND,
        empty: content.empty.clone(),
        overlapping: Vec::new(),
        groups: Vec::new(),
    }
}

/// A time in nanoseconds as text.
fn rfc3339(nanoseconds: Option<i64>) -> String {
    let time = nanoseconds.map(|ns| jiff::Timestamp::from_nanosecond(i128::from(ns)));
    time.and_then(Result::ok)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

impl Adoptable<'_> {
    /// Refuses a name for a bucket that is neither adopted nor in the store.
    fn named_exist(&self, chosen: &BTreeMap<Id, &BucketContent>) -> Result<()> {
        for id in self.options.names.keys() {
            if !chosen.contains_key(id) && !self.catalog.buckets.contains_key(id) {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("--name names bucket {id}, which is not adopted"),
                )
                .with_hint(format!("ask for it: boltkey bucket adopt {id}")));
            }
        }
        Ok(())
    }

    /// The name of an adopted bucket. `taken` are those of the buckets before it.
    fn name(&self, id: Id, org: Id, taken: &mut BTreeSet<String>) -> Result<String> {
        let name = match self.options.names.get(&id) {
            Some(name) => name.clone(),
            None => format!("recovered-{id}"),
        };
        valid_bucket_name(&name).map_err(|why| Error::new(ErrorKind::Refused, why))?;
        let hint = format!("choose another name with --name {id}=NAME");
        must_be_free(&self.catalog.bucket_by_name(org, &name), &name, &hint)?;
        if !taken.insert(name.clone()) {
            let error = Error::new(
                ErrorKind::Refused,
                format!("two buckets would have the name {name:?}"),
            );
            return Err(error.with_hint(hint));
        }
        Ok(name)
    }

    /// A bucket without a record that the time-series metadata still know. They get the shards that
    /// they lack.
    fn known(
        &self,
        id: Id,
        name: String,
        content: &BucketContent,
        known: &Database,
        highest: &mut Highest,
    ) -> Adopted {
        let policy = known.retention_policies.first();
        let times = policy.map_or((0, 0), |policy| {
            (policy.duration, policy.shard_group_duration)
        });
        let (groups, overlapping) = self.lacking_groups(id, content, known, highest);
        let mut shards = self.known.live(id);
        shards.extend(numbers(&groups));
        Adopted {
            groups,
            overlapping,
            ..adopted(id, name, content, shards, times)
        }
    }

    /// A bucket of the store, with the shards that its time-series metadata lack; `None` if it has no
    /// metadata.
    fn extended(
        &self,
        id: Id,
        content: &BucketContent,
        highest: &mut Highest,
        now: &Timestamp,
    ) -> Option<Extended> {
        let known = self.known.database(id)?;
        let record = self.catalog.buckets.get(&id)?;
        let (groups, overlapping) = self.lacking_groups(id, content, known, highest);
        let (from, to) = range(content);
        Some(Extended {
            id,
            name: record.name.clone(),
            shards: numbers(&groups).collect(),
            from,
            to,
            expired: expired(&groups, record.retention_period, now.time),
            empty: content.empty.clone(),
            overlapping,
            groups,
        })
    }

    /// Groups for the shards that the metadata of a bucket lack, beside those that they have. Also the
    /// shards with points of the same time as others.
    fn lacking_groups(
        &self,
        id: Id,
        content: &BucketContent,
        known: &Database,
        highest: &mut Highest,
    ) -> (Vec<ShardGroup>, Vec<u64>) {
        let lacking = self.known.lacking(id, self.engine);
        let shards = content.shards.iter().copied();
        let shards: Vec<_> = shards.filter(|one| lacking.contains(&one.shard)).collect();
        let policies = known.retention_policies.iter();
        let taken = policies.clone().flat_map(|policy| &policy.shard_groups);
        let taken = taken.filter(|group| group.deleted_at == 0);
        let taken: Vec<_> = taken
            .map(|group| (group.start_time, group.end_time))
            .collect();
        let duration = policies.map(|policy| policy.shard_group_duration).next();
        let found = groups_beside(&shards, duration.unwrap_or_default(), &taken);
        (found.numbered(highest), found.overlapping)
    }
}

impl Plan {
    /// Commits the change, then reads the file again to verify it.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the adoption")
    }
}

#[cfg(test)]
mod tests {
    use jiff::Zoned;
    use prost::Message;

    use super::*;
    use crate::metadata::new_records::put_org;
    use crate::metadata::new_store;
    use crate::metadata::shard_groups::ShardTimes;
    use crate::ops::bucket::adoptable::Which;
    use crate::store::engine_folder::ShardFolder;
    use crate::store::{Commit, Model, Preview};

    const HOUR: i64 = 3600 * SECOND;

    fn id(number: u64) -> Id {
        Id::new(number).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from(&Zoned::now())
    }

    /// A store with an organization and these time-series metadata.
    fn store(data: Option<&Data>) -> Model {
        let mut changes = new_store::changes(id(7), 21, &now().utc);
        put_org(&mut changes, id(1), "acme", &now().utc);
        if let Some(data) = data {
            let key = names::TSM_METADATA_KEY;
            changes.put(names::TSM_METADATA, key, &data.encode_to_vec());
        }
        let mut model = Model::default();
        model.commit(&changes, &[]).unwrap();
        model
    }

    /// A folder with these shards, each with points of an hour of its own.
    fn folder(shards: &[(u64, u64)]) -> EngineFolder {
        let mut folder = EngineFolder::default();
        for (bucket, shard) in shards {
            folder.shards.push(ShardFolder {
                bucket: id(*bucket).to_string(),
                shard: *shard,
                policy: "autogen".into(),
                has_data: true,
                has_wal: false,
                flaw: None,
            });
            let first = i64::try_from(*shard).unwrap() * HOUR;
            let content = folder.buckets.entry(id(*bucket)).or_default();
            content.shards.push(ShardTimes {
                shard: *shard,
                first,
                last: first + 5,
            });
        }
        folder
    }

    fn options(which: Which) -> Options {
        Options {
            which,
            names: BTreeMap::new(),
            org: None,
        }
    }

    /// The plan, and the metadata after it.
    fn planned(model: &Model, folder: &EngineFolder) -> (Plan, Option<Data>) {
        let plan = plan(model, &options(Which::All), folder, &now()).unwrap();
        let after = Preview::new(model, &plan.changes);
        let data = tsm::load(&after).unwrap();
        (plan, data)
    }

    #[test]
    fn no_number_is_given_out_again() {
        // Metadata of a server that no bucket has used, and none at all.
        let data = Data {
            index: 4,
            max_shard_group_id: 50,
            max_shard_id: 3,
            ..Data::default()
        };
        for (data, first) in [(Some(&data), 51), (None, 1)] {
            let model = store(data);
            let mut folder = folder(&[(0xaa, 8), (0xaa, 9), (0xbb, 20)]);
            // It is not adopted, but its number is in use.
            folder.shards.push(ShardFolder {
                bucket: "foreign".into(),
                shard: 77,
                policy: "autogen".into(),
                has_data: true,
                has_wal: true,
                flaw: None,
            });
            let (plan, after) = planned(&model, &folder);
            let after = after.unwrap();
            assert_eq!((plan.adopted.len(), plan.skipped.len()), (2, 1));
            assert_eq!(after.max_shard_id, 77);
            assert_eq!(after.max_shard_group_id, first + 2);
            assert_eq!(after.index, if first == 1 { 3 } else { 6 });
            let groups: Vec<(u64, u64)> = after
                .databases
                .iter()
                .flat_map(|database| &database.retention_policies)
                .flat_map(|policy| &policy.shard_groups)
                .map(|group| (group.id, group.shards[0].id))
                .collect();
            assert_eq!(groups, [(first, 8), (first + 1, 9), (first + 2, 20)]);
            let policy = &after.databases[0].retention_policies[0];
            assert_eq!((policy.duration, policy.shard_group_duration), (0, HOUR));
        }
    }

    /// Metadata of one bucket with one shard.
    fn one(bucket: u64, shard: u64, deleted_at: i64) -> Data {
        let mut database = tsm_edit::database(id(bucket), 90 * HOUR, HOUR);
        database.retention_policies[0]
            .shard_groups
            .push(ShardGroup {
                id: 1,
                deleted_at,
                shards: vec![tsm::Shard { id: shard }],
                ..ShardGroup::default()
            });
        Data {
            databases: vec![database],
            ..Data::default()
        }
    }

    #[test]
    fn a_shard_of_a_deleted_group_is_not_adopted() {
        for deleted_at in [0, 5] {
            let model = store(Some(&one(0xcc, 8, deleted_at)));
            let (plan, _) = planned(&model, &folder(&[(0xaa, 8), (0xbb, 9)]));
            let reason = &plan.skipped[0].reason;
            assert!(reason.contains("shard 8 belongs to bucket 00000000000000cc"));
            assert!(reason.contains(" to 10, "), "{reason}");
            assert_eq!(plan.adopted.len(), 1);
        }
    }

    #[test]
    fn metadata_that_lack_only_the_record_are_kept() {
        let data = one(0xaa, 8, 0);
        let (plan, after) = planned(&store(Some(&data)), &folder(&[(0xaa, 8), (0xaa, 9)]));
        let after = after.unwrap();
        assert_eq!((after.max_shard_id, after.index), (9, 1));
        let (old, new) = (&data.databases[0], &after.databases[0]);
        let groups = |database: &Database| database.retention_policies[0].shard_groups.clone();
        assert_eq!(groups(new)[..1], groups(old)[..]);
        assert_eq!(groups(new)[1].shards[0].id, 9);
        let adopted = &plan.adopted[0];
        assert_eq!(adopted.shards, [8, 9]);
        assert!(plan.skipped.is_empty());
        let times = (
            adopted.retention_seconds,
            adopted.shard_group_duration_seconds,
        );
        assert_eq!(times, (90 * 3600, 3600));
    }

    #[test]
    fn a_bucket_of_the_store_gets_the_shards_that_it_lacks() {
        let mut data = one(0xaa, 8, 0);
        let mut deleted = data.databases[0].retention_policies[0].shard_groups[0].clone();
        (deleted.id, deleted.deleted_at) = (2, 5);
        deleted.shards[0].id = 12;
        data.databases[0].retention_policies[0]
            .shard_groups
            .push(deleted);
        let mut store = store(Some(&data));
        let mut changes = ChangeSet::default();
        let record = NewBucket {
            name: "metrics",
            description: "",
            system: false,
            retention: 90 * HOUR,
            shard_group_duration: HOUR,
        };
        let _ = put_bucket(&mut changes, id(0xaa), id(1), &record, &now().utc);
        store.commit(&changes, &[]).unwrap();
        // Shard 12 is to be deleted, and is not taken back.
        let mut folder = folder(&[(0xaa, 8), (0xaa, 9), (0xaa, 10), (0xaa, 12), (0xbb, 10)]);
        let (plan, _) = planned(&store, &folder);
        assert!(
            plan.skipped
                .iter()
                .all(|one| one.reason.contains("shard 10 too"))
        );
        assert!(plan.extended.is_empty());
        folder
            .shards
            .retain(|shard| shard.bucket != id(0xbb).to_string());
        let (plan, after) = planned(&store, &folder);
        assert!(plan.adopted.is_empty() && plan.org.is_none());
        let extended = &plan.extended[0];
        assert_eq!(
            (&*extended.name, &extended.shards[..]),
            ("metrics", &[9, 10][..])
        );
        // Long ago.
        assert_eq!((extended.expired, extended.overlapping.len()), (2, 0));
        let after = after.unwrap();
        let policy = &after.databases[0].retention_policies[0];
        let shards = policy.shard_groups.iter().map(|group| group.shards[0].id);
        assert!(shards.eq([8, 12, 9, 10]));
        let mut model = store.clone();
        model.commit(&plan.changes, &[]).unwrap();
        let (again, _) = planned(&model, &folder);
        assert!(again.extended.is_empty() && again.skipped.is_empty());
    }

    #[test]
    fn a_bucket_that_was_deleted_meanwhile_is_not_adopted() {
        let mut folder = folder(&[(0xaa, 8)]);
        folder.buckets.clear();
        let refused = plan(&store(None), &options(Which::All), &folder, &now());
        let refused = refused.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.message().contains("meanwhile"), "{refused}");
    }
}
