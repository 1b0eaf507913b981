//! New users, organizations, buckets and ownerships: their records and index entries, as influxd
//! writes them.
//!
//! Source: `tenant/storage_*.go` in influxdata/influxdb.

use crate::metadata::json::string;
use crate::metadata::mapping::INSTANCE_RESOURCE;
use crate::metadata::tsm::Database;
use crate::metadata::{Id, names, tsm_edit};
use crate::store::{ChangeSet, MAX_KEY_SIZE};

/// In the index of buckets, the organization's ID precedes the name.
const LONGEST_BUCKET: usize = MAX_KEY_SIZE - 16;

/// Whether InfluxDB accepts a user name.
///
/// # Errors
/// Why it does not.
pub fn valid_user_name(name: &str) -> Result<(), &'static str> {
    match name.len() {
        1..=MAX_KEY_SIZE => Ok(()),
        _ => Err("a user name must have 1 to 32,768 bytes"),
    }
}

/// The name of an organization without white space at its start and end. InfluxDB's index ignores
/// such white space, and a name with it would leave an index entry behind when the organization is
/// deleted.
///
/// # Errors
/// Why InfluxDB would not accept it.
pub fn valid_org_name(name: &str) -> Result<&str, &'static str> {
    let name = name.trim();
    match name.len() {
        1..=MAX_KEY_SIZE => Ok(name),
        _ => Err(
            "an organization name must have 1 to 32,768 bytes without white space at its \
                  start and end",
        ),
    }
}

/// Whether InfluxDB accepts a name for a user's bucket.
///
/// # Errors
/// Why it does not.
pub fn valid_bucket_name(name: &str) -> Result<(), &'static str> {
    if !(1..=LONGEST_BUCKET).contains(&name.len()) {
        return Err("a bucket name must have 1 to 32,752 bytes");
    }
    if name.starts_with('_') {
        return Err("a bucket name must not begin with _, which is reserved for InfluxDB");
    }
    if name.contains('"') {
        return Err("a bucket name must not contain a quotation mark");
    }
    Ok(())
}

/// Adds the record and index entry of an active user.
pub fn put_user(changes: &mut ChangeSet, id: Id, name: &str) {
    let record = format!(
        r#"{{"id":"{id}","name":{},"status":"active"}}"#,
        string(name)
    );
    let key = id.to_string();
    changes.put(names::USERS, key.as_bytes(), record.as_bytes());
    changes.put(names::USER_INDEX, name.as_bytes(), key.as_bytes());
}

/// What a user owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// An organization.
    Org(Id),
    /// The whole instance.
    Instance,
}

/// Adds an ownership, with its entry in the index by user if the schema has that index.
pub fn put_ownership(changes: &mut ChangeSet, migrations: u64, user: Id, owned: Owned) {
    let (kind, resource) = match owned {
        Owned::Org(id) => ("orgs", id.to_string()),
        Owned::Instance => ("instance", hex::encode(INSTANCE_RESOURCE.to_be_bytes())),
    };
    let record = format!(
        r#"{{"userID":"{user}","userType":"owner","mappingType":"user","resourceType":"{kind}","resourceID":"{resource}"}}"#
    );
    let key = format!("{resource}{user}");
    changes.put(names::MAPPINGS, key.as_bytes(), record.as_bytes());
    if migrations >= 2 {
        let by_user = format!("{user}/{key}");
        changes.put(names::MAPPINGS_BY_USER, by_user.as_bytes(), key.as_bytes());
    }
}

/// Adds an organization's record and index entry. `now` is UTC, RFC 3339.
pub fn put_org(changes: &mut ChangeSet, id: Id, name: &str, now: &str) {
    let record = format!(
        r#"{{"id":"{id}","name":{},"description":"","createdAt":"{now}","updatedAt":"{now}"}}"#,
        string(name)
    );
    let key = id.to_string();
    changes.put(names::ORGANIZATIONS, key.as_bytes(), record.as_bytes());
    changes.put(
        names::ORGANIZATION_INDEX,
        name.trim().as_bytes(),
        key.as_bytes(),
    );
}

/// A new bucket of InfluxDB.
#[derive(Debug, Clone, Copy)]
pub struct NewBucket<'a> {
    /// Its name, unique in the organization.
    pub name: &'a str,
    /// Its description.
    pub description: &'a str,
    /// Whether it is a system bucket.
    pub system: bool,
    /// How long points are kept, in nanoseconds; 0 for unlimited.
    pub retention: i64,
    /// The time range of a shard group, in nanoseconds.
    pub shard_group_duration: i64,
}

/// A day, in nanoseconds.
const DAY: i64 = 86_400_000_000_000;

/// The system buckets of every organization, in the order in which influxd creates them.
pub const SYSTEM_BUCKETS: [NewBucket<'static>; 2] = [
    NewBucket {
        name: "_tasks",
        description: "System bucket for task logs",
        system: true,
        retention: 3 * DAY,
        shard_group_duration: DAY,
    },
    NewBucket {
        name: "_monitoring",
        description: "System bucket for monitoring logs",
        system: true,
        retention: 7 * DAY,
        shard_group_duration: DAY,
    },
];

/// Adds a bucket's record and index entry. `now` is UTC, RFC 3339. Returns the bucket's database,
/// which must be added to the time-series metadata, or influxd does not start.
#[must_use]
pub fn put_bucket(
    changes: &mut ChangeSet,
    id: Id,
    org: Id,
    bucket: &NewBucket<'_>,
    now: &str,
) -> Database {
    let record = format!(
        r#"{{"id":"{id}","orgID":"{org}","type":{},"name":{},"description":{},"retentionPeriod":{},"shardGroupDuration":{},"createdAt":"{now}","updatedAt":"{now}"}}"#,
        u8::from(bucket.system),
        string(bucket.name),
        string(bucket.description),
        bucket.retention,
        bucket.shard_group_duration
    );
    let key = id.to_string();
    changes.put(names::BUCKETS, key.as_bytes(), record.as_bytes());
    let entry = format!("{org}{}", bucket.name);
    changes.put(names::BUCKET_INDEX, entry.as_bytes(), key.as_bytes());
    tsm_edit::database(id, bucket.retention, bucket.shard_group_duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Model, Preview, Snapshot};

    fn id(text: &str) -> Id {
        text.parse().unwrap()
    }

    #[test]
    fn records_as_a_real_server_wrote_them() {
        let mut changes = ChangeSet::default();
        let (user, org) = (id("08371db1dd8c8000"), id("dd7cd2292f6e974a"));
        let now = "2021-09-28T12:55:25.442475Z";
        put_user(&mut changes, user, "testuser");
        put_org(&mut changes, org, "myorg", now);
        put_ownership(&mut changes, 21, user, Owned::Org(org));
        put_ownership(&mut changes, 21, user, Owned::Instance);
        let bucket = id("7451ab8b9b7df592");
        let database = put_bucket(&mut changes, bucket, org, &SYSTEM_BUCKETS[0], now);
        assert_eq!(database.name, "7451ab8b9b7df592");
        let model = Model::default();
        let after = Preview::new(&model, &changes);
        let text = |bucket: &[u8], key: &str| {
            let value = after.get(bucket, key.as_bytes()).unwrap();
            String::from_utf8(value.unwrap()).unwrap()
        };
        assert_eq!(
            text(names::USERS, "08371db1dd8c8000"),
            r#"{"id":"08371db1dd8c8000","name":"testuser","status":"active"}"#
        );
        assert_eq!(text(names::USER_INDEX, "testuser"), "08371db1dd8c8000");
        assert_eq!(text(names::ORGANIZATION_INDEX, "myorg"), "dd7cd2292f6e974a");
        assert_eq!(
            text(names::ORGANIZATIONS, "dd7cd2292f6e974a"),
            r#"{"id":"dd7cd2292f6e974a","name":"myorg","description":"","createdAt":"2021-09-28T12:55:25.442475Z","updatedAt":"2021-09-28T12:55:25.442475Z"}"#
        );
        assert_eq!(
            text(names::MAPPINGS, "dd7cd2292f6e974a08371db1dd8c8000"),
            r#"{"userID":"08371db1dd8c8000","userType":"owner","mappingType":"user","resourceType":"orgs","resourceID":"dd7cd2292f6e974a"}"#
        );
        assert_eq!(
            text(
                names::MAPPINGS_BY_USER,
                "08371db1dd8c8000/dd7cd2292f6e974a08371db1dd8c8000"
            ),
            "dd7cd2292f6e974a08371db1dd8c8000"
        );
        assert!(text(names::MAPPINGS, "000000000000000108371db1dd8c8000").contains("\"instance\""));
        assert_eq!(
            text(names::BUCKETS, "7451ab8b9b7df592"),
            r#"{"id":"7451ab8b9b7df592","orgID":"dd7cd2292f6e974a","type":1,"name":"_tasks","description":"System bucket for task logs","retentionPeriod":259200000000000,"shardGroupDuration":86400000000000,"createdAt":"2021-09-28T12:55:25.442475Z","updatedAt":"2021-09-28T12:55:25.442475Z"}"#
        );
        assert_eq!(
            text(names::BUCKET_INDEX, "dd7cd2292f6e974a_tasks"),
            "7451ab8b9b7df592"
        );
    }

    #[test]
    fn a_bucket_of_the_users_own() {
        let (org, bucket) = (id("dd7cd2292f6e974a"), id("7451ab8b9b7df592"));
        let mut changes = ChangeSet::default();
        let new = NewBucket {
            name: "mybucket",
            description: "",
            system: false,
            retention: 0,
            shard_group_duration: 7 * DAY,
        };
        let now = "2021-09-28T12:55:25.670578Z";
        let database = put_bucket(&mut changes, bucket, org, &new, now);
        assert_eq!(
            database.retention_policies[0].shard_group_duration,
            604_800_000_000_000
        );
        let model = Model::default();
        let record = Preview::new(&model, &changes)
            .get(names::BUCKETS, b"7451ab8b9b7df592")
            .unwrap()
            .unwrap();
        assert_eq!(
            String::from_utf8(record).unwrap(),
            r#"{"id":"7451ab8b9b7df592","orgID":"dd7cd2292f6e974a","type":0,"name":"mybucket","description":"","retentionPeriod":0,"shardGroupDuration":604800000000000,"createdAt":"2021-09-28T12:55:25.670578Z","updatedAt":"2021-09-28T12:55:25.670578Z"}"#
        );
    }

    #[test]
    fn names_that_influxdb_takes() {
        let long = |length: usize| "x".repeat(length);
        for (name, user, org, bucket) in [
            ("", false, false, false),
            ("a", true, true, true),
            (" \u{a0}", true, false, true),
            ("_mine", true, true, false),
            ("a\"b", true, true, false),
            (&long(32_752), true, true, true),
            (&long(32_753), true, true, false),
            (&long(32_768), true, true, false),
            (&long(32_769), false, false, false),
        ] {
            assert_eq!(valid_user_name(name).is_ok(), user, "{name}");
            assert_eq!(valid_org_name(name).is_ok(), org, "{name}");
            assert_eq!(valid_bucket_name(name).is_ok(), bucket, "{name}");
        }
        assert_eq!(valid_org_name(" a\u{a0}"), Ok("a"));
    }
}
