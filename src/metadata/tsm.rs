//! Time-series metadata: the one protobuf value of `v1_tsm1_metadata` that names databases,
//! retention policies and shards (`v1/services/meta/internal/meta.proto`). Each InfluxDB bucket
//! is a database whose name is the bucket's ID.

use std::collections::HashMap;
use std::ops::Range;

use prost::Message;

use super::names;
use crate::error::{Error, ErrorKind};
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
    /// The highest number ever given to a shard group.
    #[prost(uint64, required, tag = "8")]
    pub max_shard_group_id: u64,
    /// The highest number ever given to a shard.
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

/// How long points are kept, and where they are.
#[derive(Clone, PartialEq, Message)]
pub struct RetentionPolicy {
    /// `autogen`.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Nanoseconds; 0 for ever.
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

/// Where points are sent as well.
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

/// The shards of a stretch of time.
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
    /// Unix nanoseconds; 0 when it was not deleted.
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
/// When it is no such message. A missing required field passes here and not in influxd.
pub fn decode(value: &[u8]) -> Result<Data, prost::DecodeError> {
    Data::decode(value)
}

/// The value of a store; none where there is none yet, as in a store that no server has opened.
///
/// # Errors
/// When the file can't be read; [`ErrorKind::Corrupt`] when the value can't be decoded.
pub fn load(snapshot: &dyn Snapshot) -> Result<Option<Data>, Error> {
    let Some(value) = snapshot.get(names::TSM_METADATA, names::TSM_METADATA_KEY)? else {
        return Ok(None);
    };
    decode(&value).map(Some).map_err(|_| undecodable())
}

/// The failure to decode the value.
#[must_use]
pub fn undecodable() -> Error {
    Error::new(
        ErrorKind::Corrupt,
        "the time-series metadata (v1_tsm1_metadata/meta.db) can't be decoded",
    )
    .with_hint("boltkey check tells more; influxd would not start on such a store either")
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
    /// The shards that are there: those of deleted groups are gone.
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

    /// The highest numbers that were ever given out, as far as this value tells.
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

/// The highest numbers of shard groups and shards. influxd gives out the next ones.
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

/// The value with its highest numbers raised to at least `highest`, and nothing else changed, not
/// even fields that this version does not know. None when it is no such message.
#[must_use]
pub fn raised(value: &[u8], highest: Highest) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len() + 20);
    let (mut group, mut shard) = (false, false);
    for field in fields(value)? {
        let (least, seen) = match field.number {
            MAX_SHARD_GROUP_ID => (highest.group, &mut group),
            MAX_SHARD_ID => (highest.shard, &mut shard),
            _ => {
                out.extend_from_slice(value.get(field.whole)?);
                continue;
            }
        };
        let Content::Number(now) = field.content else {
            return None;
        };
        *seen = true;
        push_number(&mut out, field.number, now.max(least));
    }
    for (number, least, seen) in [
        (MAX_SHARD_GROUP_ID, highest.group, group),
        (MAX_SHARD_ID, highest.shard, shard),
    ] {
        if !seen {
            push_number(&mut out, number, least);
        }
    }
    Some(out)
}

/// The value with each database that `old` has as well taken from `old`, byte for byte, and
/// nothing else changed. None when either is no such message.
#[must_use]
pub fn with_databases_of(value: &[u8], old: &[u8]) -> Option<Vec<u8>> {
    let name = |bytes: &[u8], content: &Content| {
        let Content::Bytes(range) = content else {
            return None;
        };
        Some(Database::decode(bytes.get(range.clone())?).ok()?.name)
    };
    let mut kept = HashMap::new();
    for field in fields(old)? {
        if field.number == DATABASES {
            kept.insert(name(old, &field.content)?, old.get(field.whole)?);
        }
    }
    let mut out = Vec::with_capacity(value.len() + old.len());
    for field in fields(value)? {
        let own = value.get(field.whole)?;
        let taken = match field.number {
            DATABASES => kept.get(&name(value, &field.content)?).copied(),
            _ => None,
        };
        out.extend_from_slice(taken.unwrap_or(own));
    }
    Some(out)
}

const DATABASES: u64 = 5;
const MAX_SHARD_GROUP_ID: u64 = 8;
const MAX_SHARD_ID: u64 = 9;

/// One field of a message, as it is written.
struct Field {
    number: u64,
    whole: Range<usize>,
    content: Content,
}

enum Content {
    Number(u64),
    Bytes(Range<usize>),
    Other,
}

/// Takes a message apart. What is inside its fields is passed over. Groups, which no message of
/// InfluxDB has, are refused.
fn fields(message: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let start = at;
        let key = number(message, &mut at)?;
        let content = match key & 7 {
            0 => Content::Number(number(message, &mut at)?),
            1 => {
                at = at.checked_add(8)?;
                Content::Other
            }
            2 => {
                let length = usize::try_from(number(message, &mut at)?).ok()?;
                let from = at;
                at = at.checked_add(length)?;
                Content::Bytes(from..at)
            }
            5 => {
                at = at.checked_add(4)?;
                Content::Other
            }
            _ => return None,
        };
        if at > message.len() {
            return None;
        }
        fields.push(Field {
            number: key >> 3,
            whole: start..at,
            content,
        });
    }
    Some(fields)
}

/// Reads a varint.
fn number(message: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *message.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Writes a field that holds a number.
fn push_number(out: &mut Vec<u8>, field: u64, number: u64) {
    for mut rest in [field << 3, number] {
        while rest >= 0x80 {
            out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        out.push(u8::try_from(rest).unwrap_or(0));
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

    /// Two databases, the second with one shard, and a field of some later release.
    fn value(shard: u64) -> Vec<u8> {
        let database = |name: &str, shards: &[u64]| Database {
            name: name.into(),
            default_retention_policy: "autogen".into(),
            retention_policies: vec![RetentionPolicy {
                name: "autogen".into(),
                replica_n: 1,
                shard_groups: shards
                    .iter()
                    .map(|id| ShardGroup {
                        id: id + 1,
                        shards: vec![Shard { id: *id }],
                        ..ShardGroup::default()
                    })
                    .collect(),
                ..RetentionPolicy::default()
            }],
        };
        let data = Data {
            databases: vec![database("a", &[]), database("b", &[shard])],
            max_shard_group_id: 300,
            max_shard_id: 2,
            ..Data::default()
        };
        let mut value = data.encode_to_vec();
        value.extend([0xfa, 0x07, 2, 9, 9]);
        value
    }

    #[test]
    fn numbers_are_raised_and_nothing_else_changes() {
        let before = value(70_000);
        let data = decode(&before).unwrap();
        assert_eq!(
            data.highest(),
            Highest {
                group: 70_001,
                shard: 70_000
            }
        );
        let same = raised(
            &before,
            Highest {
                group: 300,
                shard: 2,
            },
        )
        .unwrap();
        assert_eq!(same, before);
        let after = raised(
            &before,
            Highest {
                group: 1,
                shard: u64::MAX,
            },
        )
        .unwrap();
        let read = decode(&after).unwrap();
        assert_eq!(
            (read.max_shard_group_id, read.max_shard_id),
            (300, u64::MAX)
        );
        assert_eq!(read.databases, data.databases);
        assert!(after.ends_with(&[0xfa, 0x07, 2, 9, 9]));
        // Where the required fields are missing they are added.
        let read = decode(&raised(&[], Highest { group: 4, shard: 5 }).unwrap()).unwrap();
        assert_eq!((read.max_shard_group_id, read.max_shard_id), (4, 5));
        assert_eq!(
            data.shards(),
            [Placed {
                shard: 70_000,
                bucket: "b".into()
            }]
        );
    }

    #[test]
    fn databases_are_taken_from_another_value() {
        let merged = with_databases_of(&value(5), &value(7)).unwrap();
        assert_eq!(merged, value(7));
        let merged = with_databases_of(&value(5), &[]).unwrap();
        assert_eq!(merged, value(5));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &[0x08][..],
            &[0x2a, 5, 1],
            &[
                0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            ],
            &[0x0b],
            &[0x41, 1, 2],
            &[0xff; 12],
        ] {
            assert!(raised(bytes, Highest::default()).is_none(), "{bytes:?}");
            assert!(with_databases_of(bytes, &[]).is_none());
            assert!(with_databases_of(&[], bytes).is_none());
        }
        println!("cases: no-messages 6");
    }
}
