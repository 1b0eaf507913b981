//! The indexes by which influxd finds users, organizations and buckets by name. Only the entry of a
//! name counts, not the name in the record.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// The index of one kind of record: the targets of its names.
#[derive(Debug, Clone, Default)]
pub struct NameIndex {
    /// The target is none if the value is not an ID.
    entries: BTreeMap<Vec<u8>, Option<Id>>,
    /// Whether damage hides some entries.
    damaged: bool,
}

/// The entry of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The entry leads to this ID, whether or not a record has it.
    To(Id),
    /// Its value is not an ID.
    Invalid,
    /// There is no entry.
    Absent,
    /// Not found, but a part of the index can't be read.
    Unknown,
}

impl NameIndex {
    /// Reads the index in `bucket`, and adds damage to `found`.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn load(
        snapshot: &dyn Snapshot,
        bucket: &[u8],
        found: &mut Vec<Finding>,
    ) -> Result<Self> {
        let mut entries = BTreeMap::new();
        let damage = snapshot.scan(bucket, &mut |key, value| {
            entries.insert(key.to_vec(), Id::from_bytes(value).ok());
            ControlFlow::Continue(())
        })?;
        let damaged = !damage.is_empty();
        found.extend(damage);
        Ok(Self { entries, damaged })
    }

    /// The entry with this key.
    #[must_use]
    pub fn entry(&self, key: &[u8]) -> Entry {
        match self.entries.get(key) {
            Some(Some(id)) => Entry::To(*id),
            Some(None) => Entry::Invalid,
            None if self.damaged => Entry::Unknown,
            None => Entry::Absent,
        }
    }

    /// Adds an entry.
    pub fn insert(&mut self, key: Vec<u8>, id: Id) {
        self.entries.insert(key, Some(id));
    }

    /// All keys, ascending, with their targets.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], Option<Id>)> {
        self.entries.iter().map(|(key, id)| (&**key, *id))
    }

    /// The keys that lead to each ID, in ascending lists.
    #[must_use]
    pub fn keys_by_id(&self) -> BTreeMap<Id, Vec<&[u8]>> {
        let mut keys: BTreeMap<Id, Vec<&[u8]>> = BTreeMap::new();
        for (key, id) in &self.entries {
            if let Some(id) = id {
                keys.entry(*id).or_default().push(key);
            }
        }
        keys
    }
}

/// The three indexes of names.
#[derive(Debug, Clone, Default)]
pub struct NameIndexes {
    /// By [`user_key`].
    pub users: NameIndex,
    /// By [`org_key`].
    pub orgs: NameIndex,
    /// By [`bucket_key`].
    pub buckets: NameIndex,
    /// Findings about parts that can't be read.
    pub damage: Vec<Finding>,
}

impl NameIndexes {
    /// Reads the indexes.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut damage = Vec::new();
        Ok(Self {
            users: NameIndex::load(snapshot, names::USER_INDEX, &mut damage)?,
            orgs: NameIndex::load(snapshot, names::ORGANIZATION_INDEX, &mut damage)?,
            buckets: NameIndex::load(snapshot, names::BUCKET_INDEX, &mut damage)?,
            damage,
        })
    }
}

/// The key of a user's entry: the name, byte for byte.
#[must_use]
pub fn user_key(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}

/// The key of an organization's entry: the name without white space at its start and end.
#[must_use]
pub fn org_key(name: &str) -> Vec<u8> {
    name.trim().as_bytes().to_vec()
}

/// The key of a bucket's entry: the organization's ID, then the name.
#[must_use]
pub fn bucket_key(org: Id, name: &str) -> Vec<u8> {
    format!("{org}{name}").into_bytes()
}
