//! New users, organizations, buckets and ownerships: their records and index entries, as influxd
//! writes them.

use super::json::push_string;
use super::mapping::INSTANCE_RESOURCE;
use super::tsm::Database;
use super::{Id, names, tsm_edit};
use crate::store::ChangeSet;

/// Puts a record together, field by field.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn name(&mut self, name: &str) -> &mut Self {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        push_string(name, &mut self.0);
        self.0.push(b':');
        self
    }

    fn text(mut self, name: &str, value: &str) -> Self {
        push_string(value, &mut self.name(name).0);
        self
    }

    fn id(self, name: &str, value: Id) -> Self {
        self.text(name, &value.to_string())
    }

    fn number(mut self, name: &str, value: i64) -> Self {
        self.name(name)
            .0
            .extend_from_slice(value.to_string().as_bytes());
        self
    }

    fn put(mut self, changes: &mut ChangeSet, bucket: &[u8], key: &[u8]) {
        self.0.push(b'}');
        changes.put(bucket, key, &self.0);
    }
}

/// Puts a record's ID at a key of its index.
fn index(changes: &mut ChangeSet, bucket: &[u8], key: &[u8], id: Id) {
    changes.put(bucket, key, id.to_string().as_bytes());
}

/// A new user, active.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Not in use yet.
    pub id: Id,
    /// Not in use yet, not empty.
    pub name: &'a str,
}

impl NewUser<'_> {
    /// Adds record and index entry.
    pub fn put(&self, changes: &mut ChangeSet) {
        let record = Record::default().id("id", self.id).text("name", self.name);
        let record = record.text("status", "active");
        record.put(changes, names::USERS, self.id.to_string().as_bytes());
        index(changes, names::USER_INDEX, self.name.as_bytes(), self.id);
    }
}

/// A new organization.
#[derive(Debug, Clone, Copy)]
pub struct NewOrganization<'a> {
    /// Not in use yet.
    pub id: Id,
    /// Not in use yet up to outer white space, nor all of it that.
    pub name: &'a str,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: &'a str,
}

impl NewOrganization<'_> {
    /// Adds record and index entry.
    pub fn put(&self, changes: &mut ChangeSet) {
        let record = Record::default().id("id", self.id).text("name", self.name);
        let record = record.text("description", "");
        let record = record.text("createdAt", self.created_at);
        let record = record.text("updatedAt", self.created_at);
        record.put(
            changes,
            names::ORGANIZATIONS,
            self.id.to_string().as_bytes(),
        );
        let key = self.name.trim().as_bytes();
        index(changes, names::ORGANIZATION_INDEX, key, self.id);
    }
}

/// A new bucket of InfluxDB.
#[derive(Debug, Clone, Copy)]
pub struct NewBucket<'a> {
    /// Not in use yet.
    pub id: Id,
    /// The organization it belongs to.
    pub org_id: Id,
    /// Whether it is one of the organization's own.
    pub system: bool,
    /// Not in use yet in the organization, not empty.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// How long points are kept, in nanoseconds; 0 for ever.
    pub retention: i64,
    /// How much time a group of shards covers, in nanoseconds.
    pub shard_group_duration: i64,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: &'a str,
}

impl<'a> NewBucket<'a> {
    /// The two buckets that every organization has, in the order in which influxd makes them:
    /// `_tasks` and `_monitoring`.
    #[must_use]
    pub fn of_system(org_id: Id, ids: [Id; 2], created_at: &'a str) -> [Self; 2] {
        const DAY: i64 = 86_400_000_000_000;
        let [tasks, monitoring] = ids;
        let of_system = |id, name, description, days: i64| Self {
            id,
            org_id,
            system: true,
            name,
            description,
            retention: days * DAY,
            shard_group_duration: DAY,
            created_at,
        };
        [
            of_system(tasks, "_tasks", "System bucket for task logs", 3),
            of_system(
                monitoring,
                "_monitoring",
                "System bucket for monitoring logs",
                7,
            ),
        ]
    }

    /// Adds record and index entry. The time-series metadata need [`NewBucket::database`] as well,
    /// or influxd does not start.
    pub fn put(&self, changes: &mut ChangeSet) {
        let record = Record::default().id("id", self.id).id("orgID", self.org_id);
        let record = record.number("type", self.system.into());
        let record = record.text("name", self.name);
        let record = record.text("description", self.description);
        let record = record.number("retentionPeriod", self.retention);
        let record = record.number("shardGroupDuration", self.shard_group_duration);
        let record = record.text("createdAt", self.created_at);
        let record = record.text("updatedAt", self.created_at);
        record.put(changes, names::BUCKETS, self.id.to_string().as_bytes());
        let key = format!("{}{}", self.org_id, self.name);
        index(changes, names::BUCKET_INDEX, key.as_bytes(), self.id);
    }

    /// Its side in the time-series metadata.
    #[must_use]
    pub fn database(&self) -> Database {
        tsm_edit::database(self.id, self.retention, self.shard_group_duration)
    }
}

/// What a user is made owner of.
#[derive(Debug, Clone, Copy)]
pub enum Owned {
    /// An organization.
    Organization(Id),
    /// The whole instance; since 2.4.
    Instance,
}

/// Makes a user owner: adds the mapping and its index entry.
pub fn put_owner(changes: &mut ChangeSet, user: Id, owned: Owned) {
    let (kind, resource) = match owned {
        Owned::Organization(id) => ("orgs", id.to_string()),
        Owned::Instance => ("instance", format!("{INSTANCE_RESOURCE:016x}")),
    };
    let key = format!("{resource}{user}");
    let record = Record::default().id("userID", user);
    let record = record.text("userType", "owner").text("mappingType", "user");
    let record = record
        .text("resourceType", kind)
        .text("resourceID", &resource);
    record.put(changes, names::MAPPINGS, key.as_bytes());
    let by_user = format!("{user}/{key}");
    changes.put(names::MAPPINGS_BY_USER, by_user.as_bytes(), key.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Commit, Model, Snapshot};

    fn made(put: impl FnOnce(&mut ChangeSet)) -> Model {
        let mut changes = ChangeSet::default();
        for bucket in names::ALL {
            changes.create_bucket(bucket);
        }
        put(&mut changes);
        let mut model = Model::default();
        model.commit(&changes, &[]).unwrap();
        model
    }

    #[track_caller]
    fn holds(model: &Model, bucket: &[u8], key: &str, value: &str) {
        let found = model.get(bucket, key.as_bytes()).unwrap().unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), value);
    }

    /// The records of real servers, made again from what they say.
    #[test]
    fn byte_for_byte_as_influxd_writes_them() {
        let user = "08371db1dd8c8000".parse().unwrap();
        let org = "dd7cd2292f6e974a".parse().unwrap();
        let bucket = "7451ab8b9b7df592".parse().unwrap();
        let model = made(|changes| {
            NewUser {
                id: user,
                name: "testuser",
            }
            .put(changes);
            NewOrganization {
                id: org,
                name: "myorg",
                created_at: "2021-09-28T12:55:25.442475Z",
            }
            .put(changes);
            NewBucket {
                id: bucket,
                org_id: org,
                system: false,
                name: "mybucket",
                description: "",
                retention: 0,
                shard_group_duration: 604_800_000_000_000,
                created_at: "2021-09-28T12:55:25.670578Z",
            }
            .put(changes);
            put_owner(changes, user, Owned::Organization(org));
            put_owner(changes, user, Owned::Instance);
        });
        let m = &model;
        holds(
            m,
            names::USERS,
            "08371db1dd8c8000",
            r#"{"id":"08371db1dd8c8000","name":"testuser","status":"active"}"#,
        );
        holds(m, names::USER_INDEX, "testuser", "08371db1dd8c8000");
        holds(
            m,
            names::ORGANIZATIONS,
            "dd7cd2292f6e974a",
            r#"{"id":"dd7cd2292f6e974a","name":"myorg","description":"","createdAt":"2021-09-28T12:55:25.442475Z","updatedAt":"2021-09-28T12:55:25.442475Z"}"#,
        );
        holds(m, names::ORGANIZATION_INDEX, "myorg", "dd7cd2292f6e974a");
        holds(
            m,
            names::BUCKETS,
            "7451ab8b9b7df592",
            r#"{"id":"7451ab8b9b7df592","orgID":"dd7cd2292f6e974a","type":0,"name":"mybucket","description":"","retentionPeriod":0,"shardGroupDuration":604800000000000,"createdAt":"2021-09-28T12:55:25.670578Z","updatedAt":"2021-09-28T12:55:25.670578Z"}"#,
        );
        holds(
            m,
            names::BUCKET_INDEX,
            "dd7cd2292f6e974amybucket",
            "7451ab8b9b7df592",
        );
        let key = "dd7cd2292f6e974a08371db1dd8c8000";
        holds(
            m,
            names::MAPPINGS,
            key,
            r#"{"userID":"08371db1dd8c8000","userType":"owner","mappingType":"user","resourceType":"orgs","resourceID":"dd7cd2292f6e974a"}"#,
        );
        holds(
            m,
            names::MAPPINGS_BY_USER,
            &format!("08371db1dd8c8000/{key}"),
            key,
        );
        holds(
            m,
            names::MAPPINGS,
            "000000000000000108371db1dd8c8000",
            r#"{"userID":"08371db1dd8c8000","userType":"owner","mappingType":"user","resourceType":"instance","resourceID":"0000000000000001"}"#,
        );
    }

    #[test]
    fn the_index_knows_an_organization_without_outer_space() {
        let model = made(|changes| {
            NewOrganization {
                id: Id::new(1).unwrap(),
                name: " a\u{a0}",
                created_at: "",
            }
            .put(changes);
        });
        holds(&model, names::ORGANIZATION_INDEX, "a", "0000000000000001");
    }
}
