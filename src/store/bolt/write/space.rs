//! Which pages a commit may write: those that neither the current meta nor the other one reaches
//! and that show nothing protected; beyond them the file grows.

use std::collections::HashMap;
use std::ops::Range;

use crate::store::bolt::layout::PageId;

/// Hands out pages, lowest first.
pub(super) struct Space {
    /// Runs of pages that may be written, ascending.
    runs: Vec<Range<u64>>,
    /// For each length asked for, how many runs at the front are known to be too short. Runs only
    /// shrink, so none of them is looked at again.
    too_short: HashMap<u64, usize>,
    /// The first page never given out: the high-water mark of the commit.
    end: u64,
    /// Pages that show something protected, ascending, not overlapping.
    protected: Vec<Range<u64>>,
}

impl Space {
    /// The pages of `free` below `end`, the high-water mark; but none of `protected`, which may
    /// lie beyond it.
    pub(super) fn new(end: u64, free: impl Fn(PageId) -> bool, protected: Vec<Range<u64>>) -> Self {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for page in 2..end {
            if !free(PageId(page)) || contains(&protected, page) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == page => run.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        Self {
            runs,
            too_short: HashMap::new(),
            end,
            protected,
        }
    }

    /// The high-water mark that the pages given out so far need.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The first of `count` consecutive pages, which is never zero of them.
    pub(super) fn take(&mut self, count: u64) -> PageId {
        let skip = self.too_short.entry(count).or_default();
        while let Some(run) = self.runs.get_mut(*skip) {
            if run.end - run.start >= count {
                let first = run.start;
                run.start += count;
                return PageId(first);
            }
            *skip += 1;
        }
        self.grow(count)
    }

    /// New pages beyond the high-water mark. Precious pages that lie in the way, in the tail of
    /// the file, are passed over; they come to be free pages.
    fn grow(&mut self, count: u64) -> PageId {
        let mut first = self.end;
        for run in &self.protected {
            if run.start < first + count && run.end > first {
                first = run.end;
            }
        }
        self.end = first + count;
        PageId(first)
    }
}

/// Whether one of the ascending `ranges` holds `page`.
pub(super) fn contains(ranges: &[Range<u64>], page: u64) -> bool {
    let next = ranges.partition_point(|range| range.end <= page);
    ranges.get(next).is_some_and(|range| range.start <= page)
}

/// The pages that hold any of these bytes, as ascending ranges that don't touch.
pub(super) fn pages_of(bytes: &[Range<u64>], page_size: u64) -> Vec<Range<u64>> {
    let mut pages: Vec<Range<u64>> = bytes
        .iter()
        .filter(|range| !range.is_empty())
        .map(|range| range.start / page_size..range.end.div_ceil(page_size))
        .collect();
    pages.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in pages {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_first_then_growth() {
        let free = |page: PageId| matches!(page.0, 2 | 3 | 5 | 7 | 8 | 9);
        let mut space = Space::new(12, free, Vec::new());
        assert_eq!(space.take(1), PageId(2));
        assert_eq!(space.take(3), PageId(7));
        assert_eq!(space.take(2), PageId(12));
        assert_eq!(space.take(1), PageId(3));
        assert_eq!(space.take(1), PageId(5));
        assert_eq!(space.take(1), PageId(14));
        assert_eq!(space.end(), 15);
    }

    #[test]
    fn precious_pages_are_never_given_out() {
        let protected = pages_of(&[30..31, 110..130, 128..151, 0..0], 10);
        assert_eq!(protected, [3..4, 11..16]);
        let mut space = Space::new(10, |page| page.0 > 1 && page.0 < 6, protected);
        assert_eq!(space.take(2), PageId(4));
        assert_eq!(space.take(1), PageId(2));
        assert_eq!(space.take(1), PageId(10));
        assert_eq!(space.take(1), PageId(16));
        assert_eq!(space.end(), 17);
    }
}
