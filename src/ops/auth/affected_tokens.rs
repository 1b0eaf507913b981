//! The authorizations that a change of several is about, and the usable operator tokens beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::{Catalog, Fingerprint, Id, Kind, Storage, authorization, names};
use crate::ops::auth::record::Record;
use crate::ops::commit::all_decoded;
use crate::store::Snapshot;

/// An authorization before the change. Of a record that can't be decoded only the ID is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AffectedToken {
    /// Its ID.
    pub id: Id,
    /// May be empty.
    pub description: Option<String>,
    /// The kind of token.
    pub kind: Option<Kind>,
    /// How the token is stored.
    pub storage: Option<Storage>,
    /// The organization's name; none if it was deleted.
    pub org: Option<String>,
    /// The owner's name; none if there is no such user.
    pub user: Option<String>,
    /// Whether a server would accept it now.
    pub usable: bool,
    /// The record, value included.
    #[serde(skip)]
    pub record: Fingerprint,
}

impl AffectedToken {
    /// A record of which only the ID is known.
    fn unknown(record: &Record) -> Self {
        Self {
            id: record.id(),
            description: None,
            kind: None,
            storage: None,
            org: None,
            user: None,
            usable: false,
            record: record.fingerprint(),
        }
    }

    /// Whether a server accepts it as an operator token.
    #[must_use]
    pub fn is_usable_operator(&self) -> bool {
        self.usable && self.kind == Some(Kind::Operator)
    }
}

/// What a change of several authorizations is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedTokens {
    /// Ascending by ID.
    pub tokens: Vec<AffectedToken>,
    /// Number of usable operator tokens that are not among them.
    pub other_operators: u64,
}

impl AffectedTokens {
    /// Reads these authorizations and counts the operator tokens. Of `ids`, a record may be
    /// undecodable.
    ///
    /// # Errors
    /// * [`crate::ErrorKind::NoSuchRecord`] when one of them does not exist
    /// * [`crate::ErrorKind::Corrupt`] when another record or an index can't be decoded
    pub(crate) fn load(
        snapshot: &dyn Snapshot,
        catalog: &Catalog,
        ids: &BTreeSet<Id>,
    ) -> Result<Self> {
        let mut tokens = BTreeMap::new();
        for id in ids {
            tokens.insert(*id, AffectedToken::unknown(&Record::load(snapshot, *id)?));
        }
        let (indexes, damage) = TokenIndexes::load(snapshot)?;
        all_decoded(&damage)?;
        let mut other_operators = 0;
        let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
            let usable = judge(record, catalog, &indexes).authenticates;
            let kind = record.class().kind;
            let Some(token) = tokens.get_mut(&record.id) else {
                other_operators += u64::from(usable && kind == Kind::Operator);
                return;
            };
            let org = catalog.orgs.get(&record.org_id);
            let user = record.user_id.and_then(|id| catalog.users.get(&id));
            *token = AffectedToken {
                id: record.id,
                description: Some(record.description.clone().into_owned()),
                kind: Some(kind),
                storage: Some(record.storage()),
                org: org.map(|org| org.name.clone()),
                user: user.map(|user| user.name.clone()),
                usable,
                record: token.record,
            };
        })?;
        let others: Vec<Finding> = skipped
            .into_iter()
            .filter(|finding| !id_in(&finding.place).is_some_and(|id| tokens.contains_key(&id)))
            .collect();
        all_decoded(&others)?;
        Ok(Self {
            tokens: tokens.into_values().collect(),
            other_operators,
        })
    }

    /// Number of usable operator tokens among them.
    #[must_use]
    pub fn operators(&self) -> u64 {
        let usable = self.tokens.iter().filter(|one| one.is_usable_operator());
        usable.count() as u64
    }
}

/// The ID in the place of a finding about an authorization.
fn id_in(place: &str) -> Option<Id> {
    let (bucket, key) = place.split_once('/')?;
    let id = Id::from_bytes(key.as_bytes()).ok()?;
    (bucket.as_bytes() == names::AUTHORIZATIONS).then_some(id)
}
