//! Sets of pages, one bit per page.

use crate::store::bolt::layout::PageId;

/// A set of pages below a fixed limit.
#[derive(Clone)]
pub(super) struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// An empty set for the pages below `pages`. The caller bounds `pages` by the file's length.
    pub(super) fn new(pages: u64) -> Self {
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(0);
        Self {
            words: vec![0; words],
        }
    }

    fn place(page: PageId) -> (usize, u64) {
        let word = usize::try_from(page.0 / 64).unwrap_or(usize::MAX);
        (word, 1 << (page.0 % 64))
    }

    /// Whether `page` is in the set.
    pub(super) fn has(&self, page: PageId) -> bool {
        let (word, bit) = Self::place(page);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Inserts `page`; false if it is in the set already or beyond the limit.
    pub(super) fn insert(&mut self, page: PageId) -> bool {
        let (word, bit) = Self::place(page);
        match self.words.get_mut(word) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                true
            }
            _ => false,
        }
    }

    /// Whether no page is in the set.
    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Removes `page`; false if it is not in the set.
    pub(super) fn remove(&mut self, page: PageId) -> bool {
        let (word, bit) = Self::place(page);
        match self.words.get_mut(word) {
            Some(word) if *word & bit != 0 => {
                *word &= !bit;
                true
            }
            _ => false,
        }
    }
}
