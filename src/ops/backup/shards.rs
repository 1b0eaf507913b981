//! Shard numbers in a restore: no number may be used for two shards.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::tsm::{Data, Highest, Placed};
use crate::metadata::{names, tsm, tsm_edit};
use crate::ops::token_plan::new_id;
use crate::store::{ChangeSet, Snapshot};

/// The planned time-series metadata.
pub struct Shards {
    /// The new value, if it changes.
    pub value: Option<Vec<u8>>,
    /// Shards that the old metadata knows and the new one does not: their points stay on disk, but
    /// can't be queried.
    pub lost: Vec<Placed>,
}

/// Plans the time-series metadata of a restored store. `old` is the replaced store, `engine` the
/// shards in the engine folder. With `keep`, buckets that exist in both keep their old shards.
///
/// # Errors
/// [`ErrorKind::Refused`] when one number would be used for shards of two buckets;
/// [`ErrorKind::Corrupt`] when the metadata can't be decoded.
pub fn plan(
    new: &dyn Snapshot,
    old: Option<&[u8]>,
    engine: &[Placed],
    keep: bool,
) -> Result<Shards> {
    let before = new.get(names::TSM_METADATA, names::TSM_METADATA_KEY)?;
    let value = match &before {
        Some(value) => value.clone(),
        None => tsm_edit::new_value(new_id::random_number()?, Vec::new(), Highest::default()),
    };
    let old_data = old.map(decode).transpose()?.unwrap_or_default();
    let merged = match old {
        Some(old) if keep => {
            tsm_edit::with_databases_of(&value, old).ok_or_else(tsm::undecodable)?
        }
        _ => value,
    };
    let data = decode(&merged)?;
    let shards = data.shards();
    distinct(&shards, engine)?;
    let lying = Highest {
        group: 0,
        shard: engine.iter().map(|placed| placed.shard).max().unwrap_or(0),
    };
    let highest = data.highest().and(old_data.highest()).and(lying);
    let raised = tsm_edit::raised(&merged, highest).ok_or_else(tsm::undecodable)?;
    let mut lost = old_data.shards();
    lost.retain(|placed| shards.binary_search(placed).is_err());
    let needed = before.is_some() || highest != Highest::default();
    Ok(Shards {
        value: (needed && before.as_ref() != Some(&raised)).then_some(raised),
        lost,
    })
}

impl Shards {
    /// Adds the new value to `changes`.
    pub fn put(&self, changes: &mut ChangeSet) {
        if let Some(value) = &self.value {
            changes.create_bucket(names::TSM_METADATA);
            changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, value);
        }
    }
}

fn decode(value: &[u8]) -> Result<Data> {
    tsm::decode(value).map_err(|_| tsm::undecodable())
}

/// Refuses a number that would be used for two shards.
fn distinct(shards: &[Placed], engine: &[Placed]) -> Result<()> {
    let refused = |message: String| {
        Error::new(ErrorKind::Refused, message).with_hint(
            "move the engine folder away, or name the right one with --engine-path; the shards \
             of the backup can be loaded afterwards",
        )
    };
    for (one, other) in shards.iter().zip(shards.iter().skip(1)) {
        if one.shard == other.shard && one.bucket != other.bucket {
            return Err(refused(format!(
                "shard {} would belong to bucket {} and to bucket {}, and each would read the \
                 other's points",
                one.shard, one.bucket, other.bucket
            )));
        }
    }
    for shard in shards {
        let other = engine
            .iter()
            .find(|lying| lying.shard == shard.shard && lying.bucket != shard.bucket);
        if let Some(other) = other {
            return Err(refused(format!(
                "shard {} of the backup belongs to bucket {}, but in the engine folder that \
                 number belongs to bucket {}: one bucket would read the other's points",
                shard.shard, shard.bucket, other.bucket
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::metadata::tsm::{Database, RetentionPolicy, Shard, ShardGroup};
    use crate::store::Model;

    /// Shards by bucket; the highest numbers are those in use.
    fn value(shards: &[(u64, &str)]) -> Vec<u8> {
        let mut names: Vec<&str> = shards.iter().map(|(_, name)| *name).collect();
        names.dedup();
        let databases = names.iter().map(|name| Database {
            name: (*name).into(),
            default_retention_policy: "autogen".into(),
            retention_policies: vec![RetentionPolicy {
                name: "autogen".into(),
                replica_n: 1,
                shard_groups: shards
                    .iter()
                    .filter(|(_, of)| of == name)
                    .map(|(id, _)| ShardGroup {
                        id: *id,
                        shards: vec![Shard { id: *id }],
                        ..ShardGroup::default()
                    })
                    .collect(),
                ..RetentionPolicy::default()
            }],
        });
        let highest = shards.iter().map(|(id, _)| *id).max().unwrap_or(0);
        Data {
            databases: databases.collect(),
            max_shard_group_id: highest,
            max_shard_id: highest,
            ..Data::default()
        }
        .encode_to_vec()
    }

    fn store(value: Option<Vec<u8>>) -> Model {
        let mut model = Model::default();
        if let Some(value) = value {
            model.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &value);
        }
        model
    }

    fn placed(list: &[(u64, &str)]) -> Vec<Placed> {
        let all = list.iter().map(|(shard, bucket)| Placed {
            shard: *shard,
            bucket: (*bucket).into(),
        });
        all.collect()
    }

    /// Highest numbers and lost shards.
    fn planned(
        new: &[(u64, &str)],
        old: Option<&[(u64, &str)]>,
        engine: &[(u64, &str)],
        keep: bool,
    ) -> Result<(u64, u64, Vec<u64>)> {
        let old = old.map(value);
        let new = store(Some(value(new)));
        let shards = plan(&new, old.as_deref(), &placed(engine), keep)?;
        let mut changes = ChangeSet::default();
        shards.put(&mut changes);
        let after = crate::store::Preview::new(&new, &changes);
        let data = tsm::load(&after)?.unwrap();
        let lost = shards.lost.iter().map(|placed| placed.shard).collect();
        Ok((data.max_shard_group_id, data.max_shard_id, lost))
    }

    #[test]
    fn no_number_is_given_out_twice() {
        let new = &[(1, "a"), (2, "b")][..];
        assert_eq!(planned(new, None, &[], false).unwrap(), (2, 2, vec![]));
        assert_eq!(planned(new, None, new, false).unwrap(), (2, 2, vec![]));
        let later = &[(1, "a"), (9, "c")][..];
        assert_eq!(planned(new, None, later, false).unwrap(), (2, 9, vec![]));
        let old = &[(1, "a"), (2, "b"), (7, "b")][..];
        assert_eq!(
            planned(new, Some(old), &[], false).unwrap(),
            (7, 7, vec![7])
        );
        assert_eq!(planned(new, Some(old), &[], true).unwrap(), (7, 7, vec![]));
        let unchanged = plan(&store(Some(value(new))), None, &[], false).unwrap();
        assert!(unchanged.value.is_none());
        // A store that no server has opened yet.
        assert!(
            plan(&store(None), None, &[], false)
                .unwrap()
                .value
                .is_none()
        );
        let planned = plan(&store(None), None, &placed(later), false)
            .unwrap()
            .value;
        assert_eq!(tsm::decode(&planned.unwrap()).unwrap().max_shard_id, 9);
    }

    #[test]
    fn a_number_of_two_buckets_is_refused() {
        let new = &[(1, "a"), (2, "b")][..];
        for (old, engine, keep) in [
            (None, &[(2, "a")][..], false),
            (None, &[(1, "a"), (1, "z")], false),
            (Some(&[(2, "a")][..]), &[], true),
        ] {
            let refused = planned(new, old, engine, keep).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
        }
        println!("cases: shards-refused 3");
    }
}
