//! Time-series metadata: the one protobuf value of `v1_tsm1_metadata` that names databases,
//! retention policies and shards (`v1/services/meta/internal/meta.proto`). Each InfluxDB bucket
//! is a database whose name is the bucket's ID.

use prost::Message;

use crate::error::{Error, ErrorKind};
use crate::metadata::names;
use crate::store::Snapshot;

/// The whole value.
#[derive(Clone, PartialEq, Message)]
pub struct Data {
    /// Unused by 2.x.
    #[prost(uint64, required, tag = "1")]
    pub term: u64,
    /// Counts changes.
    #[prost(uint64, required, tag = "2")]
    pub index: u64,
    /// Random.
    #[prost(uint64, required, tag = "3")]
    pub cluster_id: u64,
    /// One for each InfluxDB bucket.
    #[prost(message, repeated, tag = "5")]
    pub databases: Vec<Database>,
    /// Always 0.
    #[prost(uint64, required, tag = "7")]
    pub max_node_id: u64,
    /// The highest number ever assigned to a shard group.
    #[prost(uint64, required, tag = "8")]
    pub max_shard_group_id: u64,
    /// The highest number ever assigned to a shard.
    #[prost(uint64, required, tag = "9")]
    pub max_shard_id: u64,
}

/// The time-series side of an InfluxDB bucket.
#[derive(Clone, PartialEq, Message)]
pub struct Database {
    /// The bucket's ID, 16 hex digits.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// `autogen`.
    #[prost(string, required, tag = "2")]
    pub default_retention_policy: String,
    /// One, `autogen`.
    #[prost(message, repeated, tag = "3")]
    pub retention_policies: Vec<RetentionPolicy>,
}

/// The retention of points, and their shards.
#[derive(Clone, PartialEq, Message)]
pub struct RetentionPolicy {
    /// `autogen`.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Nanoseconds; 0 for unlimited.
    #[prost(int64, required, tag = "2")]
    pub duration: i64,
    /// Nanoseconds.
    #[prost(int64, required, tag = "3")]
    pub shard_group_duration: i64,
    /// 1.
    #[prost(uint32, required, tag = "4")]
    pub replica_n: u32,
    /// By time.
    #[prost(message, repeated, tag = "5")]
    pub shard_groups: Vec<ShardGroup>,
    /// Left over from 1.x.
    #[prost(message, repeated, tag = "6")]
    pub subscriptions: Vec<Subscription>,
}

/// A copy of all points to other servers.
#[derive(Clone, PartialEq, Message)]
pub struct Subscription {
    /// Its name.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// `ALL` or `ANY`.
    #[prost(string, required, tag = "2")]
    pub mode: String,
    /// Addresses.
    #[prost(string, repeated, tag = "3")]
    pub destinations: Vec<String>,
}

/// The shards of a time range.
#[derive(Clone, PartialEq, Message)]
pub struct ShardGroup {
    /// Its number.
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    /// Unix nanoseconds.
    #[prost(int64, required, tag = "2")]
    pub start_time: i64,
    /// Unix nanoseconds.
    #[prost(int64, required, tag = "3")]
    pub end_time: i64,
    /// Time of deletion in Unix nanoseconds; 0 when it was not deleted.
    #[prost(int64, required, tag = "4")]
    pub deleted_at: i64,
    /// Its shards.
    #[prost(message, repeated, tag = "5")]
    pub shards: Vec<Shard>,
}

/// A folder of points under the engine path.
#[derive(Clone, PartialEq, Message)]
pub struct Shard {
    /// Its number, the folder's name.
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
}

/// Decodes the value.
///
/// # Errors
/// When it is not such a message. Unlike influxd, this accepts a missing required field.
pub fn decode(value: &[u8]) -> Result<Data, prost::DecodeError> {
    Data::decode(value)
}

/// The value of a store; `None` in a store that no server has opened yet.
///
/// # Errors
/// When the file can't be read; [`ErrorKind::Corrupt`] when the value can't be decoded.
pub fn load(snapshot: &dyn Snapshot) -> Result<Option<Data>, Error> {
    let Some(value) = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)? else {
        return Ok(None);
    };
    decode(&value).map(Some).map_err(|_| undecodable())
}

/// The error for a value that can't be decoded.
#[must_use]
pub fn undecodable() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the time-series metadata (v1_tsm1_metadata/meta.db) can't be decoded",
    )
    .with_hint("influxd would not start on such a store either; see boltkey check")
}

/// A shard, and the bucket whose points are in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// Its number.
    pub shard: u64,
    /// The bucket's ID, 16 hex digits.
    pub bucket: String,
}

impl Data {
    /// The existing shards, without those of deleted groups.
    #[must_use]
    pub fn shards(&self) -> Vec<Placed> {
        let mut shards = Vec::new();
        for database in &self.databases {
            let groups = database.retention_policies.iter();
            for group in groups.flat_map(|policy| &policy.shard_groups) {
                if group.deleted_at == 0 {
                    shards.extend(group.shards.iter().map(|shard| Placed {
                        shard: shard.id,
                        bucket: database.name.clone(),
                    }));
                }
            }
        }
        shards.sort();
        shards
    }

    /// The highest numbers ever assigned according to this value.
    #[must_use]
    pub fn highest(&self) -> Highest {
        let mut highest = Highest {
            group: self.max_shard_group_id,
            shard: self.max_shard_id,
        };
        let policies = self.databases.iter().flat_map(|d| &d.retention_policies);
        for group in policies.flat_map(|policy| &policy.shard_groups) {
            highest.group = highest.group.max(group.id);
            for shard in &group.shards {
                highest.shard = highest.shard.max(shard.id);
            }
        }
        highest
    }
}

/// The highest numbers of shard groups and shards. influxd assigns the next ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Highest {
    /// Of a shard group.
    pub group: u64,
    /// Of a shard.
    pub shard: u64,
}

impl Highest {
    /// The higher of both, number by number.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            group: self.group.max(other.group),
            shard: self.shard.max(other.shard),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_as_influxd_writes_it() {
        let mut value = vec![0x08, 0, 0x10, 4, 0x18, 7];
        let database = [
            0x0a, 1, b'a', 0x12, 7, b'a', b'u', b't', b'o', b'g', b'e', b'n',
        ];
        value.extend([0x2a, u8::try_from(database.len()).unwrap()]);
        value.extend(database);
        value.extend([0x38, 0, 0x40, 2, 0x48, 3]);
        let data = decode(&value).unwrap();
        assert_eq!((data.index, data.cluster_id), (4, 7));
        assert_eq!((data.max_shard_group_id, data.max_shard_id), (2, 3));
        assert_eq!(data.databases[0].name, "a");
        assert_eq!(data.encode_to_vec(), value);
    }
}
