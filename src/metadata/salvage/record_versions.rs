//! The pairs of one bucket, put together from its leaves, the most certain leaves first.
//!
//! A leaf of a tree also says which keys do not exist: those in its range that it does not have. So
//! a pair on a less certain leaf counts only where no better leaf would have it, or where something
//! else shows that it is in use.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::metadata::Id;
use crate::metadata::salvage::key_ranges::KeyRanges;
use crate::metadata::salvage::sorting::{SortedLeaf, created, time_of};
use crate::store::bolt::salvage::Origin;

/// Whether a record is in use, as far as other records tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Something leads to it.
    Live,
    /// What would lead to it does not.
    Deleted,
    Unknown,
}

/// A pair that was chosen.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) value: Vec<u8>,
    pub(super) origin: Origin,
    /// The page of its leaf.
    pub(super) page: u64,
    /// Whether it may be an older version, or deleted.
    pub(super) doubtful: bool,
}

impl Version {
    /// Whether it is in use for certain.
    pub(super) fn is_certain(&self, base: Base) -> bool {
        let last = match base {
            Base::Current => Origin::Unlisted,
            Base::Previous => Origin::PreviousTree,
        };
        !self.doubtful && self.origin <= last
    }
}

/// The pairs of a bucket.
#[derive(Default)]
pub(super) struct Assembled {
    pub(super) pairs: BTreeMap<Vec<u8>, Version>,
    /// The keys that exist only if they are in `pairs`.
    pub(super) cover: KeyRanges,
    /// The part of `cover` that pages of the current state cover.
    pub(super) current_cover: KeyRanges,
    /// The keys between the first and the last key of the leaves of the current state.
    pub(super) inside: KeyRanges,
    /// Pairs in use that the tree should have, but has not.
    pub(super) conflicts: u64,
    /// Pairs that were left out because they were deleted, or may have been.
    pub(super) left_out: u64,
    /// Other versions of the pairs.
    pub(super) other_versions: u64,
}

/// Which state counts where both have a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The current one.
    Current,
    /// The one before: the last transaction was written in part.
    Previous,
}

/// What tells that a pair is newer than all others of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Newer {
    /// Its key: an ID that begins with the time.
    ById,
    /// The time in its value.
    ByTime,
}

/// Tells about a pair, without the page that has it.
pub(super) type LifeOnPage<'r> = dyn Fn(&[u8], &[u8], u64) -> Life + 'r;

/// What decides about pairs on less certain leaves.
pub(super) struct Rules<'r> {
    pub(super) base: Base,
    /// Whether deleted pairs are taken as well.
    pub(super) lenient: bool,
    /// What tells that a pair is newer than all of the base.
    pub(super) newer: Newer,
    /// Whether a pair can be decoded.
    pub(super) fits: &'r dyn Fn(&[u8], &[u8]) -> bool,
    /// Whether an entry of the index tells about each pair.
    pub(super) life: &'r dyn Fn(&[u8], &[u8]) -> Life,
    /// The same, by the pages of the current state alone, without the page that has the pair.
    pub(super) current_life: &'r LifeOnPage<'r>,
}

impl Assembled {
    /// Puts the leaves of a bucket together.
    pub(super) fn of(leaves: &[SortedLeaf], rules: &Rules<'_>) -> Self {
        let mut assembled = Self::default();
        let in_base = |leaf: &SortedLeaf| match rules.base {
            Base::Current => leaf.origin == Origin::Tree,
            Base::Previous => leaf.shared || leaf.origin == Origin::PreviousTree,
        };
        let base: Vec<&SortedLeaf> = leaves.iter().filter(|leaf| in_base(leaf)).collect();
        for leaf in &base {
            for (key, value) in &leaf.pairs {
                assembled.add(key, value, leaf, false, rules);
            }
        }
        base.iter().for_each(|leaf| assembled.cover_by(leaf));
        for leaf in leaves {
            if matches!(leaf.origin, Origin::Tree | Origin::Unlisted)
                && let (Some((first, _)), Some((last, _))) = (leaf.pairs.first(), leaf.pairs.last())
            {
                assembled.inside.add_keys(first, last);
            }
        }
        assembled.current_cover = current_cover(leaves);
        let newest = Newest::of(&assembled.pairs);
        for origin in [Origin::Tree, Origin::Unlisted, Origin::PreviousTree] {
            let group = leaves
                .iter()
                .filter(|leaf| leaf.origin == origin && !in_base(leaf));
            let group: Vec<&SortedLeaf> = group.collect();
            for leaf in &group {
                assembled.merge(leaf, &newest, rules);
            }
            if rules.base == Base::Current {
                group.iter().for_each(|leaf| assembled.cover_by(leaf));
            }
        }
        let mut rest: Vec<&SortedLeaf> = leaves
            .iter()
            .filter(|leaf| matches!(leaf.origin, Origin::Unreferenced | Origin::Stale))
            .collect();
        rest.sort_by_key(|leaf| (leaf.origin, Reverse(leaf.newness), leaf.page));
        for leaf in rest {
            assembled.merge(leaf, &newest, rules);
            if leaf.origin == Origin::Unreferenced {
                assembled.cover_by(leaf);
            }
        }
        assembled
    }

    /// Adds the pairs of a leaf that is not of the base.
    fn merge(&mut self, leaf: &SortedLeaf, newest: &Newest, rules: &Rules<'_>) {
        for (key, value) in &leaf.pairs {
            if let Some(known) = self.pairs.get(key) {
                if known.value != *value {
                    self.other_versions += 1;
                    let usable = |value: &[u8]| (rules.fits)(key, value);
                    if leaf.origin <= Origin::PreviousTree || !usable(&known.value) && usable(value)
                    {
                        self.add(key, value, leaf, true, rules);
                    }
                }
                continue;
            }
            let covered = self.cover.covers(key);
            let life = (rules.life)(key, value);
            let (take, doubtful) = match (leaf.origin, rules.base) {
                (Origin::Tree | Origin::Unlisted, Base::Previous) => {
                    let is_newer = match rules.newer {
                        Newer::ById => newest.is_before_id(key),
                        Newer::ByTime => newest.is_before(value),
                    };
                    match (rules.current_life)(key, value, leaf.page) {
                        Life::Live => (true, false),
                        Life::Unknown => (true, !is_newer),
                        Life::Deleted => (is_newer, false),
                    }
                }
                (Origin::Stale, _) => (life == Life::Live, true),
                (_, _) if covered => {
                    let in_use = leaf.origin == Origin::Unlisted && life != Life::Deleted;
                    self.conflicts += u64::from(in_use);
                    let doubtful = leaf.origin != Origin::PreviousTree;
                    (life == Life::Live, doubtful)
                }
                (Origin::Unreferenced, _) => (life != Life::Deleted, life != Life::Live),
                (Origin::PreviousTree, _) => (life != Life::Deleted, false),
                (Origin::Tree | Origin::Unlisted, Base::Current) => {
                    // Its page is in use, so rather the index is old.
                    self.conflicts += u64::from(life == Life::Deleted);
                    (life != Life::Deleted, false)
                }
            };
            if take || rules.lenient {
                self.add(key, value, leaf, doubtful || !take, rules);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Adds a pair. Of two versions the one that an index leads to counts, else the later one, else
    /// the first.
    fn add(
        &mut self,
        key: &[u8],
        value: &[u8],
        leaf: &SortedLeaf,
        doubtful: bool,
        rules: &Rules<'_>,
    ) {
        if let Some(known) = self.pairs.get(key) {
            if known.value == value {
                return;
            }
            let (old, new) = ((rules.life)(key, &known.value), (rules.life)(key, value));
            let (old_fits, new_fits) = ((rules.fits)(key, &known.value), (rules.fits)(key, value));
            let is_better = match (old == Life::Live, new == Life::Live) {
                _ if old_fits != new_fits => new_fits,
                (true, false) => false,
                (false, true) => true,
                _ => time_of(value) > time_of(&known.value),
            };
            if !is_better {
                return;
            }
        }
        let version = Version {
            value: value.to_vec(),
            origin: leaf.origin,
            page: leaf.page,
            doubtful,
        };
        self.pairs.insert(key.to_vec(), version);
    }

    fn cover_by(&mut self, leaf: &SortedLeaf) {
        cover(&mut self.cover, leaf);
    }
}

/// The keys that leaves of the current state cover.
fn current_cover(leaves: &[SortedLeaf]) -> KeyRanges {
    let mut ranges = KeyRanges::default();
    for leaf in leaves {
        if matches!(leaf.origin, Origin::Tree | Origin::Unlisted) {
            cover(&mut ranges, leaf);
        }
    }
    ranges
}

fn cover(ranges: &mut KeyRanges, leaf: &SortedLeaf) {
    if leaf.bounded {
        ranges.add(leaf.low.as_deref(), leaf.high.as_deref());
    } else if let (Some((first, _)), Some((last, _))) = (leaf.pairs.first(), leaf.pairs.last()) {
        ranges.add_keys(first, last);
    }
}

/// The newest pairs of a bucket.
struct Newest {
    id: Option<u64>,
    created: Option<i128>,
}

impl Newest {
    fn of(pairs: &BTreeMap<Vec<u8>, Version>) -> Self {
        let ids = pairs.keys().filter_map(|key| Id::from_bytes(key).ok());
        let times = pairs.values().filter_map(|version| created(&version.value));
        Self {
            id: ids.map(Id::get).max(),
            created: times.max(),
        }
    }

    fn is_before_id(&self, key: &[u8]) -> bool {
        let id = Id::from_bytes(key).ok().map(Id::get);
        id.is_some() && id > self.id
    }

    fn is_before(&self, value: &[u8]) -> bool {
        let created = created(value);
        created.is_some() && created > self.created
    }
}
