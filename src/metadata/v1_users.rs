//! 1.x users: the 1.x-compatible authorizations by their user names. Like influxd, a name is found
//! only by its index.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::lookup::{Lookup, Named, look};
use crate::metadata::name_index::NameIndex;
use crate::metadata::{Id, authorization, names};
use crate::store::Snapshot;

/// A 1.x user: the name and the ID of its authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1User {
    /// The authorization.
    pub id: Id,
    /// The 1.x user name.
    pub name: String,
}

impl Named for V1User {
    const WHAT: &'static str = "1.x user";
    const INDEX: &'static [u8] = names::LEGACY_AUTHORIZATION_INDEX;
    fn id(&self) -> Id {
        self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn key(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }
}

/// All 1.x users of a store, and the index of their names.
#[derive(Debug, Default)]
pub struct V1Users {
    /// By ID.
    pub users: BTreeMap<Id, V1User>,
    /// By name.
    pub index: NameIndex,
    /// Records and parts of the index that were skipped.
    pub skipped: Vec<Finding>,
}

impl V1Users {
    /// Reads the records and the index.
    ///
    /// # Errors
    /// When the file can't be read; records that can't be decoded are skipped.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut users = BTreeMap::new();
        let bucket = names::LEGACY_AUTHORIZATIONS;
        let mut skipped = authorization::scan(snapshot, bucket, &mut |record| {
            let name = record.token.clone().into_owned();
            users.insert(
                record.id,
                V1User {
                    id: record.id,
                    name,
                },
            );
        })?;
        let index = NameIndex::load(snapshot, V1User::INDEX, &mut skipped)?;
        Ok(Self {
            users,
            index,
            skipped,
        })
    }

    /// The 1.x user whom influxd finds by this name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Lookup<'_, V1User> {
        look(&self.users, &self.index, name.as_bytes())
    }
}
