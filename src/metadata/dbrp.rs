//! Mappings of 1.x databases and retention policies to buckets, and the keys of their indexes.
//!
//! Source: `dbrp/service.go` and `kv/index.go` in influxdata/influxdb.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::json::string;
use crate::metadata::{Id, names};
use crate::store::{ChangeSet, Snapshot};

const FIELDS: &[Field] = &[
    ("id", Kind::Id),
    ("database", Kind::Text),
    ("retention_policy", Kind::Text),
    ("default", Kind::Flag),
    ("orgID", Kind::Id),
    ("bucketID", Kind::Id),
];

/// A mapping (`dbrpv1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dbrp {
    /// The 1.x database.
    pub database: String,
    /// The retention policy of the database.
    pub retention_policy: String,
    /// The organization; none in a record that influxd would not write.
    pub org: Option<Id>,
    /// The bucket; none in a record that influxd would not write.
    pub bucket: Option<Id>,
    /// Whether the IDs have the names that releases before 2.0.2 wrote.
    pub early: bool,
}

/// The migration of 2.0.3 that renames the IDs in records of early releases.
const RENAMES_IDS: u64 = 13;

/// Why influxd does not read an [`early`](Dbrp::early) record, at a schema whose releases expect that
/// there is none.
pub const EARLY: &str = "its IDs have the names that releases before 2.0.2 wrote, so influxd fails on \
                         it and on every list of mappings; delete it and create it again with boltkey \
                         v1 dbrp";

/// Whether influxd fails on [`early`](Dbrp::early) records of a store with this schema.
#[must_use]
pub fn must_not_be_early(schema: u64) -> bool {
    schema >= RENAMES_IDS
}

impl Dbrp {
    /// Decodes a record.
    ///
    /// # Errors
    /// Why influxd can't decode it either.
    pub fn decode(value: &[u8]) -> std::result::Result<Self, String> {
        let content = go_json::text(value);
        let record = go_json::read(&content, FIELDS)?;
        let either = |name, old| record.id(name).or_else(|| record.id(old));
        let is_early = |name, old| record.id(name).is_none() && record.id(old).is_some();
        Ok(Self {
            database: record.string("database"),
            retention_policy: record.string("retention_policy"),
            org: either("orgID", "organization_id"),
            bucket: either("bucketID", "bucket_id"),
            early: is_early("orgID", "organization_id") || is_early("bucketID", "bucket_id"),
        })
    }

    /// The key of its database in [`names::DBRP_DEFAULT`]. None without an organization.
    #[must_use]
    pub fn database_key(&self) -> Option<Vec<u8>> {
        Some(database_key(self.org?, &self.database))
    }

    /// The entries that the mapping with this ID needs in the two indexes of mappings: bucket and
    /// key. None if it can't have entries, as without an organization.
    #[must_use]
    pub fn entries(&self, id: Id) -> Option<[(&'static [u8], Vec<u8>); 2]> {
        // influxd refuses such names, because the slash separates the ID.
        if self.database.contains('/') {
            return None;
        }
        let org = self.org?;
        Some([
            (names::DBRP_BY_ORG, format!("{org}/{id}").into_bytes()),
            (
                names::DBRP_BY_DATABASE,
                format!("{org}{}/{id}", self.database).into_bytes(),
            ),
        ])
    }
}

/// The mappings that are the default of their database.
///
/// # Errors
/// When the file can't be read.
pub fn defaults(snapshot: &dyn Snapshot) -> Result<BTreeSet<Id>> {
    let mut defaults = BTreeSet::new();
    snapshot.scan(names::DBRP_DEFAULT, &mut |_, value| {
        defaults.extend(Id::from_bytes(value));
        ControlFlow::Continue(())
    })?;
    Ok(defaults)
}

/// The retention policy that requests without one, and buckets without one in their name, have.
pub const AUTOGEN: &str = "autogen";

/// Whether influxd accepts a name for a database or a retention policy: printable characters but
/// slashes.
#[must_use]
pub fn is_valid_name(name: &str) -> bool {
    // Debug output escapes exactly what Go calls not printable, and quotes and backslashes. It
    // treats the first character in another way.
    let plain = format!("a{}", name.replace(['"', '\''], ""));
    let is_printable = plain.escape_debug().eq(plain.chars());
    is_printable && !matches!(name, "" | "." | "..") && !name.contains(['/', '\\'])
}

/// The database and the retention policy that the name of a bucket means without a mapping.
#[must_use]
pub fn of_bucket_name(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, AUTOGEN))
}

/// A new mapping.
pub struct NewDbrp<'a> {
    /// Its ID, which must be free.
    pub id: Id,
    /// The 1.x database.
    pub database: &'a str,
    /// The retention policy of the database.
    pub retention_policy: &'a str,
    /// The organization.
    pub org: Id,
    /// The bucket.
    pub bucket: Id,
    /// Whether it becomes the default mapping of its database.
    pub default: bool,
}

impl NewDbrp<'_> {
    /// Adds the record and its entries, as influxd writes them.
    pub fn put(&self, changes: &mut ChangeSet) {
        let Self {
            id, org, bucket, ..
        } = self;
        let record = format!(
            r#"{{"id":"{id}","database":{},"retention_policy":{},"default":{},"virtual":false,"orgID":"{org}","bucketID":"{bucket}"}}"#,
            string(self.database),
            string(self.retention_policy),
            self.default,
        );
        let key = id.to_string();
        changes.put(names::DBRP, key.as_bytes(), record.as_bytes());
        let mapping = Dbrp {
            database: self.database.to_owned(),
            retention_policy: self.retention_policy.to_owned(),
            org: Some(*org),
            bucket: Some(*bucket),
            early: false,
        };
        for (index, entry) in mapping.entries(*id).into_iter().flatten() {
            changes.put(index, &entry, key.as_bytes());
        }
        if self.default {
            let database = database_key(*org, self.database);
            changes.put(names::DBRP_DEFAULT, &database, key.as_bytes());
        }
    }
}

/// The key of a database in [`names::DBRP_DEFAULT`].
#[must_use]
pub fn database_key(org: Id, database: &str) -> Vec<u8> {
    format!("{org}{database}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Model, Preview, Snapshot};

    /// What influxd 2.7.12 and 2.9.1 accept.
    #[test]
    fn names_of_databases() {
        for (name, valid) in [
            ("telegraf", true),
            ("my db", true),
            ("Zähler 日本", true),
            ("a\u{301}", true),
            ("\u{301}", true),
            ("q\"x'", true),
            ("", false),
            (".", false),
            ("..", false),
            ("...", true),
            ("a/b", false),
            ("a\\b", false),
            ("a\tb", false),
            ("a\u{a0}b", false),
            ("a\u{200b}", false),
            ("a\u{202e}", false),
            ("\u{e000}", false),
        ] {
            assert_eq!(is_valid_name(name), valid, "{name:?}");
        }
    }

    #[test]
    fn what_the_name_of_a_bucket_means() {
        for (name, expected) in [
            ("metrics", ("metrics", "autogen")),
            ("a/b", ("a", "b")),
            ("a/b/c", ("a", "b/c")),
            ("/", ("", "")),
        ] {
            assert_eq!(of_bucket_name(name), expected);
        }
    }

    #[test]
    fn records_as_a_real_server_wrote_them() {
        let mut changes = ChangeSet::default();
        let id = |text: &str| text.parse().unwrap();
        NewDbrp {
            id: id("11b753e419ec2000"),
            database: "collectd",
            retention_policy: "autogen",
            org: id("3e2613d9648fe00d"),
            bucket: id("eea5d411a78b93a6"),
            default: true,
        }
        .put(&mut changes);
        let model = Model::default();
        let after = Preview::new(&model, &changes);
        for (bucket, key, value) in [
            (
                names::DBRP,
                "11b753e419ec2000",
                r#"{"id":"11b753e419ec2000","database":"collectd","retention_policy":"autogen","default":true,"virtual":false,"orgID":"3e2613d9648fe00d","bucketID":"eea5d411a78b93a6"}"#,
            ),
            (
                names::DBRP_BY_ORG,
                "3e2613d9648fe00d/11b753e419ec2000",
                "11b753e419ec2000",
            ),
            (
                names::DBRP_BY_DATABASE,
                "3e2613d9648fe00dcollectd/11b753e419ec2000",
                "11b753e419ec2000",
            ),
            (
                names::DBRP_DEFAULT,
                "3e2613d9648fe00dcollectd",
                "11b753e419ec2000",
            ),
        ] {
            let found = after.get(bucket, key.as_bytes()).unwrap().unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), value);
        }
    }
}
