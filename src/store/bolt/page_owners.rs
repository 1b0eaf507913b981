//! Which bucket reached which page first. It bounds the work on a damaged file in which the trees
//! of many buckets share pages.

use std::sync::{Mutex, PoisonError};

use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::PageId;

/// How many times the pages of the file may be read again for buckets that share them. Below this
/// limit each bucket is read whole, so that damage in one does not hide pairs of another.
const MAX_REREADS: u64 = 2;

/// The owners of the pages that were walked.
#[derive(Default)]
pub(super) struct PageOwners(Mutex<Owners>);

#[derive(Default)]
struct Owners {
    /// For each page the number of the bucket that was first to reach it, plus one.
    owners: Vec<u32>,
    /// How many times a walk reached a page that another bucket owns.
    shared: u64,
}

impl PageOwners {
    /// The pages that a walk of bucket `number` must not enter because other buckets own them;
    /// `None` while the limit of shared pages is not reached.
    pub(super) fn pages_of_others(&self, number: usize) -> Option<Bitmap> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.shared <= MAX_REREADS * map.owners.len() as u64 {
            return None;
        }
        let me = own(number);
        let mut foreign = Bitmap::new(map.owners.len() as u64);
        for (page, owner) in (0..).zip(&map.owners) {
            if *owner != 0 && *owner != me {
                foreign.insert(PageId(page));
            }
        }
        Some(foreign)
    }

    /// Records the pages that a walk of bucket `number` reached, in a file of `pages` pages.
    pub(super) fn record(&self, number: usize, reached: &Bitmap, pages: u64) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Owners { owners, shared } = &mut *map;
        // Bounded by the length of the file, as `reached` is.
        owners.resize(usize::try_from(pages).unwrap_or(0), 0);
        let me = own(number);
        for (page, owner) in (0..).zip(owners) {
            if reached.has(PageId(page)) {
                match *owner {
                    0 => *owner = me,
                    other => *shared += u64::from(other != me),
                }
            }
        }
    }
}

fn own(number: usize) -> u32 {
    u32::try_from(number).map_or(u32::MAX, |number| number.saturating_add(1))
}
