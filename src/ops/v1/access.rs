//! How many 1.x users and mappings a store has.

use std::collections::HashSet;
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndex, TokenIndexes};
use crate::metadata::{Catalog, Id, authorization, names, v1_access};
use crate::ops::known::Number;
use crate::store::Snapshot;

/// Numbers for `status`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct V1Access {
    /// 1.x users.
    pub users: Number,
    /// Those of them that the 1.x endpoints accept with the right password.
    pub usable: Number,
    /// Stored mappings of 1.x databases, not the virtual ones.
    pub mappings: Number,
}

impl V1Access {
    /// Counts them.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn of(snapshot: &dyn Snapshot, catalog: &Catalog) -> Result<Self> {
        let (raw, _) = TokenIndex::load(snapshot, names::LEGACY_AUTHORIZATION_INDEX)?;
        let indexes = TokenIndexes {
            raw,
            hashed: TokenIndex::default(),
        };
        let mut passwords = HashSet::new();
        snapshot.scan(names::LEGACY_PASSWORDS, &mut |key, value| {
            if !value.is_empty() {
                passwords.extend(Id::from_bytes(key).ok());
            }
            ControlFlow::Continue(())
        })?;
        let (mut users, mut usable) = (0, 0);
        authorization::scan(snapshot, names::LEGACY_AUTHORIZATIONS, &mut |record| {
            let has_password = Some(passwords.contains(&record.id));
            let verdict = v1_access::judge(record, catalog, &indexes, has_password);
            users += 1;
            usable += u64::from(verdict.authenticates);
        })?;
        let mut mappings = 0;
        snapshot.scan(names::DBRP, &mut |_, _| {
            mappings += 1;
            ControlFlow::Continue(())
        })?;
        let hides = |buckets: &[&[u8]]| catalog.hidden.hides_any(buckets);
        let users_hidden = hides(&[names::LEGACY_AUTHORIZATIONS]);
        let usable_hidden = users_hidden
            || hides(&[
                names::LEGACY_AUTHORIZATION_INDEX,
                names::LEGACY_PASSWORDS,
                names::USERS,
                names::ORGANIZATIONS,
            ]);
        Ok(Self {
            users: Number::new(users, users_hidden),
            usable: Number::new(usable, usable_hidden),
            mappings: Number::new(mappings, hides(&[names::DBRP])),
        })
    }

    /// Whether damage may hide some.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let numbers = [self.users, self.usable, self.mappings];
        numbers.iter().any(|number| number.known().is_none())
    }

    /// Whether it is certain that there are none.
    #[must_use]
    pub fn has_none(&self) -> bool {
        self.users.known() == Some(0) && self.mappings.known() == Some(0)
    }
}
