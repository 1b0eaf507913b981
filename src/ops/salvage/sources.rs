//! Which transactions of a damaged file count, and the records of its pages.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::metadata::salvage::Records;
use crate::store::bolt::salvage::{DamagedBolt, FoundBy, FoundState, Origin};

/// The transactions that the records of a new store are from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// The state that counts: `current`, `previous` (of the meta pages), `found` (without meta
    /// pages) or `pages` (no state at all, only single pages).
    pub state: &'static str,
    /// Its transaction number, if a meta page names it.
    pub transaction: Option<u64>,
    /// The page of its root.
    pub root: Option<u64>,
    /// Meta pages that can't be read.
    pub lost_metas: u64,
    /// Whether its freelist tells which pages are in use.
    pub freelist_is_sound: bool,
    /// Places where its tree is damaged.
    pub damage: u64,
    /// Whether the records of the transaction before count, because the last transaction was
    /// written in part.
    pub based_on_previous: bool,
    /// Leaves with records, by where they were found: `tree`, `previousTree`, `unlisted` (in no tree,
    /// but in use), `unreferenced` (in no tree, and it is unknown whether in use) or `stale` (free).
    /// Places without leaves are left out.
    pub leaves: BTreeMap<Origin, u64>,
    /// The other state, if there is one.
    pub other: Option<OtherState>,
}

/// A state that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OtherState {
    /// Its transaction number, if a meta page names it.
    pub transaction: Option<u64>,
    /// The page of its root.
    pub root: u64,
    /// Places where its tree is damaged.
    pub damage: u64,
    /// Index entries that lead to records; `None` if it was not compared.
    pub entries: Option<u64>,
}

impl Sources {
    /// A store that has no damage.
    pub(super) fn of_sound_store() -> Self {
        Self {
            state: "current",
            freelist_is_sound: true,
            ..Self::default()
        }
    }
}

/// The states that are used: the index of the current one, and of the one before.
struct Choice {
    now: Option<usize>,
    before: Option<usize>,
    /// Index entries that lead to records, of each state that was compared.
    entries: BTreeMap<usize, u64>,
}

/// Reads the records of a damaged file.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub fn records(pages: &DamagedBolt, lenient: bool) -> Result<(Records, Sources)> {
    let states = pages.states()?;
    let choice = choose(pages, &states)?;
    let now = choice.now.and_then(|now| states.get(now));
    let before = choice.before.and_then(|before| states.get(before));
    let mut leaves = Vec::new();
    let mut by_origin: BTreeMap<Origin, u64> = BTreeMap::new();
    pages.leaves(now, before, true, &mut |leaf| {
        if !leaf.pairs.is_empty() {
            *by_origin.entry(leaf.origin).or_default() += 1;
        }
        leaves.push(leaf);
    })?;
    let previous_is_whole = before.is_some_and(FoundState::is_whole);
    let mut records = Records::of(leaves, previous_is_whole, lenient);
    records.missing = now.map(|now| pages.missing(now)).unwrap_or_default();
    let transaction = |state: &FoundState| match state.found_by {
        FoundBy::Meta(number) => Some(number),
        FoundBy::Pages => None,
    };
    let sources = Sources {
        state: match (now.map(|now| now.found_by), choice.now) {
            (Some(FoundBy::Meta(_)), Some(0)) => "current",
            (Some(FoundBy::Meta(_)), _) => "previous",
            (Some(FoundBy::Pages), _) => "found",
            (None, _) => "pages",
        },
        transaction: now.and_then(transaction),
        root: now.map(|now| now.root),
        lost_metas: pages.lost_metas(),
        freelist_is_sound: now.is_some_and(|now| now.freelist_is_sound),
        damage: now.map_or(0, |now| now.holes),
        based_on_previous: false,
        leaves: by_origin,
        other: before.map(|before| OtherState {
            transaction: transaction(before),
            root: before.root,
            damage: before.holes,
            entries: choice
                .before
                .and_then(|before| choice.entries.get(&before).copied()),
        }),
    };
    Ok((records, sources))
}

/// Chooses the state that counts. Meta pages say which one is newer. Of states without meta pages the
/// one counts that is newer by its records, then the one with more index entries that lead to records.
fn choose(pages: &DamagedBolt, states: &[FoundState]) -> Result<Choice> {
    let of_metas = states
        .iter()
        .filter(|state| matches!(state.found_by, FoundBy::Meta(_)))
        .count();
    let mut choice = Choice {
        now: None,
        before: None,
        entries: BTreeMap::new(),
    };
    if of_metas == states.len() {
        choice.now = (of_metas > 0).then_some(0);
        choice.before = (of_metas > 1).then_some(1);
        return Ok(choice);
    }
    let mut found = Vec::new();
    for (number, state) in states.iter().enumerate().skip(of_metas) {
        let mut leaves = Vec::new();
        pages.leaves(Some(state), None, false, &mut |leaf| leaves.push(leaf))?;
        let records = Records::of(leaves, false, false);
        choice.entries.insert(number, records.entries);
        found.push((number, records));
    }
    // Those without damage first, then the newer one, then the one with more entries and records.
    found.sort_by(|(a, first), (b, second)| {
        let is_whole = |number: usize| states.get(number).is_some_and(FoundState::is_whole);
        let pages = |number: usize| states.get(number).map(FoundState::high_water_mark);
        (is_whole(*b).cmp(&is_whole(*a)))
            .then_with(|| pages(*b).cmp(&pages(*a)))
            .then_with(|| second.compare_age(first))
            .then_with(|| second.entries.cmp(&first.entries))
            .then_with(|| second.count().cmp(&first.count()))
    });
    let mut best = found.into_iter().map(|(number, _)| number);
    choice.now = best.next();
    choice.before = best.next();
    Ok(choice)
}
