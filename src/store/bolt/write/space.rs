//! Allocates pages for a commit: first those that neither meta reaches and that have no protected
//! bytes, then pages beyond the high-water mark.

use std::collections::HashMap;
use std::ops::Range;

use crate::store::bolt::layout::PageId;

/// The page allocator of a commit. It returns the lowest pages first.
pub(super) struct Space {
    /// Runs of free pages, ascending.
    runs: Vec<Range<u64>>,
    /// For each length requested, how many runs at the front are too short. Runs only shrink, so
    /// they are not examined again.
    too_short: HashMap<u64, usize>,
    /// The high-water mark of the commit: the lowest page that was never allocated.
    end: u64,
    /// Pages with protected bytes, ascending, not overlapping.
    protected: Vec<Range<u64>>,
}

impl Space {
    /// An allocator of the pages below the high-water mark `end` that are `free` and not
    /// `protected`. Protected pages may also be beyond `end`.
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

    /// The high-water mark after the pages that were allocated.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Allocates `count` consecutive pages, at least 1. Returns the first one.
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

    /// Allocates pages beyond the high-water mark. Skips protected pages in the tail of the file;
    /// they are on the freelist of the commit.
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

/// Whether `page` is in one of the ascending `ranges`.
pub(super) fn contains(ranges: &[Range<u64>], page: u64) -> bool {
    let next = ranges.partition_point(|range| range.end <= page);
    ranges.get(next).is_some_and(|range| range.start <= page)
}

/// The pages with any of these bytes, as ascending ranges that don't touch.
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
    fn protected_pages_are_never_given_out() {
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
