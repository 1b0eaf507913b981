//! Users, organizations and buckets of a store by ID.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::name_index::NameIndexes;
use crate::metadata::{Hidden, Id, go_json, names};
use crate::store::Snapshot;

/// A user record (`usersv1`).
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// Its identifier.
    pub id: Id,
    /// Unique, as written.
    pub name: String,
    /// `active`, `inactive`, or empty (created by `influxd recovery user create`).
    #[serde(default)]
    pub status: String,
}

/// An organization record (`organizationsv1`).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its identifier.
    pub id: Id,
    /// Unique, ignoring white space at its start and end.
    pub name: String,
    /// May be empty.
    #[serde(default)]
    pub description: String,
    /// RFC 3339, as written.
    #[serde(default, deserialize_with = "time")]
    pub created_at: String,
    /// RFC 3339, as written.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: String,
}

/// An InfluxDB bucket record (`bucketsv1`), not to be confused with a bucket of the store.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its identifier; also its database's name in the time-series metadata.
    pub id: Id,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// 0: a user's; 1: a system bucket (`_tasks`, `_monitoring`).
    #[serde(default, rename = "type")]
    pub kind: i64,
    /// Unique within its organization.
    pub name: String,
    /// May be empty.
    #[serde(default)]
    pub description: String,
    /// Nanoseconds; 0 for unlimited.
    #[serde(default)]
    pub retention_period: i64,
    /// Nanoseconds.
    #[serde(default)]
    pub shard_group_duration: i64,
    /// Retention policy name of a 1.x database; absent in most.
    #[serde(default)]
    pub rp: Option<String>,
    /// RFC 3339, as written.
    #[serde(default, deserialize_with = "time")]
    pub created_at: String,
    /// RFC 3339, as written.
    #[serde(default, deserialize_with = "time")]
    pub updated_at: String,
}

impl Bucket {
    /// Whether it is `_tasks` or `_monitoring` of an organization.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.kind == 1
    }
}

/// A time that influxd can read, or `null`.
fn time<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<String, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text {
        Some(text) if !go_json::is_time(text.as_bytes()) => {
            Err(serde::de::Error::custom("invalid time"))
        }
        text => Ok(text.unwrap_or_default()),
    }
}

/// All users, organizations and buckets that could be decoded.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By ID.
    pub users: BTreeMap<Id, User>,
    /// By ID.
    pub orgs: BTreeMap<Id, Organization>,
    /// By ID.
    pub buckets: BTreeMap<Id, Bucket>,
    /// The names by which influxd finds them.
    pub indexes: NameIndexes,
    /// Findings about records that were skipped.
    pub skipped: Vec<Finding>,
    /// The buckets in which damage hides records.
    /// [`crate::metadata::lost_records::find_hidden`] adds those that can't be seen from here.
    pub hidden: Hidden,
}

impl Catalog {
    /// The organizations that have a record of a bucket of this name, whatever the index says.
    #[must_use]
    pub fn orgs_with_bucket(&self, name: &str) -> HashSet<Id> {
        let buckets = self.buckets.values();
        let named = buckets.filter(|bucket| bucket.name == name);
        named.map(|bucket| bucket.org_id).collect()
    }

    /// Reads the three buckets, and the indexes of their names.
    ///
    /// # Errors
    /// When the file can't be read; records that can't be decoded are skipped.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut catalog = Self::default();
        catalog.users = catalog.load_records(snapshot, names::USERS, |user: &User| user.id)?;
        catalog.orgs =
            catalog.load_records(snapshot, names::ORGANIZATIONS, |org: &Organization| org.id)?;
        catalog.buckets =
            catalog.load_records(snapshot, names::BUCKETS, |bucket: &Bucket| bucket.id)?;
        catalog.indexes = NameIndexes::load(snapshot)?;
        Ok(catalog)
    }

    /// Reads one bucket, and notes what was skipped.
    fn load_records<T: DeserializeOwned>(
        &mut self,
        snapshot: &dyn Snapshot,
        bucket: &'static [u8],
        id: impl Fn(&T) -> Id,
    ) -> Result<BTreeMap<Id, T>> {
        let before = self.skipped.len();
        let records = load(snapshot, bucket, id, &mut self.skipped)?;
        if self.skipped.len() > before {
            self.hidden.add(bucket);
        }
        Ok(records)
    }

    /// Whether damage may hide the user with this ID.
    #[must_use]
    pub fn may_have_user(&self, id: Id) -> bool {
        !self.users.contains_key(&id) && self.hidden.hides(names::USERS)
    }

    /// Whether damage may hide the organization with this ID.
    #[must_use]
    pub fn may_have_org(&self, id: Id) -> bool {
        !self.orgs.contains_key(&id) && self.hidden.hides(names::ORGANIZATIONS)
    }
}

/// Reads a bucket of JSON records by ID.
fn load<T: DeserializeOwned>(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    id: impl Fn(&T) -> Id,
    skipped: &mut Vec<Finding>,
) -> Result<BTreeMap<Id, T>> {
    let mut records = BTreeMap::new();
    let mut undecodable = Undecodable::default();
    let damage = snapshot.scan(bucket, &mut |key, value| {
        match serde_json::from_slice::<T>(value) {
            Ok(record) => {
                records.insert(id(&record), record);
            }
            Err(cause) => undecodable.push(undecodable_record(bucket, key, &cause)),
        }
        ControlFlow::Continue(())
    })?;
    skipped.extend(damage);
    skipped.extend(undecodable.into_findings(bucket));
    Ok(records)
}

/// Records that can't be decoded. The first ones of a bucket are listed, the others only counted: a
/// badly damaged file may have millions.
#[derive(Default)]
pub(crate) struct Undecodable {
    told: Vec<Finding>,
    more: u64,
}

impl Undecodable {
    const MOST: usize = 100;

    /// Adds one.
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.told.len() < Self::MOST {
            self.told.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// The listed ones, for commands that refuse undecodable records.
    pub(crate) fn told(&self) -> &[Finding] {
        &self.told
    }

    /// Adds the records of a later part of the bucket.
    pub(crate) fn append(&mut self, later: Self) {
        for finding in later.told {
            self.push(finding);
        }
        self.more += later.more;
    }

    /// All of them, with one finding for those that are only counted.
    pub(crate) fn into_findings(mut self, bucket: &[u8]) -> Vec<Finding> {
        if self.more > 0 {
            self.told.push(Finding::new(
                Code::Undecodable,
                String::from_utf8_lossy(bucket),
                format!("{} more records can't be decoded", self.more),
            ));
        }
        self.told
    }
}

/// The finding for a record whose JSON can't be decoded. It shows the position of the error, but
/// not the library's text, which may quote the value.
pub(crate) fn undecodable_record(bucket: &[u8], key: &[u8], cause: &serde_json::Error) -> Finding {
    let bucket = String::from_utf8_lossy(bucket);
    Finding::new(
        Code::Undecodable,
        format!("{bucket}/{}", String::from_utf8_lossy(key)),
        format!("record can't be decoded (at byte {})", cause.column()),
    )
}
