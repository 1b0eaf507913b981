//! Counts of authorizations by kind, and the operator tokens of a store.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::authorization_pass::{self, PassedRecord};
use crate::metadata::lost_records::Unreadable;
use crate::metadata::{
    Authorization, Catalog, Id, Kind, Storage, TokenHash, Variant, authorization, names,
};
use crate::ops::auth::list::is_orphaned;
use crate::ops::known::{List, Number};
use crate::store::{Inspect, Snapshot};

/// Numbers of tokens that can be read. `total` = `plaintext` + `hashed` + `both` + `missing`; `legacy` ones are
/// counted separately.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tokens {
    /// All of them.
    pub total: u64,
    /// Stored in plaintext only.
    pub plaintext: u64,
    /// Stored as a hash only.
    pub hashed: u64,
    /// Stored in plaintext and as a hash.
    pub both: u64,
    /// Records without a token.
    pub missing: u64,
    /// Operator tokens.
    pub operator: u64,
    /// All-access tokens.
    pub all_access: u64,
    /// Tokens that may do less.
    pub custom: u64,
    /// 1.x-compatible authorizations, which `total` does not count.
    pub legacy: u64,
    /// Inactive ones.
    pub inactive: u64,
    /// Those whose user or organization was deleted.
    pub orphaned: u64,
}

/// Numbers of all tokens, null where damage hides some.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenNumbers {
    /// All of them.
    pub total: Number,
    /// Stored in plaintext only.
    pub plaintext: Number,
    /// Stored as a hash only.
    pub hashed: Number,
    /// Stored in plaintext and as a hash.
    pub both: Number,
    /// Records without a token.
    pub missing: Number,
    /// Operator tokens.
    pub operator: Number,
    /// All-access tokens.
    pub all_access: Number,
    /// Tokens that may do less.
    pub custom: Number,
    /// 1.x-compatible authorizations, which `total` does not count.
    pub legacy: Number,
    /// Inactive ones.
    pub inactive: Number,
    /// Those whose user or organization was deleted.
    pub orphaned: Number,
    /// Records that can't be decoded.
    pub undecodable: u64,
    /// Tokens that only an index shows, because their record can't be read.
    pub only_in_index: OnlyInIndex,
    /// The numbers of those that can be read; none if nothing is hidden.
    pub at_least: Option<Tokens>,
}

/// Tokens that only an index shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OnlyInIndex {
    /// In plaintext: `capture` writes them out.
    /// Stored in plaintext only.
    pub plaintext: u64,
    /// By their hash.
    /// Stored as a hash only.
    pub hashed: u64,
}

impl TokenNumbers {
    /// Whether damage hides tokens.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.at_least.is_some()
    }

    /// The number of tokens that there are at least: with a readable record, or with an index
    /// entry or a record that can't be decoded.
    #[must_use]
    pub fn at_least(&self) -> Number {
        let OnlyInIndex { plaintext, hashed } = self.only_in_index;
        let shown = (plaintext + hashed).max(self.undecodable);
        Number::new(self.total.readable + shown, self.total.hidden)
    }
}

/// An operator token.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperatorToken {
    /// Its identifier.
    pub id: Id,
    /// May be empty.
    pub description: String,
    /// Its owner's name; `None` when there is no such user.
    pub user: Option<String>,
    /// How it is stored.
    pub storage: Storage,
    /// Whether it would authenticate now; none if unknown.
    pub usable: Option<bool>,
    /// Why it would not, or why that is unknown; `None` when it would.
    pub because: Option<String>,
    /// Whether damage may hide its owner.
    #[serde(skip)]
    pub user_hidden: bool,
}

/// The result of one pass over all authorizations.
#[derive(Default)]
pub(in crate::ops) struct TokenCounts {
    pub(in crate::ops) tokens: Tokens,
    /// The hash functions in use.
    pub(in crate::ops) variants: BTreeSet<Variant>,
    /// The records of operator tokens, by ID.
    operators: Vec<Zeroizing<Vec<u8>>>,
    /// Number of records that can't be decoded.
    undecodable: u64,
    /// Number of records whose key is an ID, decodable or not.
    pub(in crate::ops) keys: u64,
    /// Whether parts of the bucket can't be read.
    damaged: bool,
}

impl TokenCounts {
    /// Counts the authorizations of a store. Records that can't be decoded are skipped.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(in crate::ops) fn of(snapshot: &dyn Snapshot, catalog: &Catalog) -> Result<Self> {
        let mut whole = Self::default();
        let damage = authorization_pass::scan(
            snapshot,
            &|part: &mut Self, record| part.add(record, catalog),
            &mut |part| whole.append(part),
        )?;
        whole.finish(snapshot, !damage.is_empty())?;
        Ok(whole)
    }

    /// Completes the counts of all parts of a pass. `is_damaged` says that parts of the bucket can't
    /// be read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(in crate::ops) fn finish(
        &mut self,
        snapshot: &dyn Snapshot,
        is_damaged: bool,
    ) -> Result<()> {
        self.damaged = is_damaged;
        authorization::scan(snapshot, names::LEGACY_AUTHORIZATIONS, &mut |_| {
            self.tokens.legacy += 1;
        })?;
        Ok(())
    }

    /// Counts a record.
    pub(in crate::ops) fn add(&mut self, passed: &PassedRecord<'_>, catalog: &Catalog) {
        self.keys += u64::from(Id::from_bytes(passed.key).is_ok());
        let Ok(decoded) = &passed.decoded else {
            self.undecodable += 1;
            return;
        };
        let (record, kind) = (&decoded.fields, decoded.class.kind);
        let tokens = &mut self.tokens;
        tokens.total += 1;
        *match record.storage() {
            Storage::Plaintext => &mut tokens.plaintext,
            Storage::Hashed => &mut tokens.hashed,
            Storage::Both => &mut tokens.both,
            Storage::Missing => &mut tokens.missing,
        } += 1;
        *match kind {
            Kind::Operator => &mut tokens.operator,
            Kind::AllAccess => &mut tokens.all_access,
            Kind::Custom => &mut tokens.custom,
        } += 1;
        tokens.inactive += u64::from(!record.is_active());
        tokens.orphaned += u64::from(is_orphaned(record, catalog));
        if !record.hashed_token.is_empty()
            && let Ok(hash) = TokenHash::parse(&record.hashed_token)
        {
            self.variants.insert(hash.variant());
        }
        if kind == Kind::Operator {
            self.operators.push(Zeroizing::new(passed.value.to_vec()));
        }
    }

    /// Whether damage hides tokens.
    pub(in crate::ops) fn are_hidden(&self, catalog: &Catalog) -> bool {
        self.damaged || self.undecodable > 0 || catalog.hidden.hides(names::AUTHORIZATIONS)
    }

    /// The numbers, with what only the indexes show.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(in crate::ops) fn numbers(
        &self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        catalog: &Catalog,
    ) -> Result<TokenNumbers> {
        let (readable, hidden) = (self.tokens, self.are_hidden(catalog));
        let catalog_hidden = catalog
            .hidden
            .hides_any(&[names::USERS, names::ORGANIZATIONS]);
        let legacy_hidden = catalog.hidden.hides(names::LEGACY_AUTHORIZATIONS);
        let number = |readable| Number::new(readable, hidden);
        let (undecodable, only_in_index) = if hidden {
            unreadable(snapshot, inspect)?
        } else {
            (0, OnlyInIndex::default())
        };
        Ok(TokenNumbers {
            total: number(readable.total),
            plaintext: number(readable.plaintext),
            hashed: number(readable.hashed),
            both: number(readable.both),
            missing: number(readable.missing),
            operator: number(readable.operator),
            all_access: number(readable.all_access),
            custom: number(readable.custom),
            legacy: Number::new(readable.legacy, legacy_hidden),
            inactive: number(readable.inactive),
            orphaned: match catalog_hidden {
                true => Number::new(0, true),
                false => number(readable.orphaned),
            },
            undecodable,
            only_in_index,
            at_least: (hidden || legacy_hidden || catalog_hidden).then_some(readable),
        })
    }

    /// Adds the counts of a later part of the bucket.
    pub(in crate::ops) fn append(&mut self, part: Self) {
        self.keys += part.keys;
        self.tokens.add(&part.tokens);
        self.variants.extend(part.variants);
        self.operators.extend(part.operators);
        self.undecodable += part.undecodable;
    }

    /// The operator tokens, by ID.
    pub(in crate::ops) fn operators(&self) -> impl Iterator<Item = Authorization<'_>> {
        let records = self.operators.iter();
        // All of them were decoded before.
        records.filter_map(|record| serde_json::from_slice(record).ok())
    }

    /// The entries of the token indexes for operator tokens.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(in crate::ops) fn indexes(&self, snapshot: &dyn Snapshot) -> Result<TokenIndexes> {
        let operators: Vec<_> = self.operators().collect();
        TokenIndexes::of(snapshot, &operators)
    }

    /// Every operator token, with whether it would authenticate.
    pub(in crate::ops) fn operator_tokens(
        &self,
        catalog: &Catalog,
        indexes: &TokenIndexes,
    ) -> List<OperatorToken> {
        let shown = self.operators().map(|record| {
            let user = record.user_id.and_then(|id| catalog.users.get(&id));
            let verdict = judge(&record, catalog, indexes);
            OperatorToken {
                id: record.id,
                user: user.map(|user| user.name.clone()),
                user_hidden: record.user_id.is_some_and(|id| catalog.may_have_user(id)),
                storage: record.storage(),
                usable: verdict.known(),
                because: (!verdict.authenticates).then(|| verdict.reasons.join("; ")),
                description: record.description.into_owned(),
            }
        });
        List::new(shown.collect(), self.are_hidden(catalog))
    }

    /// The users that own operator tokens, with the first token of each.
    pub(in crate::ops) fn operator_owners(&self, catalog: &Catalog) -> BTreeMap<Id, Id> {
        let mut owners = BTreeMap::new();
        for record in self.operators() {
            if let Some(user) = record.user_id.filter(|id| catalog.users.contains_key(id)) {
                owners.entry(user).or_insert(record.id);
            }
        }
        owners
    }
}

/// The number of records that can't be decoded, and the tokens that only the indexes show.
fn unreadable(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<(u64, OnlyInIndex)> {
    let mut only = OnlyInIndex::default();
    let Some(unreadable) = Unreadable::find(snapshot, inspect, true)? else {
        return Ok((0, only));
    };
    unreadable.entries(snapshot, &mut |index, _, _| match index {
        names::AUTHORIZATION_INDEX => only.plaintext += 1,
        _ => only.hashed += 1,
    })?;
    Ok((unreadable.undecodable(), only))
}

impl Tokens {
    fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.total, more.total),
            (&mut self.plaintext, more.plaintext),
            (&mut self.hashed, more.hashed),
            (&mut self.both, more.both),
            (&mut self.missing, more.missing),
            (&mut self.operator, more.operator),
            (&mut self.all_access, more.all_access),
            (&mut self.custom, more.custom),
            (&mut self.legacy, more.legacy),
            (&mut self.inactive, more.inactive),
            (&mut self.orphaned, more.orphaned),
        ] {
            *sum += more;
        }
    }
}
