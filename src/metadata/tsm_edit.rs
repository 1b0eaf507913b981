//! Time-series metadata, changed without decoding it as a whole: what is not meant to change stays
//! byte for byte, fields that only other releases know included.

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_varint};

use super::tsm::{Database, RetentionPolicy};
use super::{Id, tsm};

/// The fields of the message that are edited.
const INDEX: u32 = 2;
const DATABASES: u32 = 5;

/// A database for a new InfluxDB bucket, without any shard.
#[must_use]
pub fn database(bucket: Id, retention: i64, shard_group_duration: i64) -> Database {
    Database {
        name: bucket.to_string(),
        default_retention_policy: "autogen".into(),
        retention_policies: vec![RetentionPolicy {
            name: "autogen".into(),
            duration: retention,
            shard_group_duration,
            replica_n: 1,
            shard_groups: Vec::new(),
            subscriptions: Vec::new(),
        }],
    }
}

/// The value with these databases added behind the others, and its count of changes raised by as
/// many. `None` when it is no such message, or has a database of such a name already.
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
    // Behind the last database; where there is none, before what usually follows.
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
            prost::encoding::encode_key(INDEX, WireType::Varint, &mut out);
            encode_varint(index, &mut out);
        } else {
            out.extend_from_slice(field.bytes);
        }
    }
    if at == fields.len() {
        add(&mut out);
    }
    // What is written must read back as what was meant.
    let mut meant = old;
    meant.index = index;
    meant.databases.extend(new.iter().cloned());
    let right = tsm::decode(&out).is_ok_and(|found| found.encode_to_vec() == meant.encode_to_vec());
    right.then_some(out)
}

/// A field of a message as it is written.
struct Field<'a> {
    number: u32,
    bytes: &'a [u8],
}

/// Takes a message apart.
fn fields(value: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let start = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        let length = match wire {
            WireType::Varint => {
                decode_varint(&mut rest).ok()?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => usize::try_from(decode_varint(&mut rest).ok()?).ok()?,
            // Groups are not used, and could nest.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        rest = rest.get(length..)?;
        let bytes = start.get(..start.len().checked_sub(rest.len())?)?;
        fields.push(Field { number, bytes });
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
