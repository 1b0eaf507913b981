//! A summary of a store, without secrets.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::{Catalog, Id, Schema, Variant, lost_records, names, tsm};
use crate::ops::known::{List, Number, incomplete};
use crate::ops::status::SchemaSummary;
use crate::ops::token_counts::{OperatorToken, TokenCounts, TokenNumbers};
use crate::store::{Inspect, Snapshot, StructureCheck, Unused};

/// The content of a store in numbers.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its migrations.
    pub schema: SchemaSummary,
    /// Number of tokens by kind.
    pub tokens: TokenNumbers,
    /// The hash functions in use.
    pub hash_variants: Vec<Variant>,
    /// Every operator token.
    pub operator_tokens: List<OperatorToken>,
    /// Number of users.
    pub users: Number,
    /// Number of organizations.
    pub organizations: Number,
    /// Number of InfluxDB buckets, including system buckets.
    pub buckets: Number,
    /// The fields that lack what damage hides.
    pub incomplete: Vec<&'static str>,
}

/// A store that was read once.
pub struct StoreFacts {
    /// Its summary.
    pub summary: Summary,
    /// Its users, organizations and buckets.
    pub catalog: Catalog,
    /// The token indexes, only the entries for operator tokens: a store may hold a million others.
    pub indexes: TokenIndexes,
    /// Problems of the migration records.
    pub schema_findings: Vec<Finding>,
    /// The operator tokens whose user and organization exist, by ID.
    pub operators: Vec<Operator>,
    /// Evidence of lost records.
    pub lost: Option<Finding>,
}

/// Owner and state of an operator token.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    /// Its user.
    pub user: Id,
    /// Its organization.
    pub org: Id,
    /// Whether it would authenticate now.
    pub usable: bool,
    /// Whether its user is active.
    pub active: bool,
}

/// Reads a store.
///
/// # Errors
/// When the file can't be read. Records that can't be decoded are skipped.
pub fn look(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<StoreFacts> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    summarize(snapshot, inspect, catalog, lost)
}

/// Reads a store whose structure has no damage, or is checked elsewhere.
///
/// # Errors
/// When the file can't be read. Records that can't be decoded are skipped.
pub fn look_at_sound(snapshot: &dyn Snapshot) -> Result<StoreFacts> {
    summarize(snapshot, &Uninspected, Catalog::load(snapshot)?, None)
}

/// Pages that are not inspected.
struct Uninspected;

impl Inspect for Uninspected {
    fn check(&self) -> Result<StructureCheck> {
        Ok(StructureCheck::default())
    }

    fn unused(&self, _: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

fn summarize(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    catalog: Catalog,
    lost: Option<Finding>,
) -> Result<StoreFacts> {
    let schema = Schema::load(snapshot)?;
    let counts = TokenCounts::of(snapshot, &catalog)?;
    let indexes = counts.indexes(snapshot)?;
    let operators = operators(&counts, &catalog, &indexes);
    let tokens = counts.numbers(snapshot, inspect, &catalog)?;
    let hides = |bucket| catalog.hidden.hides(bucket);
    let number = |count: usize, bucket| Number::new(count as u64, hides(bucket));
    let summary = Summary {
        schema: SchemaSummary::new(&schema, hides(names::MIGRATIONS)),
        operator_tokens: counts.operator_tokens(&catalog, &indexes),
        incomplete: incomplete(&[
            ("schema", hides(names::MIGRATIONS)),
            ("tokens", tokens.is_incomplete()),
            ("hashVariants", tokens.total.hidden),
            ("operatorTokens", tokens.total.hidden),
            ("users", hides(names::USERS)),
            ("organizations", hides(names::ORGANIZATIONS)),
            ("buckets", hides(names::BUCKETS)),
        ]),
        tokens,
        hash_variants: counts.variants.into_iter().collect(),
        users: number(catalog.users.len(), names::USERS),
        organizations: number(catalog.orgs.len(), names::ORGANIZATIONS),
        buckets: number(catalog.buckets.len(), names::BUCKETS),
    };
    Ok(StoreFacts {
        summary,
        catalog,
        indexes,
        schema_findings: schema.findings,
        operators,
        lost,
    })
}

fn operators(counts: &TokenCounts, catalog: &Catalog, indexes: &TokenIndexes) -> Vec<Operator> {
    let whole = counts.operators().filter_map(|record| {
        let user = catalog.users.get(&record.user_id?)?;
        catalog.orgs.contains_key(&record.org_id).then(|| Operator {
            user: user.id,
            active: user.status != "inactive",
            org: record.org_id,
            usable: judge(&record, catalog, indexes).authenticates,
        })
    });
    whole.collect()
}

/// A shard with its bucket and organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedShard {
    /// Its number.
    pub id: u64,
    /// Its bucket's ID.
    #[serde(rename = "bucketID")]
    pub bucket_id: String,
    /// Its bucket's name; `None` when the bucket was deleted.
    pub bucket: Option<String>,
    /// The organization's name.
    pub org: Option<String>,
}

impl NamedShard {
    /// Adds names to shards.
    #[must_use]
    pub fn all(shards: &[tsm::Placed], catalog: &Catalog) -> Vec<Self> {
        let buckets: BTreeMap<String, _> = catalog
            .buckets
            .values()
            .map(|bucket| (bucket.id.to_string(), bucket))
            .collect();
        let named = shards.iter().map(|placed| {
            let bucket = buckets.get(&placed.bucket);
            let org = bucket.and_then(|bucket| catalog.orgs.get(&bucket.org_id));
            Self {
                id: placed.shard,
                bucket_id: placed.bucket.clone(),
                bucket: bucket.map(|bucket| bucket.name.clone()),
                org: org.map(|org| org.name.clone()),
            }
        });
        named.collect()
    }
}
