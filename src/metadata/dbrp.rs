//! Mappings of 1.x databases and retention policies to buckets, and the keys of their indexes.
//!
//! Source: `dbrp/service.go` and `kv/index.go` in influxdata/influxdb.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

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
}

impl Dbrp {
    /// Decodes a record.
    ///
    /// # Errors
    /// Why influxd can't decode it either.
    pub fn decode(value: &[u8]) -> std::result::Result<Self, String> {
        let content = go_json::text(value);
        let record = go_json::read(&content, FIELDS)?;
        // Early releases of 2.x wrote the second names.
        let either = |name, old| record.id(name).or_else(|| record.id(old));
        Ok(Self {
            database: record.string("database"),
            retention_policy: record.string("retention_policy"),
            org: either("orgID", "organization_id"),
            bucket: either("bucketID", "bucket_id"),
        })
    }

    /// The key of its database in [`names::DBRP_DEFAULT`]. None without an organization.
    #[must_use]
    pub fn database_key(&self) -> Option<Vec<u8>> {
        Some(format!("{}{}", self.org?, self.database).into_bytes())
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
