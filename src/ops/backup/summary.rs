//! A summary of a store, without secrets.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::{Catalog, Id, Schema, Variant, tsm};
use crate::ops::status::SchemaSummary;
use crate::ops::token_counts::{OperatorToken, TokenCounts, Tokens};
use crate::store::Snapshot;

/// The content of a store in numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its migrations.
    pub schema: SchemaSummary,
    /// Number of tokens by kind.
    pub tokens: Tokens,
    /// The hash functions in use.
    pub hash_variants: Vec<Variant>,
    /// Every operator token.
    pub operator_tokens: Vec<OperatorToken>,
    /// Number of users.
    pub users: usize,
    /// Number of organizations.
    pub organizations: usize,
    /// Number of InfluxDB buckets, including system buckets.
    pub buckets: usize,
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
pub fn look(snapshot: &dyn Snapshot) -> Result<StoreFacts> {
    let schema = Schema::load(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    let counts = TokenCounts::of(snapshot, &catalog)?;
    let indexes = counts.indexes(snapshot)?;
    let operators = operators(&counts, &catalog, &indexes);
    let summary = Summary {
        schema: SchemaSummary::from(&schema),
        operator_tokens: counts.operator_tokens(&catalog, &indexes),
        tokens: counts.tokens,
        hash_variants: counts.variants.into_iter().collect(),
        users: catalog.users.len(),
        organizations: catalog.orgs.len(),
        buckets: catalog.buckets.len(),
    };
    Ok(StoreFacts {
        summary,
        catalog,
        indexes,
        schema_findings: schema.findings,
        operators,
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
