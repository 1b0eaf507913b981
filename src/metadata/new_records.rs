//! New users, organizations, buckets and ownerships: their records and index entries, as influxd
//! writes them.
//!
//! Source: `tenant/storage_*.go` in influxdata/influxdb.

use super::json::{push_string, string};
use super::mapping::INSTANCE_RESOURCE;
use super::{Id, names};
use crate::store::ChangeSet;

/// Adds a user's record and index entry; active.
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

/// Adds an ownership, with its entry by user where the schema has such.
pub fn put_ownership(changes: &mut ChangeSet, migrations: u64, user: Id, owned: Owned) {
    let (kind, resource) = match owned {
        Owned::Org(id) => ("orgs", id.get()),
        Owned::Instance => ("instance", INSTANCE_RESOURCE),
    };
    let record = format!(
        r#"{{"userID":"{user}","userType":"owner","mappingType":"user","resourceType":"{kind}","resourceID":"{resource:016x}"}}"#
    );
    let key = format!("{resource:016x}{user}");
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

/// A bucket that every organization has.
#[derive(Debug, Clone, Copy)]
pub struct SystemBucket {
    /// Its name.
    pub name: &'static str,
    /// Its description.
    pub description: &'static str,
    /// Nanoseconds.
    pub retention: i64,
    /// Nanoseconds.
    pub shard_group_duration: i64,
}

/// A day, in nanoseconds.
const DAY: i64 = 86_400_000_000_000;

/// The two of them, in the order in which influxd makes them.
pub const SYSTEM_BUCKETS: [SystemBucket; 2] = [
    SystemBucket {
        name: "_tasks",
        description: "System bucket for task logs",
        retention: 3 * DAY,
        shard_group_duration: DAY,
    },
    SystemBucket {
        name: "_monitoring",
        description: "System bucket for monitoring logs",
        retention: 7 * DAY,
        shard_group_duration: DAY,
    },
];

/// Adds a system bucket's record and index entry. It needs time-series metadata as well, or influxd
/// does not start.
pub fn put_system_bucket(
    changes: &mut ChangeSet,
    id: Id,
    org: Id,
    bucket: &SystemBucket,
    now: &str,
) {
    let mut record = format!(r#"{{"id":"{id}","orgID":"{org}","type":1,"name":"#).into_bytes();
    push_string(bucket.name, &mut record);
    record.extend_from_slice(b",\"description\":");
    push_string(bucket.description, &mut record);
    let rest = format!(
        r#","retentionPeriod":{},"shardGroupDuration":{},"createdAt":"{now}","updatedAt":"{now}"}}"#,
        bucket.retention, bucket.shard_group_duration
    );
    record.extend_from_slice(rest.as_bytes());
    let key = id.to_string();
    changes.put(names::BUCKETS, key.as_bytes(), &record);
    let entry = format!("{org}{}", bucket.name);
    changes.put(names::BUCKET_INDEX, entry.as_bytes(), key.as_bytes());
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
        put_system_bucket(&mut changes, bucket, org, &SYSTEM_BUCKETS[0], now);
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
}
