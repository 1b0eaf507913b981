//! The map of a file's pages by use, in a limited number of cells.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use crate::error::Result;
use crate::metadata::shown_tokens::ShownTokens;
use crate::store::{Inspect, PageUse};

/// The number of buckets with a use of their own. The others are one use.
const MOST_BUCKETS: usize = 6;

/// The map.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PageMap {
    /// Bytes per page.
    pub page_size: u64,
    /// Number of pages, with those that are missing at the end of the file.
    pub pages: u64,
    /// How many consecutive pages one cell stands for.
    pub pages_per_cell: u64,
    /// How pages are used: only uses that occur.
    pub uses: Vec<Use>,
    /// The cells in the order of pages: the index of a use, and the number of consecutive cells that
    /// have it. A cell of several pages has the worst use of them, or else the most frequent one.
    pub cells: Vec<(usize, u64)>,
}

/// One use.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Use {
    /// What kind of use.
    pub kind: Kind,
    /// In words.
    pub name: String,
    /// The number of pages.
    pub pages: u64,
}

/// Kinds of uses, the worst ones last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A meta page.
    Meta,
    /// The list of buckets.
    Root,
    /// The tree of one bucket.
    Bucket,
    /// The trees of other buckets.
    Buckets,
    /// The freelist.
    Freelist,
    /// Free.
    Free,
    /// Beyond the high-water mark.
    Tail,
    /// Neither in use nor on the freelist.
    Unreferenced,
    /// Shows a token in bytes that are not in use.
    Tokens,
    /// Missing at the end of the file.
    Missing,
    /// Damaged.
    Damaged,
}

impl Kind {
    fn is_bad(self) -> bool {
        self >= Self::Unreferenced
    }
}

/// A use, before the buckets with most pages are chosen: the number of a bucket is its place in the
/// order of first pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RawUse {
    Plain(Kind),
    Bucket(usize),
}

/// Makes the map, with at most `most_cells` cells. `shown_at` are the byte ranges of tokens in unused
/// parts of the file. None if the engine can't tell how pages are used.
///
/// # Errors
/// When the file can't be read.
pub(super) fn page_map(
    inspect: &dyn Inspect,
    page_size: u64,
    shown_at: &[Range<u64>],
    most_cells: u64,
    shown: &mut ShownTokens<'_>,
) -> Result<Option<PageMap>> {
    let mut runs: Vec<(u64, RawUse)> = Vec::new();
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut numbers: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let known = inspect.page_uses(&mut |pages, used| {
        let used = match used {
            PageUse::Bucket(name) => {
                let next = numbers.len();
                let number = *numbers.entry(name.to_vec()).or_insert(next);
                if number == next {
                    names.push(name.to_vec());
                }
                RawUse::Bucket(number)
            }
            other => RawUse::Plain(kind_of(other)),
        };
        runs.push((pages.end, used));
    })?;
    if !known {
        return Ok(None);
    }
    let runs = with_tokens(&runs, &pages_of(shown_at, page_size));
    let pages = runs.last().map_or(0, |(end, _)| *end);

    let mut counts: BTreeMap<RawUse, u64> = BTreeMap::new();
    let mut start = 0;
    for (end, used) in &runs {
        *counts.entry(*used).or_default() += end - start;
        start = *end;
    }
    let legend = Legend::new(&counts, &names, shown);
    let pages_per_cell = pages.div_ceil(most_cells.max(1)).max(1);
    Ok(Some(PageMap {
        page_size,
        pages,
        pages_per_cell,
        cells: legend.cells(&runs, pages_per_cell),
        uses: legend.uses,
    }))
}

fn kind_of(used: PageUse<'_>) -> Kind {
    match used {
        PageUse::Meta => Kind::Meta,
        PageUse::Root => Kind::Root,
        PageUse::Bucket(_) => Kind::Bucket,
        PageUse::Freelist => Kind::Freelist,
        PageUse::Free => Kind::Free,
        PageUse::Unreferenced => Kind::Unreferenced,
        PageUse::Damaged => Kind::Damaged,
        PageUse::Tail => Kind::Tail,
        PageUse::Missing => Kind::Missing,
    }
}

/// The ranges of pages that have these bytes, ascending, not touching each other.
fn pages_of(bytes: &[Range<u64>], page_size: u64) -> Vec<Range<u64>> {
    let size = page_size.max(1);
    let pages = bytes.iter().filter(|range| !range.is_empty());
    let pages = pages.map(|range| range.start / size..range.end.div_ceil(size));
    let mut pages: Vec<Range<u64>> = pages.collect();
    pages.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in pages {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The runs of pages with those that show tokens. Damage stays damage.
fn with_tokens(runs: &[(u64, RawUse)], tokens: &[Range<u64>]) -> Vec<(u64, RawUse)> {
    let mut split = Vec::with_capacity(runs.len());
    let mut tokens = tokens.iter().peekable();
    let mut start = 0;
    for (end, used) in runs {
        let is_covered = |kind: Kind| kind != Kind::Damaged && kind != Kind::Missing;
        let covered = match used {
            RawUse::Plain(kind) => is_covered(*kind),
            RawUse::Bucket(_) => true,
        };
        while let Some(range) = tokens.peek() {
            let here = range.start.max(start)..range.end.min(*end);
            if range.start >= *end {
                break;
            }
            if here.start < here.end && covered {
                if here.start > start {
                    split.push((here.start, *used));
                }
                split.push((here.end, RawUse::Plain(Kind::Tokens)));
                start = here.end;
            }
            if range.end > *end {
                break;
            }
            tokens.next();
        }
        if start < *end {
            split.push((*end, *used));
        }
        start = *end;
    }
    split
}

/// The uses of a map, and which use a page has.
struct Legend {
    uses: Vec<Use>,
    by_raw: BTreeMap<RawUse, usize>,
}

impl Legend {
    fn new(counts: &BTreeMap<RawUse, u64>, names: &[Vec<u8>], shown: &mut ShownTokens<'_>) -> Self {
        let mut legend = Self {
            uses: Vec::new(),
            by_raw: BTreeMap::new(),
        };
        let mut buckets: Vec<(usize, u64)> = counts
            .iter()
            .filter_map(|(used, pages)| match used {
                RawUse::Bucket(number) => Some((*number, *pages)),
                RawUse::Plain(_) => None,
            })
            .collect();
        buckets.sort_by_key(|(number, pages)| (std::cmp::Reverse(*pages), *number));
        // One more bucket takes no more room than the name for several.
        let own = match buckets.len() > MOST_BUCKETS + 1 {
            true => MOST_BUCKETS,
            false => buckets.len(),
        };
        let (large, small) = buckets.split_at_checked(own).unwrap_or((&buckets, &[]));
        for kind in [Kind::Meta, Kind::Root] {
            legend.add_plain(kind, counts);
        }
        for (number, pages) in large {
            let name = names.get(*number).map(Vec::as_slice).unwrap_or_default();
            let mut name = String::from_utf8_lossy(name).into_owned();
            shown.leave_out(&mut name);
            let name = format!("bucket {name}");
            legend.add(&[RawUse::Bucket(*number)], Kind::Bucket, name, *pages);
        }
        if !small.is_empty() {
            let raw: Vec<RawUse> = small.iter().map(|(n, _)| RawUse::Bucket(*n)).collect();
            let name = format!("{} other buckets", small.len());
            let pages = small.iter().map(|(_, pages)| pages).sum();
            legend.add(&raw, Kind::Buckets, name, pages);
        }
        for kind in [
            Kind::Freelist,
            Kind::Free,
            Kind::Tail,
            Kind::Unreferenced,
            Kind::Tokens,
            Kind::Missing,
            Kind::Damaged,
        ] {
            legend.add_plain(kind, counts);
        }
        legend
    }

    fn add_plain(&mut self, kind: Kind, counts: &BTreeMap<RawUse, u64>) {
        let name = match kind {
            Kind::Meta => "meta pages",
            Kind::Root => "list of buckets, and small buckets",
            Kind::Freelist => "freelist",
            Kind::Free => "free",
            Kind::Tail => "beyond the high-water mark",
            Kind::Unreferenced => "neither in use nor on the freelist",
            Kind::Tokens => "showing tokens in unused bytes",
            Kind::Missing => "missing at the end of the file",
            Kind::Damaged => "damaged",
            Kind::Bucket | Kind::Buckets => return,
        };
        let raw = RawUse::Plain(kind);
        if let Some(pages) = counts.get(&raw) {
            self.add(&[raw], kind, name.to_owned(), *pages);
        }
    }

    fn add(&mut self, raw: &[RawUse], kind: Kind, name: String, pages: u64) {
        for raw in raw {
            self.by_raw.insert(*raw, self.uses.len());
        }
        self.uses.push(Use { kind, name, pages });
    }

    fn cells(&self, runs: &[(u64, RawUse)], pages_per_cell: u64) -> Vec<(usize, u64)> {
        let mut cells: Vec<(usize, u64)> = Vec::new();
        let mut push = |used: usize, number: u64| match cells.last_mut() {
            _ if number == 0 => {}
            Some((last, count)) if *last == used => *count += number,
            _ => cells.push((used, number)),
        };
        // The pages of the cell that is being filled, by use.
        let mut cell: BTreeMap<usize, u64> = BTreeMap::new();
        let mut filled = 0;
        let mut start = 0;
        for (end, used) in runs {
            let used = self.by_raw.get(used).copied().unwrap_or(0);
            let mut pages = end - start;
            start = *end;
            if filled > 0 {
                let more = pages.min(pages_per_cell - filled);
                *cell.entry(used).or_default() += more;
                filled += more;
                pages -= more;
                if filled < pages_per_cell {
                    continue;
                }
                push(self.most_important(&cell), 1);
                cell.clear();
            }
            push(used, pages / pages_per_cell);
            filled = pages % pages_per_cell;
            if filled > 0 {
                cell.insert(used, filled);
            }
        }
        if filled > 0 {
            push(self.most_important(&cell), 1);
        }
        cells
    }

    /// The use that a cell shows.
    fn most_important(&self, cell: &BTreeMap<usize, u64>) -> usize {
        let kind = |used: usize| self.uses.get(used).map_or(Kind::Free, |known| known.kind);
        let worst = cell.keys().copied().filter(|used| kind(*used).is_bad());
        let worst = worst.max_by_key(|used| kind(*used));
        let most = || cell.iter().max_by_key(|(_, pages)| **pages);
        worst.or_else(|| most().map(|(used, _)| *used)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: RawUse = RawUse::Plain(Kind::Free);
    const TOKENS: RawUse = RawUse::Plain(Kind::Tokens);
    const DAMAGED: RawUse = RawUse::Plain(Kind::Damaged);

    fn show(runs: &[(u64, RawUse)]) -> String {
        let mut start = 0;
        let mut text = String::new();
        for (end, used) in runs {
            let mark = match used {
                RawUse::Bucket(_) => 'b',
                RawUse::Plain(Kind::Free) => 'f',
                RawUse::Plain(Kind::Tokens) => 't',
                RawUse::Plain(Kind::Damaged) => 'd',
                RawUse::Plain(_) => '?',
            };
            text.extend((start..*end).map(|_| mark));
            start = *end;
        }
        text
    }

    #[test]
    fn pages_that_show_tokens_are_marked_but_damage_stays() {
        let runs = [(4, FREE), (8, RawUse::Bucket(0)), (10, DAMAGED), (12, FREE)];
        let bytes = [0..1, 150..950, 4_100..9_999, 1_100..1_101];
        let pages = pages_of(&bytes, 100);
        assert_eq!(pages, [0..10, 11..12, 41..100]);
        assert_eq!(show(&with_tokens(&runs, &pages)), "ttttttttddft");
        assert_eq!(show(&with_tokens(&runs, &[])), "ffffbbbbddff");
        assert_eq!(
            show(&with_tokens(&runs, std::slice::from_ref(&(3..5)))),
            "fffttbbbddff"
        );
    }

    #[test]
    fn a_cell_shows_the_worst_use_of_its_pages_or_the_most_frequent_one() {
        let runs = [
            (5, FREE),
            (7, RawUse::Bucket(0)),
            (8, FREE),
            (9, TOKENS),
            (16, FREE),
            (17, DAMAGED),
            (18, TOKENS),
        ];
        let mut counts = BTreeMap::new();
        for (_, used) in &runs {
            *counts.entry(*used).or_insert(0) += 1;
        }
        let stored = crate::metadata::hashing::StoredTokens::default();
        let names = [b"b".to_vec()];
        let legend = Legend::new(&counts, &names, &mut ShownTokens::new(&stored));
        let cells = |size| -> String {
            let cells = legend.cells(&runs, size);
            let marks = cells.iter().map(|(used, number)| {
                let kind = legend.uses[*used].kind;
                let mark = format!("{kind:?}").to_lowercase();
                mark[..1].repeat(usize::try_from(*number).unwrap())
            });
            marks.collect()
        };
        assert_eq!(cells(1), "fffffbbftfffffffdt");
        assert_eq!(cells(4), "fftfd");
        assert_eq!(cells(100), "d");
    }
}
