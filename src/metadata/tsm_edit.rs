//! New time-series metadata, and new databases in it, as influxd writes them.

use prost::Message;

use super::Id;
use super::tsm::{Data, Database, Highest, RetentionPolicy};

/// The only retention policy that InfluxDB 2.x knows.
const POLICY: &str = "autogen";

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// How much time a group of shards covers by default, in nanoseconds: by how long a bucket keeps
/// its points, in nanoseconds as well (0 for ever).
///
/// Source: `v1/services/meta/data.go` in influxdata/influxdb.
#[must_use]
pub fn shard_group_duration(retention: i64) -> i64 {
    match retention {
        0 => 7 * DAY,
        kept if kept >= 180 * DAY => 7 * DAY,
        kept if kept >= 2 * DAY => DAY,
        _ => HOUR,
    }
}

/// The time-series side of a new bucket, without shards.
#[must_use]
pub fn database(bucket: Id, retention: i64, shard_group_duration: i64) -> Database {
    Database {
        name: bucket.to_string(),
        default_retention_policy: POLICY.into(),
        retention_policies: vec![RetentionPolicy {
            name: POLICY.into(),
            duration: retention,
            shard_group_duration,
            replica_n: 1,
            shard_groups: Vec::new(),
            subscriptions: Vec::new(),
        }],
    }
}

/// The whole value of a new store. `cluster` is any number, of which the highest bit is not kept;
/// shards and their groups get numbers above `highest`.
#[must_use]
pub fn new_value(cluster: u64, databases: Vec<Database>, highest: Highest) -> Vec<u8> {
    let data = Data {
        term: 0,
        // One for the value itself, and one for each change of it.
        index: 1 + databases.len() as u64,
        cluster_id: cluster >> 1,
        databases,
        max_node_id: 0,
        max_shard_group_id: highest.group,
        max_shard_id: highest.shard,
    };
    data.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tsm::decode;

    #[test]
    fn a_new_value_as_influxd_writes_it() {
        // That of the file `influxd recovery` is tested with, its numbers and names replaced.
        let tasks = database(Id::new(0xa1).unwrap(), 3 * DAY, DAY);
        let bucket = database(Id::new(0xb2).unwrap(), 0, shard_group_duration(0));
        let value = new_value(15, vec![tasks, bucket], Highest { group: 3, shard: 4 });
        assert_eq!(value[..6], [0x08, 0, 0x10, 3, 0x18, 7]);
        assert!(value.ends_with(&[0x38, 0, 0x40, 3, 0x48, 4]));
        let data = decode(&value).unwrap();
        assert_eq!(data.highest(), Highest { group: 3, shard: 4 });
        let [first, second] = &data.databases[..] else {
            panic!("{data:?}");
        };
        assert_eq!(
            (first.name.as_str(), first.default_retention_policy.as_str()),
            ("00000000000000a1", "autogen")
        );
        let policy = &second.retention_policies[0];
        assert_eq!((policy.name.as_str(), policy.replica_n), ("autogen", 1));
        assert_eq!(
            (policy.duration, policy.shard_group_duration),
            (0, 604_800_000_000_000)
        );
    }

    #[test]
    fn how_long_a_group_of_shards_lasts() {
        for (retention, wanted) in [
            (0, 7 * DAY),
            (HOUR, HOUR),
            (2 * DAY - 1, HOUR),
            (2 * DAY, DAY),
            (7 * DAY, DAY),
            (180 * DAY - 1, DAY),
            (180 * DAY, 7 * DAY),
            (i64::MAX, 7 * DAY),
        ] {
            assert_eq!(shard_group_duration(retention), wanted, "{retention}");
        }
    }
}
