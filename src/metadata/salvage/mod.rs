//! What the records of a damaged store mean: which bucket they are from, which are in use, and which
//! of several versions counts. Then everything that can be made from them is made again: indexes,
//! system buckets, time-series metadata, migrations.
//!
//! | module | knows |
//! | --- | --- |
//! | [`shapes`] | the bucket of a pair, by its shape |
//! | [`sorting`] | the bucket of a leaf |
//! | [`key_ranges`] | sets of keys |
//! | [`record_versions`] | which of several versions of a record counts; the pairs of a bucket, from its leaves |
//! | [`links`] | the index entries of a record |
//! | [`evidence`] | what records say about each other |
//! | [`order_of_states`] | which of two states is newer |
//! | [`owners`] | organizations and users that other records need |
//! | [`rebuild`] | everything that is made again |

mod evidence;
mod key_ranges;
mod links;
mod order_of_states;
mod owners;
mod rebuild;
mod record_versions;
mod shapes;
mod sorting;

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::json::Object;
use crate::metadata::{Id, names, tsm};
use crate::store::bolt::salvage::{FoundLeaf, MissingPart, Origin};
use evidence::{Agreement, Evidence};
use links::INDEXES;
use record_versions::{Assembled, Base, Life, Newer, Rules, Version};
use sorting::Sorted;

pub use rebuild::{Lost, MadeAgain, Rebuilt, Surroundings, TokenReport};
pub(crate) use shapes::is_generated_token;

/// The records of a damaged store.
pub struct Records {
    buckets: BTreeMap<Vec<u8>, Assembled>,
    indexes: BTreeMap<&'static [u8], Assembled>,
    names: BTreeSet<Vec<u8>>,
    /// The newest values of records that every store has one of, by key, from any page.
    old_values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Keys of records in use that can't be decoded, by bucket.
    undecodable: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// What the tree of the current state lacks.
    pub missing: Vec<MissingPart>,
    /// Whether deleted records are taken too.
    lenient: bool,
    base: Base,
    /// Whether the records of the previous transaction count before those of the current one.
    pub based_on_previous: bool,
    /// The index entries that lead to records.
    pub entries: u64,
    /// Pairs that were left out because they were deleted, or may have been.
    pub left_out: u64,
    /// Other versions of records.
    pub other_versions: u64,
    /// Pairs of no known kind, on pages in use.
    pub unknown: u64,
    /// The pages that have them.
    pub unknown_pages: Vec<u64>,
}

/// How many records of a bucket were found, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BucketCounts {
    /// The name of the bucket.
    pub name: String,
    /// All records.
    pub records: u64,
    /// Those in the current tree.
    pub from_tree: u64,
    /// Those that only the tree of the previous transaction has.
    pub from_previous: u64,
    /// Those on pages that no tree has.
    pub from_pages: u64,
    /// Those that may be older versions, or deleted.
    pub doubtful: u64,
}

/// The buckets whose keys are IDs that only grow, because they begin with the time.
const BY_TIME: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::USERS,
    names::TASKS,
    names::MIGRATIONS,
    b"dashboardsv2",
    b"checksv1",
    b"notificationRulev1",
    b"notificationEndpointv1",
    b"telegrafv1",
    b"variablesv1",
    b"labelsv1",
    b"scraperv2",
    b"v1_pkger_stacks",
];

/// The order in which buckets are put together: each after those that tell which of its records
/// are in use. All others come last.
const ORDER: &[&[u8]] = &[
    names::TSM_METADATA,
    names::MAPPINGS,
    names::BUCKETS,
    names::ORGANIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::AUTHORIZATIONS,
];

/// The order after those: users need passwords, and passwords need users.
const PEOPLE: &[&[u8]] = &[names::USER_PASSWORDS, names::USERS];

/// How many records one transaction of influxd deletes.
const MOST_DELETED: u64 = 1;

impl Records {
    /// Puts the records of all leaves together. `previous_is_whole` says whether the tree of the
    /// previous transaction has no defects. With `lenient`, deleted records are taken too.
    #[must_use]
    pub fn of(leaves: Vec<FoundLeaf>, previous_is_whole: bool, lenient: bool) -> Self {
        let sorted = Sorted::of(leaves);
        let old_values = old_values(&sorted);
        let (now, evidence) = assemble(&sorted, Base::Current, lenient, None);
        let agreement = evidence.agreement(&now, Base::Current);
        let conflicts: u64 = now.values().map(|bucket| bucket.conflicts).sum();
        let mut base = Base::Current;
        let (mut buckets, mut entries, mut indexes) = (now, agreement.entries, None);
        let flaws = |of: Agreement| of.dangling + of.without_entry;
        // A transaction of influxd deletes one record: its entry may be left on a leaf of the
        // transaction before.
        let is_doubtful =
            conflicts > 0 || flaws(agreement) > 0 || agreement.dangling_before > MOST_DELETED;
        if previous_is_whole && is_doubtful {
            let (before, before_evidence) =
                assemble(&sorted, Base::Previous, lenient, Some(&evidence));
            let then = before_evidence.agreement(&before, Base::Previous);
            if conflicts > 0
                || agreement.dangling_before > MOST_DELETED
                || flaws(agreement) > flaws(then)
            {
                base = Base::Previous;
                (buckets, entries) = (before, then.entries);
                indexes = Some(before_evidence.indexes);
            }
        }
        let indexes = indexes.unwrap_or(evidence.indexes);
        let sum = |of: fn(&Assembled) -> u64| buckets.values().map(of).sum();
        Self {
            missing: Vec::new(),
            undecodable: sorted.undecodable,
            lenient,
            base,
            based_on_previous: base == Base::Previous,
            entries,
            left_out: sum(|bucket| bucket.left_out),
            other_versions: sum(|bucket| bucket.other_versions),
            unknown: sorted.unknown.values().sum(),
            unknown_pages: sorted.unknown.keys().copied().collect(),
            names: sorted.names,
            old_values,
            indexes,
            buckets,
        }
    }

    /// The number of records, without index entries.
    #[must_use]
    pub fn count(&self) -> u64 {
        let is_index = |name: &[u8]| INDEXES.iter().any(|(index, _)| *index == name);
        let buckets = self.buckets.iter().filter(|(name, _)| !is_index(name));
        buckets.map(|(_, bucket)| bucket.pairs.len() as u64).sum()
    }

    /// The number of authorizations.
    #[must_use]
    pub fn authorizations(&self) -> u64 {
        let found = self.buckets.get(names::AUTHORIZATIONS);
        found.map_or(0, |found| found.pairs.len() as u64)
    }

    /// Whether a record of InfluxDB was found.
    #[must_use]
    pub fn has_any(&self) -> bool {
        let mut buckets = self.buckets.iter();
        buckets.any(|(name, found)| names::ALL.contains(&&**name) && !found.pairs.is_empty())
    }

    /// When the last record was changed, in nanoseconds since 1970.
    #[must_use]
    pub fn latest_change(&self) -> i128 {
        let versions = self.buckets.values().flat_map(|found| found.pairs.values());
        let times = versions.filter_map(|version| sorting::time_of(&version.value));
        times.max().unwrap_or_default()
    }

    /// Where the records of each bucket were found; buckets without records are left out.
    #[must_use]
    pub fn counts(&self) -> Vec<BucketCounts> {
        let buckets = self
            .buckets
            .iter()
            .filter(|(_, found)| !found.pairs.is_empty());
        buckets
            .map(|(name, found)| {
                let count = |wanted: &dyn Fn(Origin, bool) -> bool| {
                    let versions = found.pairs.values();
                    versions.filter(|v| wanted(v.origin, v.doubtful)).count() as u64
                };
                BucketCounts {
                    name: String::from_utf8_lossy(name).into_owned(),
                    records: found.pairs.len() as u64,
                    from_tree: count(&|origin, _| origin == Origin::Tree),
                    from_previous: count(&|origin, _| origin == Origin::PreviousTree),
                    from_pages: count(&|origin, _| {
                        !matches!(origin, Origin::Tree | Origin::PreviousTree)
                    }),
                    doubtful: count(&|_, doubtful| doubtful),
                }
            })
            .collect()
    }
}

/// Puts all buckets together, indexes first.
fn assemble<'s>(
    sorted: &'s Sorted,
    base: Base,
    lenient: bool,
    now: Option<&Evidence<'_>>,
) -> (BTreeMap<Vec<u8>, Assembled>, Evidence<'s>) {
    let mut evidence = Evidence::new(sorted);
    let mut buckets = BTreeMap::new();
    let empty = Vec::new();
    let leaves = |name: &[u8]| sorted.buckets.get(name).unwrap_or(&empty);
    for (index, _) in INDEXES {
        if sorted.buckets.contains_key(*index) {
            let rules = Rules {
                base,
                // A deleted entry is no reason to take a record.
                lenient: false,
                newer: Newer::ByTime,
                fits: &|key, value| shapes::fits(index, key, value),
                life: &|_, _| Life::Unknown,
                // Entries are made again from the records.
                current_life: &|_, _, _| Life::Deleted,
            };
            let mut found = Assembled::of(leaves(index), &rules);
            found.left_out = 0;
            found.conflicts = 0;
            evidence.indexes.insert(index, found);
        }
    }
    let names: BTreeSet<&[u8]> = sorted.buckets.keys().map(Vec::as_slice).collect();
    let is_index = |name: &[u8]| INDEXES.iter().any(|(index, _)| *index == name);
    let later = names
        .iter()
        .filter(|name| !ORDER.contains(name) && !PEOPLE.contains(name) && !is_index(name));
    let order = ORDER.iter().chain(PEOPLE).chain(later);
    for name in order.copied() {
        if !names.contains(name) {
            continue;
        }
        let found = one_bucket(name, leaves(name), &evidence, base, lenient, now);
        evidence.learn(name, &found, base);
        buckets.insert(name.to_vec(), found);
    }
    drop_dead_mappings(&mut buckets, base);
    // With the users known, passwords that were left out may belong to one.
    if names.contains(names::USER_PASSWORDS) {
        let name = names::USER_PASSWORDS;
        let found = one_bucket(name, leaves(name), &evidence, base, lenient, now);
        buckets.insert(name.to_vec(), found);
    }
    (buckets, evidence)
}

/// Removes uncertain mappings of users and organizations that are deleted for certain.
fn drop_dead_mappings(buckets: &mut BTreeMap<Vec<u8>, Assembled>, base: Base) {
    let Some(mut mappings) = buckets.remove(names::MAPPINGS) else {
        return;
    };
    let is_gone = |bucket: &[u8], id: &[u8]| {
        let found = buckets.get(bucket);
        found.is_some_and(|found| !found.pairs.contains_key(id) && found.current_cover.covers(id))
    };
    let before = mappings.pairs.len();
    mappings.pairs.retain(|key, version| {
        let (resource, user) = key.split_at_checked(16).unwrap_or_default();
        let object = Object::parse(&version.value);
        let kind = object.map(|mapping| links::text(&mapping, "resourceType"));
        let is_dead = is_gone(names::USERS, user)
            || kind.as_deref() == Some("orgs") && is_gone(names::ORGANIZATIONS, resource);
        version.is_certain(base) || !is_dead
    });
    mappings.left_out += (before - mappings.pairs.len()) as u64;
    buckets.insert(names::MAPPINGS.to_vec(), mappings);
}

fn one_bucket(
    name: &[u8],
    leaves: &[sorting::SortedLeaf],
    evidence: &Evidence<'_>,
    base: Base,
    lenient: bool,
    now: Option<&Evidence<'_>>,
) -> Assembled {
    let rules = Rules {
        base,
        lenient,
        newer: match BY_TIME.contains(&name) {
            true => Newer::ById,
            false => Newer::ByTime,
        },
        fits: &|key, value| shapes::fits(name, key, value),
        life: &|key, value| evidence.life(name, key, value),
        current_life: &|key, value, page| {
            let evidence = now.unwrap_or(evidence);
            evidence.current_life(name, key, value, page)
        },
    };
    let mut found = Assembled::of(leaves, &rules);
    if let Some(now) = now.filter(|_| !lenient) {
        let current: BTreeSet<&[u8]> = leaves
            .iter()
            .filter(|leaf| matches!(leaf.origin, Origin::Tree | Origin::Unlisted))
            .flat_map(|leaf| leaf.pairs.iter().map(|(key, _)| key.as_slice()))
            .collect();
        let inside = std::mem::take(&mut found.inside);
        let before = found.pairs.len();
        found.pairs.retain(|key, version| {
            version.origin != Origin::PreviousTree
                || current.contains(key.as_slice())
                || !inside.covers(key)
                || !now.is_removed(name, key, &version.value)
        });
        found.left_out += (before - found.pairs.len()) as u64;
    }
    found
}

/// The newest values of records that every store has one of, by key, from any page.
fn old_values(sorted: &Sorted) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut values: BTreeMap<Vec<u8>, (u64, Vec<u8>)> = BTreeMap::new();
    for bucket in [names::TSM_METADATA, names::INSTANCE] {
        let leaves = sorted.buckets.get(bucket).into_iter().flatten();
        for (key, value) in leaves.flat_map(|leaf| &leaf.pairs) {
            let changes = match bucket {
                names::TSM_METADATA => match tsm::decode(value) {
                    Ok(data) => data.index,
                    Err(_) => continue,
                },
                _ => 0,
            };
            let known = values.get(key);
            if known.is_none_or(|(known, _)| *known < changes) {
                values.insert(key.clone(), (changes, value.clone()));
            }
        }
    }
    values
        .into_iter()
        .map(|(key, (_, value))| (key, value))
        .collect()
}

/// The IDs that index entries lead to, without a record. An old entry of a record that does not exist
/// tells nothing.
fn without_record(index: &Assembled, records: Option<&Assembled>) -> BTreeSet<Id> {
    let lacks = |version: &&Version| {
        let target = &version.value;
        let in_use = version.origin <= Origin::Unlisted;
        records.is_none_or(|found| {
            !found.pairs.contains_key(target) && (in_use || !found.cover.covers(target))
        })
    };
    let entries = index.pairs.values().filter(lacks);
    entries
        .map(|version| &version.value)
        .filter_map(|target| Id::from_bytes(target).ok())
        .collect()
}
