//! Creates time-series metadata as influxd does, and edits it without decoding all of it:
//! everything else stays byte for byte, including fields of other releases.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_varint};

use crate::metadata::tsm::{Data, Database, Highest, RetentionPolicy, ShardGroup};
use crate::metadata::{Id, tsm};

/// The fields of the message that are edited.
const INDEX: u32 = 2;
const DATABASES: u32 = 5;
const MAX_SHARD_GROUP_ID: u32 = 8;
const MAX_SHARD_ID: u32 = 9;

/// Fields of a database, and of its retention policies.
const POLICIES: u32 = 3;
const POLICY_DURATION: u32 = 2;
const POLICY_SHARD_GROUP_DURATION: u32 = 3;
const GROUPS: u32 = 5;

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// The only retention policy of InfluxDB 2.x.
const POLICY: &str = "autogen";

/// The default time range of a shard group for a retention, both in nanoseconds (0 for unlimited).
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

/// The whole value of a new store. `cluster` is any number, whose highest bit is dropped; shards
/// and their groups get numbers above `highest`.
#[must_use]
pub fn new_value(cluster: u64, databases: Vec<Database>, highest: Highest) -> Vec<u8> {
    let data = Data {
        term: 0,
        // One for the value itself, and one for each change.
        index: 1 + databases.len() as u64,
        cluster_id: cluster >> 1,
        databases,
        max_node_id: 0,
        max_shard_group_id: highest.group,
        max_shard_id: highest.shard,
    };
    data.encode_to_vec()
}

/// A database for a new InfluxDB bucket, without any shard.
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

/// The value with these databases added after the others, and its change counter raised by their
/// number. `None` when it is not such a message, or already has a database of such a name.
#[must_use]
pub fn with_databases(value: &[u8], new: &[Database]) -> Option<Vec<u8>> {
    let old = tsm::decode(value).ok()?;
    let names = new.iter().map(|database| &database.name);
    if names
        .into_iter()
        .any(|name| old.databases.iter().any(|known| known.name == *name))
    {
        return None;
    }
    let fields = fields(value)?;
    let index = old.index.checked_add(u64::try_from(new.len()).ok()?)?;
    let counted = fields.iter().any(|field| field.number == INDEX);
    // After the last database; if there is none, before the fields that usually follow.
    let at = fields
        .iter()
        .rposition(|field| field.number <= DATABASES)
        .map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(value.len() + 128 * new.len());
    let add = |out: &mut Vec<u8>| {
        for database in new {
            prost::encoding::message::encode(DATABASES, database, out);
        }
    };
    if !counted {
        return None;
    }
    for (n, field) in fields.iter().enumerate() {
        if n == at {
            add(&mut out);
        }
        if field.number == INDEX {
            push_number(&mut out, INDEX, index);
        } else {
            out.extend_from_slice(field.bytes);
        }
    }
    if at == fields.len() {
        add(&mut out);
    }
    // The new value must decode to the intended content.
    let mut meant = old;
    meant.index = index;
    meant.databases.extend(new.iter().cloned());
    let right = tsm::decode(&out).is_ok_and(|found| found.encode_to_vec() == meant.encode_to_vec());
    right.then_some(out)
}

/// The value with groups added to databases that it has, by name, and its change counter raised by
/// their number. They go to the default retention policy, in the order of their ends. `None` when the
/// value is not such a message, or lacks such a database or policy.
#[must_use]
pub fn with_groups(value: &[u8], new: &BTreeMap<String, Vec<ShardGroup>>) -> Option<Vec<u8>> {
    let mut meant = tsm::decode(value).ok()?;
    let number: usize = new.values().map(Vec::len).sum();
    meant.index = meant.index.checked_add(u64::try_from(number).ok()?)?;
    let mut out = Vec::with_capacity(value.len() + 64 * number);
    let mut left = new.len();
    for field in fields(value)? {
        match (field.number, field.content) {
            (INDEX, _) => push_number(&mut out, INDEX, meant.index),
            (DATABASES, FieldContent::Bytes(bytes)) => {
                let database = Database::decode(bytes).ok()?;
                match new.get(&database.name) {
                    Some(groups) => {
                        left = left.checked_sub(1)?;
                        push_bytes(
                            &mut out,
                            DATABASES,
                            &database_with(bytes, &database, groups)?,
                        );
                    }
                    None => out.extend_from_slice(field.bytes),
                }
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    // The new value must decode to the intended content.
    for database in &mut meant.databases {
        if let Some(groups) = new.get(&database.name) {
            let policy = default_policy(database)?;
            let policy = database.retention_policies.get_mut(policy)?;
            let with_order = |group: ShardGroup| (order(&group), group);
            let there = std::mem::take(&mut policy.shard_groups).into_iter();
            let new = groups.iter().cloned().map(with_order);
            policy.shard_groups = merged(there.map(with_order).collect(), new.collect());
        }
    }
    let right = tsm::decode(&out).is_ok_and(|found| found.encode_to_vec() == meant.encode_to_vec());
    (left == 0 && right).then_some(out)
}

/// Whether [`with_groups`] can add groups to a database.
#[must_use]
pub fn takes_groups(database: &Database) -> bool {
    default_policy(database).is_some()
}

/// The index of the policy that new points go to.
fn default_policy(database: &Database) -> Option<usize> {
    let mut policies = database.retention_policies.iter();
    policies.position(|policy| policy.name == database.default_retention_policy)
}

/// Adds groups to others, in the order in which influxd keeps them: by their ends. Those that are there
/// keep their order.
fn merged<T>(there: Vec<(GroupOrder, T)>, new: Vec<(GroupOrder, T)>) -> Vec<T> {
    let mut new = new;
    new.sort_by_key(|(order, _)| *order);
    let mut new = new.into_iter().peekable();
    let mut all = Vec::with_capacity(there.len() + new.len());
    for (order, one) in there {
        while let Some((_, before)) = new.next_if(|(other, _)| *other < order) {
            all.push(before);
        }
        all.push(one);
    }
    all.extend(new.map(|(_, one)| one));
    all
}

/// End and start of a group.
type GroupOrder = (i64, i64);

fn order(group: &ShardGroup) -> GroupOrder {
    (group.end_time, group.start_time)
}

/// A database with groups added to its default policy; its other bytes stay.
fn database_with(bytes: &[u8], database: &Database, groups: &[ShardGroup]) -> Option<Vec<u8>> {
    let wanted = default_policy(database)?;
    let mut out = Vec::with_capacity(bytes.len() + 64 * groups.len());
    let mut number = 0;
    for field in fields(bytes)? {
        match (field.number, field.content) {
            (POLICIES, FieldContent::Bytes(policy)) => {
                if number == wanted {
                    push_bytes(&mut out, POLICIES, &policy_with(policy, groups)?);
                } else {
                    out.extend_from_slice(field.bytes);
                }
                number += 1;
            }
            _ => out.extend_from_slice(field.bytes),
        }
    }
    Some(out)
}

/// A retention policy with groups added; its other bytes stay.
fn policy_with(bytes: &[u8], groups: &[ShardGroup]) -> Option<Vec<u8>> {
    let fields = fields(bytes)?;
    let mut there = Vec::new();
    for field in &fields {
        if let (GROUPS, FieldContent::Bytes(group)) = (field.number, &field.content) {
            there.push((
                order(&ShardGroup::decode(*group).ok()?),
                field.bytes.to_vec(),
            ));
        }
    }
    let new = groups.iter().map(|group| {
        let mut field = Vec::new();
        prost::encoding::message::encode(GROUPS, group, &mut field);
        (order(group), field)
    });
    let written = merged(there, new.collect());
    let mut out = Vec::with_capacity(bytes.len() + 64 * groups.len());
    // Before the fields that follow groups.
    let at = fields.iter().position(|field| field.number >= GROUPS);
    let at = at.unwrap_or(fields.len());
    let (before, after) = fields.split_at_checked(at)?;
    let others = |field: &&Field<'_>| field.number != GROUPS;
    before
        .iter()
        .for_each(|field| out.extend_from_slice(field.bytes));
    written
        .iter()
        .for_each(|field| out.extend_from_slice(field));
    after
        .iter()
        .filter(others)
        .for_each(|field| out.extend_from_slice(field.bytes));
    Some(out)
}

/// The value with its highest numbers raised to at least `highest`, and nothing else changed.
/// `None` when it is not such a message.
#[must_use]
pub fn raised(value: &[u8], highest: Highest) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len() + 20);
    let (mut group, mut shard) = (false, false);
    for field in fields(value)? {
        let (least, seen) = match field.number {
            MAX_SHARD_GROUP_ID => (highest.group, &mut group),
            MAX_SHARD_ID => (highest.shard, &mut shard),
            _ => {
                out.extend_from_slice(field.bytes);
                continue;
            }
        };
        let FieldContent::Number(now) = field.content else {
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

/// The value in which each database that `old` has too is replaced by that of `old`, byte for byte,
/// and nothing else is changed. `None` when either is not such a message.
#[must_use]
pub fn with_databases_of(value: &[u8], old: &[u8]) -> Option<Vec<u8>> {
    let name = |content: &FieldContent<'_>| match content {
        FieldContent::Bytes(bytes) => Some(Database::decode(*bytes).ok()?.name),
        _ => None,
    };
    let mut kept = HashMap::new();
    for field in fields(old)? {
        if field.number == DATABASES {
            kept.insert(name(&field.content)?, field.bytes);
        }
    }
    let mut out = Vec::with_capacity(value.len() + old.len());
    for field in fields(value)? {
        let taken = match field.number {
            DATABASES => kept.get(&name(&field.content)?).copied(),
            _ => None,
        };
        out.extend_from_slice(taken.unwrap_or(field.bytes));
    }
    Some(out)
}

/// The value with other durations (in nanoseconds) of the retention policy of this bucket, and its
/// change counter raised by one. Everything else stays byte for byte. `None` when it is not such a
/// message, or has no such database.
#[must_use]
pub fn with_durations(
    value: &[u8],
    bucket: Id,
    retention: i64,
    shard_group_duration: i64,
) -> Option<Vec<u8>> {
    let name = bucket.to_string();
    let mut meant = tsm::decode(value).ok()?;
    meant.index = meant.index.checked_add(1)?;
    let database = meant.databases.iter_mut().find(|one| one.name == name)?;
    let policies = &mut database.retention_policies;
    let policy = policies.iter_mut().find(|one| one.name == POLICY)?;
    policy.duration = retention;
    policy.shard_group_duration = shard_group_duration;

    let durations = [
        (POLICY_DURATION, retention.cast_unsigned()),
        (
            POLICY_SHARD_GROUP_DURATION,
            shard_group_duration.cast_unsigned(),
        ),
    ];
    let in_policy = |bytes: &[u8]| {
        let named = RetentionPolicy::decode(bytes).ok()?.name == POLICY;
        named.then(|| with_numbers(bytes, &durations)).flatten()
    };
    let in_database = |bytes: &[u8]| {
        let named = Database::decode(bytes).ok()?.name == name;
        named
            .then(|| with_message(bytes, POLICIES, &in_policy))
            .flatten()
    };
    let out = with_message(value, DATABASES, &in_database)?;
    let out = with_numbers(&out, &[(INDEX, meant.index)])?;
    let right = tsm::decode(&out).is_ok_and(|found| found.encode_to_vec() == meant.encode_to_vec());
    right.then_some(out)
}

/// The message with these fields set to these numbers. `None` when it can't be parsed.
fn with_numbers(message: &[u8], numbers: &[(u32, u64)]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + 32);
    for field in fields(message)? {
        match numbers.iter().find(|(number, _)| *number == field.number) {
            Some((number, value)) => push_number(&mut out, *number, *value),
            None => out.extend_from_slice(field.bytes),
        }
    }
    Some(out)
}

/// The message in which `edit` replaces messages in the field `number`, where it returns one. `None`
/// when it can't be parsed, or `edit` returns none at all.
fn with_message(
    message: &[u8],
    number: u32,
    edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + 32);
    let mut edited = false;
    for field in fields(message)? {
        let new = match field.content {
            FieldContent::Bytes(bytes) if field.number == number => edit(bytes),
            _ => None,
        };
        let Some(new) = new else {
            out.extend_from_slice(field.bytes);
            continue;
        };
        edited = true;
        prost::encoding::encode_key(number, WireType::LengthDelimited, &mut out);
        encode_varint(new.len() as u64, &mut out);
        out.extend_from_slice(&new);
    }
    edited.then_some(out)
}

/// A field of a message as written.
struct Field<'a> {
    number: u32,
    bytes: &'a [u8],
    content: FieldContent<'a>,
}

enum FieldContent<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// Splits a message into its fields without parsing their content.
fn fields(value: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let content = match wire {
            WireType::Varint => FieldContent::Number(decode_varint(&mut rest).ok()?),
            WireType::SixtyFourBit | WireType::ThirtyTwoBit => {
                let length = if wire == WireType::SixtyFourBit { 8 } else { 4 };
                rest = rest.get(length..)?;
                FieldContent::Other
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (bytes, after) = rest.split_at_checked(length)?;
                rest = after;
                FieldContent::Bytes(bytes)
            }
            // Groups are not used, and could be nested.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        fields.push(Field {
            number,
            bytes: start.get(..start.len().checked_sub(rest.len())?)?,
            content,
        });
    }
    Some(fields)
}

/// Writes a field that holds a message.
fn push_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    prost::encoding::encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Writes a field that holds a number.
fn push_number(out: &mut Vec<u8>, field: u32, number: u64) {
    prost::encoding::encode_key(field, WireType::Varint, out);
    encode_varint(number, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tsm::{Placed, Shard, ShardGroup, decode};

    fn data(databases: &[&str]) -> Vec<u8> {
        let mut value = vec![0x08, 0, 0x10, 4, 0x18, 7];
        for name in databases {
            let database = Database {
                name: (*name).to_owned(),
                ..database(Id::new(1).unwrap(), 0, 7)
            };
            prost::encoding::message::encode(DATABASES, &database, &mut value);
        }
        value.extend([0x38, 0, 0x40, 2, 0x48, 3]);
        value
    }

    #[test]
    fn databases_come_behind_the_others_and_the_rest_stays() {
        let new = [database(Id::new(9).unwrap(), 3, 1)];
        for databases in [&[][..], &["a"], &["a", "b"]] {
            let mut value = data(databases);
            // A field of another release.
            value.extend([0xf8, 0x07, 5]);
            let edited = with_databases(&value, &new).unwrap();
            assert!(edited.ends_with(&[0x38, 0, 0x40, 2, 0x48, 3, 0xf8, 0x07, 5]));
            let found = tsm::decode(&edited).unwrap();
            assert_eq!((found.index, found.cluster_id), (5, 7));
            assert_eq!(found.databases.len(), databases.len() + 1);
            assert_eq!(found.databases.last(), new.last());
            assert!(with_databases(&edited, &new).is_none());
        }
    }

    /// The value with these groups in its second database: number and end.
    fn with_ends(value: &[u8], ends: &[(u64, i64)]) -> Option<Vec<u8>> {
        let groups = ends.iter().map(|(id, end)| ShardGroup {
            id: *id,
            end_time: *end,
            ..ShardGroup::default()
        });
        with_groups(value, &BTreeMap::from([("b".to_owned(), groups.collect())]))
    }

    #[test]
    fn groups_come_where_influxd_keeps_them_and_the_rest_stays() {
        let before = value(6);
        let after = with_ends(&before, &[(9, 50), (8, -3)]).unwrap();
        let after = with_ends(&after, &[(7, 20)]).unwrap();
        assert!(after.ends_with(&[0xfa, 0x07, 2, 9, 9]));
        let (old, new) = (decode(&before).unwrap(), decode(&after).unwrap());
        assert_eq!(new.index, old.index + 3);
        assert_eq!(new.databases[0], old.databases[0]);
        let policy = &new.databases[1].retention_policies[0];
        let ids: Vec<u64> = policy.shard_groups.iter().map(|group| group.id).collect();
        assert_eq!(ids, [8, 7, 7, 9]);
        assert_eq!(
            policy.shard_groups[1],
            old.databases[1].retention_policies[0].shard_groups[0]
        );
    }

    #[test]
    fn fields_of_other_releases_stay_in_a_database_that_gets_groups() {
        // A group that was truncated (field 6), and a field 127 in the policy.
        let group = [0x08, 1, 0x10, 0, 0x18, 10, 0x20, 0, 0x30, 9];
        let mut policy = vec![0x0a, 1, b'p', 0x10, 0, 0x18, 0, 0x20, 1, 0x2a, 10];
        policy.extend(group);
        policy.extend([0xf8, 0x07, 5]);
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let mut database = vec![0x0a, 1, b'b', 0x12, 1, b'p', 0x1a, length(&policy)];
        database.extend(&policy);
        let mut value = vec![0x08, 0, 0x10, 4, 0x18, 7, 0x2a, length(&database)];
        value.extend(&database);
        value.extend([0x38, 0, 0x40, 2, 0x48, 3]);
        let after = with_ends(&value, &[(2, 9), (3, 11)]).unwrap();
        let holds = |part: &[u8]| after.windows(part.len()).any(|window| window == part);
        assert!(holds(&group) && holds(&[0xf8, 0x07, 5, 0x38, 0, 0x40, 2, 0x48, 3]));
        let groups = &decode(&after).unwrap().databases[0].retention_policies[0].shard_groups;
        assert!(groups.iter().map(|group| group.id).eq([2, 1, 3]));
    }

    #[test]
    fn groups_need_their_database_and_policy() {
        assert!(with_ends(&data(&["a"]), &[(1, 1)]).is_none());
        assert!(with_ends(&data(&["b"]), &[(1, 1)]).is_some());
        let mut other = decode(&data(&["b"])).unwrap();
        other.databases[0].default_retention_policy = "gone".into();
        assert!(with_ends(&other.encode_to_vec(), &[(1, 1)]).is_none());
        assert!(with_ends(b"\x2a\xff", &[(1, 1)]).is_none());
    }

    #[test]
    fn durations_of_one_bucket_change_and_the_rest_stays() {
        let (one, other) = (Id::new(1).unwrap(), Id::new(2).unwrap());
        let old = new_value(
            7,
            vec![database(one, 0, 7 * DAY), database(other, DAY, HOUR)],
            Highest { group: 1, shard: 2 },
        );
        // Fields of another release.
        let old = [&old[..], &[0xf8, 0x07, 5]].concat();
        let new = with_durations(&old, one, DAY, HOUR).unwrap();
        assert!(new.ends_with(&[0xf8, 0x07, 5]));
        let (before, after) = (tsm::decode(&old).unwrap(), tsm::decode(&new).unwrap());
        assert_eq!(after.index, before.index + 1);
        assert_eq!(
            after.databases,
            [database(one, DAY, HOUR), database(other, DAY, HOUR)]
        );
        let back = with_durations(&new, one, 0, 7 * DAY).unwrap();
        assert_eq!(tsm::decode(&back).unwrap().databases, before.databases);
        assert!(with_durations(&old, Id::new(3).unwrap(), 0, DAY).is_none());
        assert!(with_durations(b"\x0b", one, 0, DAY).is_none());
    }

    #[test]
    fn what_is_no_such_message() {
        let new = [database(Id::new(9).unwrap(), 3, 1)];
        for value in [
            &b""[..],
            b"\x0b",
            b"\x2a\xff",
            b"\x08",
            b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(with_databases(value, &new).is_none(), "{value:?}");
        }
    }

    /// Two databases, the second with one shard, and a field of a later release.
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
        // Missing required fields are added.
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

    #[test]
    fn a_new_value_as_influxd_writes_it() {
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
