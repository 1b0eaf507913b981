//! One bit per page.

use crate::store::bolt::layout::PageId;

/// A set of pages below a limit fixed at the start.
#[derive(Clone)]
pub(super) struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Room for `pages` pages. Callers bound it by the file's length.
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

    /// Puts `page` into the set; false when it was there already or is beyond the limit.
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
}
