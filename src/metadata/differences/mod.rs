//! What differs between two stores, by meaning: tokens, users, passwords, organizations, buckets and
//! other access, and the number of all other records. Records are matched by their keys.

mod access;
mod key_changes;
mod names_and_logins;
mod other_records;
mod time_series;
mod tokens;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::differences::key_changes::KeyChanges;
use crate::metadata::{Catalog, Id, dbrp, lost_records, names};
use crate::store::{Inspect, Snapshot};

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An authorization.
    Token,
    /// A user.
    User,
    /// The password of a user.
    Password,
    /// An organization.
    Org,
    /// A bucket of points.
    Bucket,
    /// An owner or a member of a resource.
    Mapping,
    /// A 1.x-compatible authorization.
    V1Auth,
    /// The password of a 1.x-compatible authorization.
    V1Password,
    /// A mapping of a 1.x database to a bucket.
    Dbrp,
    /// A migration.
    Migration,
    /// The shard groups of a bucket of points, or its time-series metadata.
    Shards,
    /// An entry of an index that is missing, leads elsewhere, or leads to nothing.
    Finding,
    /// All other records of a bucket of the store.
    Records,
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Only the second store has it.
    Added,
    /// Only the first store has it.
    Removed,
    /// One store has it; damage may hide it in the other.
    Unknown,
    /// Another token. Neither value is shown.
    Value,
    /// One store has a SHA-256 hash and the other a SHA-512 hash: whether the token is the same is
    /// unknown.
    ValueUnknown,
    /// Another form of storage: `plaintext`, `sha256`, `sha512`, `both`, `missing`.
    Storage,
    /// Other permissions: those that are gone, and those that are new.
    Permissions,
    /// Another status.
    Status,
    /// Another description.
    Description,
    /// Another owner.
    User,
    /// Another organization.
    Organization,
    /// Another name.
    Name,
    /// Another retention period.
    Retention,
    /// Another duration of shard groups.
    ShardGroupDuration,
    /// Another bucket.
    Bucket,
    /// Default of its database, or no longer.
    Default,
    /// Another number of shard groups.
    ShardGroups,
    /// Other content: another password, or a part of a record that has no name here.
    Changed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// The identifier; the key of a mapping, the place of a finding, none for `records`.
    pub id: Option<String>,
    /// The name or description; for `records`, the bucket of the store.
    pub name: String,
    /// How it differs.
    #[serde(rename = "change")]
    pub how: How,
    /// In the first store; none if it is not there, or secret.
    pub before: Option<String>,
    /// In the second store; none if it is not there, or secret.
    pub after: Option<String>,
    /// For `records`: their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordNumbers>,
}

/// Numbers of records of one bucket of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordNumbers {
    /// Only in the second store.
    pub added: u64,
    /// Only in the first store.
    pub removed: u64,
    /// In both, with another content.
    pub changed: u64,
}

/// All differences, and what damage hides.
pub struct Differences {
    /// By kind, then in the order of keys.
    pub changes: Vec<Change>,
    /// The kinds of records that damage hides in one of the stores.
    pub incomplete: Vec<Kind>,
    /// Whether damage hides migrations of the first and of the second store.
    pub hidden_migrations: [bool; 2],
    /// What was skipped in the first store.
    pub skipped_before: Vec<Finding>,
    /// What was skipped in the second store.
    pub skipped_after: Vec<Finding>,
}

/// One of the two stores.
struct Side<'a> {
    snapshot: &'a dyn Snapshot,
    catalog: Catalog,
    /// The 1.x mappings that are the default of their database.
    default_mappings: BTreeSet<Id>,
    skipped: Vec<Finding>,
}

impl<'a> Side<'a> {
    fn new(snapshot: &'a dyn Snapshot, inspect: &dyn Inspect) -> Result<Self> {
        let mut catalog = Catalog::load(snapshot)?;
        let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
        let mut skipped = std::mem::take(&mut catalog.skipped);
        skipped.append(&mut catalog.indexes.damage);
        skipped.extend(lost);
        Ok(Self {
            snapshot,
            catalog,
            default_mappings: dbrp::defaults(snapshot)?,
            skipped,
        })
    }
}

/// Both stores, and what was found so far.
struct Comparison<'a> {
    before: Side<'a>,
    after: Side<'a>,
    changes: Vec<Change>,
    incomplete: Vec<Kind>,
}

/// Compares two stores.
///
/// # Errors
/// When one of them can't be read; damage is told in the result.
pub fn find(
    before: (&dyn Snapshot, &dyn Inspect),
    after: (&dyn Snapshot, &dyn Inspect),
) -> Result<Differences> {
    let mut comparison = Comparison {
        before: Side::new(before.0, before.1)?,
        after: Side::new(after.0, after.1)?,
        changes: Vec::new(),
        incomplete: Vec::new(),
    };
    comparison.tokens()?;
    comparison.names_and_logins()?;
    comparison.access()?;
    comparison.migrations()?;
    comparison.time_series()?;
    comparison.index_findings()?;
    comparison.other_records()?;
    let mut changes = comparison.changes;
    changes.sort_by_key(|change| change.kind);
    let mut incomplete = comparison.incomplete;
    incomplete.sort_unstable();
    incomplete.dedup();
    let sides = [&comparison.before, &comparison.after];
    Ok(Differences {
        changes,
        incomplete,
        hidden_migrations: sides.map(|side| side.catalog.hidden.hides(names::MIGRATIONS)),
        skipped_before: comparison.before.skipped,
        skipped_after: comparison.after.skipped,
    })
}

/// What is to be said about a record: its name, and a summary of it.
struct Described {
    name: String,
    summary: Option<String>,
}

impl Comparison<'_> {
    /// The keys of `bucket` that differ. Damage that hides records is noted.
    fn keys(&mut self, kind: Kind, bucket: &'static [u8]) -> Result<KeyChanges> {
        let mut found = KeyChanges::find(self.before.snapshot, self.after.snapshot, bucket)?;
        found.before_hides |= self.before.catalog.hidden.hides(bucket);
        found.after_hides |= self.after.catalog.hidden.hides(bucket);
        if found.before_hides || found.after_hides {
            self.incomplete.push(kind);
        }
        Ok(found)
    }

    /// Reports the records of `bucket` that only one store has, and hands the values of those that
    /// differ to `compare`.
    fn records(
        &mut self,
        kind: Kind,
        bucket: &'static [u8],
        describe: impl Fn(&Side<'_>, &[u8], &[u8]) -> Described,
        mut compare: impl FnMut(&mut Self, &[u8], &[u8], &[u8]),
    ) -> Result<()> {
        let found = self.keys(kind, bucket)?;
        let get = |side: &Side<'_>, key: &[u8]| -> Result<Vec<u8>> {
            Ok(side.snapshot.get(bucket, key)?.unwrap_or_default())
        };
        for key in &found.removed {
            let was = describe(&self.before, key, &get(&self.before, key)?);
            let how = match found.after_hides {
                true => How::Unknown,
                false => How::Removed,
            };
            self.push(kind, how, text(key), was.name, was.summary, None);
        }
        for key in &found.added {
            let is = describe(&self.after, key, &get(&self.after, key)?);
            let how = match found.before_hides {
                true => How::Unknown,
                false => How::Added,
            };
            self.push(kind, how, text(key), is.name, None, is.summary);
        }
        for key in &found.changed {
            let (was, is) = (get(&self.before, key)?, get(&self.after, key)?);
            compare(self, key, &was, &is);
        }
        Ok(())
    }

    fn push(
        &mut self,
        kind: Kind,
        how: How,
        id: String,
        name: String,
        before: Option<String>,
        after: Option<String>,
    ) {
        self.changes.push(Change {
            kind,
            id: Some(id),
            name,
            how,
            before,
            after,
            records: None,
        });
    }

    /// Reports each of `fields` that differs. If none does, the record differs in something that has
    /// no name here.
    fn fields(
        &mut self,
        kind: Kind,
        key: &[u8],
        name: &str,
        fields: impl IntoIterator<Item = (How, String, String)>,
    ) {
        if !self.named_fields(kind, key, name, fields) {
            self.push(kind, How::Changed, text(key), name.to_owned(), None, None);
        }
    }

    /// Reports each of `fields` that differs, and returns whether any does.
    fn named_fields(
        &mut self,
        kind: Kind,
        key: &[u8],
        name: &str,
        fields: impl IntoIterator<Item = (How, String, String)>,
    ) -> bool {
        let told = self.changes.len();
        for (how, before, after) in fields {
            if before != after {
                let (before, after) = (Some(before), Some(after));
                self.push(kind, how, text(key), name.to_owned(), before, after);
            }
        }
        self.changes.len() > told
    }
}

/// A record that can't be decoded.
fn undecodable() -> Described {
    Described {
        name: String::new(),
        summary: Some(String::from("a record that can't be decoded")),
    }
}

/// The name of an organization, or its identifier if the store lacks it.
fn org_name(catalog: &Catalog, id: Id) -> String {
    let org = catalog.orgs.get(&id);
    org.map_or_else(|| id.to_string(), |org| org.name.clone())
}

/// The name of a user, or its identifier if the store lacks it.
fn user_name(catalog: &Catalog, id: Id) -> String {
    let user = catalog.users.get(&id);
    user.map_or_else(|| id.to_string(), |user| user.name.clone())
}

/// The name of a bucket, or its identifier if the store lacks it.
fn bucket_name(catalog: &Catalog, id: Id) -> String {
    let bucket = catalog.buckets.get(&id);
    bucket.map_or_else(|| id.to_string(), |bucket| bucket.name.clone())
}

fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// The buckets that are compared by meaning, and the indexes that follow from them. Their records
/// are not counted among the others.
const COMPARED: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::AUTHORIZATION_INDEX,
    names::AUTHORIZATION_HASHED_INDEX,
    names::USERS,
    names::USER_INDEX,
    names::USER_PASSWORDS,
    names::ORGANIZATIONS,
    names::ORGANIZATION_INDEX,
    names::BUCKETS,
    names::BUCKET_INDEX,
    names::MAPPINGS,
    names::MAPPINGS_BY_USER,
    names::LEGACY_AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATION_INDEX,
    names::LEGACY_PASSWORDS,
    names::MIGRATIONS,
    names::TSM_METADATA,
    names::DBRP,
    names::DBRP_BY_ORG,
    names::DBRP_BY_DATABASE,
    names::DBRP_DEFAULT,
    names::LABEL_INDEX,
];
