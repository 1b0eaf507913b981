//! Sorts the leaves of a damaged file into buckets by what their records are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::metadata::json::Object;
use crate::metadata::salvage::links::text;
use crate::metadata::salvage::shapes::{Shape, decodes, fits, shape};
use crate::metadata::{Id, names};
use crate::store::bolt::salvage::{FoundLeaf, Origin};

/// How new the pairs of a leaf are: its latest time, its highest ID, its number of pairs. Of two
/// versions with the same latest record the one with fewer pairs is newer: IDs only grow, so it
/// lacks what was deleted.
pub(super) type Newness = (i128, u64, Reverse<usize>);

/// A leaf whose bucket is known.
pub(super) struct SortedLeaf {
    pub(super) page: u64,
    pub(super) origin: Origin,
    pub(super) shared: bool,
    /// Whether every key of the bucket from `low` to `high` would be here.
    pub(super) bounded: bool,
    pub(super) low: Option<Arc<[u8]>>,
    pub(super) high: Option<Arc<[u8]>>,
    pub(super) newness: Newness,
    pub(super) pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All leaves by bucket.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) buckets: BTreeMap<Vec<u8>, Vec<SortedLeaf>>,
    /// The buckets that the store has for certain.
    pub(super) names: BTreeSet<Vec<u8>>,
    /// Entries of indexes by name, of which only their records tell which index they are of, on
    /// pages in use.
    pub(super) loose: HashSet<(Vec<u8>, Vec<u8>)>,
    /// Keys of records in use that can't be decoded, by bucket.
    pub(super) undecodable: BTreeSet<(Vec<u8>, Vec<u8>)>,
    /// Pages in use whose pairs are of no known kind, with the number of pairs.
    pub(super) unknown: BTreeMap<u64, u64>,
}

impl Sorted {
    /// Sorts all leaves.
    pub(super) fn of(leaves: Vec<FoundLeaf>) -> Self {
        let mut sorted = Self::default();
        let mut later = Vec::new();
        for mut leaf in leaves {
            match leaf.bucket.clone() {
                Some(bucket) if belongs(&mut leaf, &bucket) => sorted.push(leaf, bucket.to_vec()),
                _ => {
                    if leaf.origin == Origin::Tree && leaf.bucket.is_some() {
                        // A page of another bucket is in its place.
                        leaf.origin = Origin::Unlisted;
                    }
                    leaf.bounded = false;
                    later.push(leaf);
                }
            }
        }
        let kinds = Kinds::of(&sorted, &later);
        let named = sorted.pages();
        for mut leaf in later {
            if let Some(bucket) = named.get(&leaf.page)
                && leaf.bucket.is_none()
                && belongs(&mut leaf, bucket)
            {
                sorted.push(leaf, bucket.clone());
                continue;
            }
            let of = kinds.bucket_of(&mut leaf);
            let in_use = leaf.origin <= Origin::PreviousTree;
            match of {
                Some(Of::Bucket(bucket)) => sorted.push(leaf, bucket.to_vec()),
                Some(Of::SomeIndex) if in_use => sorted.loose.extend(leaf.pairs),
                Some(Of::SomeIndex) => {}
                None if in_use && !leaf.pairs.is_empty() => {
                    sorted.unknown.insert(leaf.page, leaf.pairs.len() as u64);
                }
                None => {}
            }
        }
        sorted
    }

    /// The buckets of the leaves that the transaction before leads to.
    fn pages(&self) -> BTreeMap<u64, Vec<u8>> {
        let mut pages = BTreeMap::new();
        for (bucket, leaves) in &self.buckets {
            let previous = leaves
                .iter()
                .filter(|leaf| leaf.origin == Origin::PreviousTree);
            for leaf in previous.filter(|leaf| !leaf.pairs.is_empty()) {
                pages.insert(leaf.page, bucket.clone());
            }
        }
        pages
    }

    fn push(&mut self, mut leaf: FoundLeaf, bucket: Vec<u8>) {
        let undecodable = &mut self.undecodable;
        leaf.pairs.retain(|(key, value)| {
            let decodes = decodes(&bucket, key, value);
            if !decodes && leaf.origin <= Origin::Unlisted {
                undecodable.insert((bucket.clone(), key.clone()));
            }
            decodes
        });
        if leaf.origin != Origin::Stale {
            self.names.insert(bucket.clone());
        }
        let newness = match leaf.origin {
            Origin::Unreferenced | Origin::Stale => newness(&leaf.pairs),
            Origin::Tree | Origin::Unlisted | Origin::PreviousTree => {
                (0, 0, Reverse(leaf.pairs.len()))
            }
        };
        let bounded = leaf.bounded && leaf.whole;
        self.buckets.entry(bucket).or_default().push(SortedLeaf {
            page: leaf.page,
            origin: leaf.origin,
            shared: leaf.shared,
            bounded,
            low: leaf.low,
            high: leaf.high,
            newness,
            pairs: leaf.pairs,
        });
    }
}

/// Whether the pairs of a leaf can be of the bucket that leads to it. Leaves out those that can't be,
/// where a part of the leaf can't be read.
fn belongs(leaf: &mut FoundLeaf, bucket: &[u8]) -> bool {
    let fitting = |pairs: &[(Vec<u8>, Vec<u8>)]| {
        let fitting = pairs.iter().filter(|(key, value)| fits(bucket, key, value));
        fitting.count()
    };
    let all = leaf.pairs.len();
    let count = fitting(&leaf.pairs);
    if !leaf.whole {
        leaf.pairs.retain(|(key, value)| fits(bucket, key, value));
    }
    all == 0
        || if leaf.bounded {
            count > 0
        } else {
            count == all
        }
}

fn newness(pairs: &[(Vec<u8>, Vec<u8>)]) -> Newness {
    let mut latest = 0;
    let mut highest = 0;
    for (key, value) in pairs {
        let ids = [Id::from_bytes(key), Id::from_bytes(value)];
        for id in ids.into_iter().flatten() {
            highest = highest.max(id.get());
        }
        latest = latest.max(time_of(value).unwrap_or_default());
    }
    (latest, highest, Reverse(pairs.len()))
}

/// When a record was changed last, in nanoseconds since 1970.
pub(super) fn time_of(value: &[u8]) -> Option<i128> {
    let object = Object::parse(value)?;
    let time = |name| text(&object, name).parse::<jiff::Timestamp>().ok();
    let time = time("updatedAt").or_else(|| time("createdAt"))?;
    Some(time.as_nanosecond())
}

/// When a record was created, in nanoseconds since 1970.
pub(super) fn created(value: &[u8]) -> Option<i128> {
    let object = Object::parse(value)?;
    let time: jiff::Timestamp = text(&object, "createdAt").parse().ok()?;
    Some(time.as_nanosecond())
}

/// The bucket of a leaf to which nothing leads.
enum Of {
    Bucket(&'static [u8]),
    /// One of the indexes by name.
    SomeIndex,
}

/// What tells records of the same shape apart.
struct Kinds {
    /// The IDs of all authorizations, of both kinds.
    authorizations: HashSet<Vec<u8>>,
    /// The IDs of authorizations that are compatible with 1.x.
    legacy: HashSet<Vec<u8>>,
}

impl Kinds {
    fn of(sorted: &Sorted, others: &[FoundLeaf]) -> Self {
        let mut kinds = Self {
            authorizations: HashSet::new(),
            legacy: HashSet::new(),
        };
        let mut passwords = Vec::new();
        for (bucket, leaves) in &sorted.buckets {
            for (key, value) in leaves.iter().flat_map(|leaf| &leaf.pairs) {
                match bucket.as_slice() {
                    names::AUTHORIZATIONS => {
                        kinds.authorizations.insert(key.clone());
                    }
                    names::LEGACY_AUTHORIZATIONS | names::LEGACY_PASSWORDS => {
                        kinds.legacy.insert(key.clone());
                    }
                    names::LEGACY_AUTHORIZATION_INDEX => {
                        kinds.legacy.insert(value.clone());
                    }
                    _ => {}
                }
            }
        }
        for (key, value) in others.iter().flat_map(|leaf| &leaf.pairs) {
            match shape(key, value) {
                Some(Shape::Authorization) => {
                    kinds.authorizations.insert(key.clone());
                }
                Some(Shape::Password) => passwords.push(key.clone()),
                _ => {}
            }
        }
        let of_authorizations = passwords
            .into_iter()
            .filter(|key| kinds.authorizations.contains(key));
        kinds.legacy.extend(of_authorizations);
        kinds
    }

    /// The bucket of a leaf. All pairs must be of one bucket; of a leaf that is damaged only those
    /// count that have a known shape.
    fn bucket_of(&self, leaf: &mut FoundLeaf) -> Option<Of> {
        if !leaf.whole {
            leaf.pairs
                .retain(|(key, value)| shape(key, value).is_some());
        }
        let mut shapes = HashSet::new();
        for (key, value) in &leaf.pairs {
            shapes.insert(shape(key, value)?);
        }
        if shapes.remove(&Shape::Token) {
            shapes.remove(&Shape::Name);
            return shapes
                .is_empty()
                .then_some(Of::Bucket(names::AUTHORIZATION_INDEX));
        }
        let mut shapes = shapes.into_iter();
        let (Some(only), None) = (shapes.next(), shapes.next()) else {
            return None;
        };
        Some(match only {
            Shape::Authorization => Of::Bucket(if self.is_legacy(&leaf.pairs) {
                names::LEGACY_AUTHORIZATIONS
            } else {
                names::AUTHORIZATIONS
            }),
            Shape::Password => {
                let mut keys = leaf.pairs.iter().map(|(key, _)| key);
                Of::Bucket(if keys.any(|key| self.authorizations.contains(key)) {
                    names::LEGACY_PASSWORDS
                } else {
                    names::USER_PASSWORDS
                })
            }
            Shape::Token => Of::Bucket(names::AUTHORIZATION_INDEX),
            Shape::Name => Of::SomeIndex,
            Shape::Of(bucket) => Of::Bucket(bucket),
        })
    }

    fn is_legacy(&self, pairs: &[(Vec<u8>, Vec<u8>)]) -> bool {
        let tokens = pairs.iter().filter_map(|(_, value)| {
            let object = Object::parse(value)?;
            Some((text(&object, "token"), text(&object, "hashedToken")))
        });
        let mut tokens = tokens.map(|(token, hash)| {
            let entry = shape(token.as_bytes(), b"0000000000000001");
            !hash.is_empty() || entry == Some(Shape::Token)
        });
        !tokens.any(|is_token| is_token) && pairs.iter().any(|(key, _)| self.legacy.contains(key))
    }
}
