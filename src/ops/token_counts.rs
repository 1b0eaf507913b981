//! Counts of authorizations by kind, and the operator tokens of a store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndexes, Verdict, judge};
use crate::metadata::authorization::{Undecoded, classify};
use crate::metadata::{
    Authorization, Catalog, Id, Kind, Storage, TokenHash, Variant, authorization, names,
    parallel_scan,
};
use crate::ops::auth::list::is_orphaned;
use crate::store::Snapshot;

/// Numbers of tokens. `total` = `plaintext` + `hashed` + `both` + `missing`; `legacy` ones are
/// counted separately.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Tokens {
    pub total: u64,
    pub plaintext: u64,
    pub hashed: u64,
    pub both: u64,
    pub missing: u64,
    pub operator: u64,
    pub all_access: u64,
    pub custom: u64,
    pub legacy: u64,
    pub inactive: u64,
    pub orphaned: u64,
}

/// An operator token.
#[derive(Debug, Serialize)]
pub struct OperatorToken {
    /// Its identifier.
    pub id: Id,
    /// May be empty.
    pub description: String,
    /// Its owner's name; `None` when there is no such user.
    pub user: Option<String>,
    /// How it is stored.
    pub storage: Storage,
    /// Whether it would authenticate now.
    pub usable: bool,
    /// Why it would not; `None` when it would.
    pub because: Option<String>,
}

/// The result of one pass over all authorizations.
#[derive(Default)]
pub(in crate::ops) struct TokenCounts {
    pub(in crate::ops) tokens: Tokens,
    /// The hash functions in use.
    pub(in crate::ops) variants: BTreeSet<Variant>,
    /// The records of operator tokens, by ID.
    operators: Vec<Zeroizing<Vec<u8>>>,
}

/// The result for some consecutive records.
#[derive(Default)]
struct Part {
    counts: TokenCounts,
    /// Kinds by organization and permissions as written, because most records have the same
    /// permissions; `None` if they can't be decoded.
    kinds: HashMap<Id, HashMap<Box<str>, Option<Kind>>>,
}

impl TokenCounts {
    /// Counts the authorizations of a store. Records that can't be decoded are skipped.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(in crate::ops) fn of(snapshot: &dyn Snapshot, catalog: &Catalog) -> Result<Self> {
        let mut whole = Self::default();
        parallel_scan::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut Part, key, value| part.add(key, value, catalog),
            &mut |part| whole.append(part.counts),
        )?;
        authorization::scan(snapshot, names::LEGACY_AUTHORIZATIONS, &mut |_| {
            whole.tokens.legacy += 1;
        })?;
        Ok(whole)
    }

    fn append(&mut self, part: Self) {
        self.tokens.add(&part.tokens);
        self.variants.extend(part.variants);
        self.operators.extend(part.operators);
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
    ) -> Vec<OperatorToken> {
        let shown = self.operators().map(|record| {
            let user = record.user_id.and_then(|id| catalog.users.get(&id));
            let Verdict {
                authenticates,
                reasons,
            } = judge(&record, catalog, indexes);
            OperatorToken {
                id: record.id,
                user: user.map(|user| user.name.clone()),
                storage: record.storage(),
                usable: authenticates,
                because: (!authenticates).then(|| reasons.join("; ")),
                description: record.description.into_owned(),
            }
        });
        shown.collect()
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

impl Part {
    fn add(&mut self, key: &[u8], value: &[u8], catalog: &Catalog) {
        let bucket = names::AUTHORIZATIONS;
        let decoded = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value);
        let Some((record, kind)) = decoded.ok().and_then(|record| {
            let kind = self.kind(record.permissions, record.org_id)?;
            Some((record, kind))
        }) else {
            return;
        };
        let TokenCounts {
            tokens,
            variants,
            operators,
        } = &mut self.counts;
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
        tokens.orphaned += u64::from(is_orphaned(&record, catalog));
        if !record.hashed_token.is_empty()
            && let Ok(hash) = TokenHash::parse(&record.hashed_token)
        {
            variants.insert(hash.variant());
        }
        if kind == Kind::Operator {
            operators.push(Zeroizing::new(value.to_vec()));
        }
    }

    /// The kind of a token with these permissions; `None` if they can't be decoded.
    fn kind(&mut self, permissions: Undecoded<'_>, org: Id) -> Option<Kind> {
        let kinds = self.kinds.entry(org).or_default();
        let text = permissions.text();
        if let Some(kind) = kinds.get(text) {
            return *kind;
        }
        let decoded = permissions.decode().ok();
        let kind = decoded.map(|permissions| classify(&permissions, org).kind);
        kinds.insert(text.into(), kind);
        kind
    }
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
