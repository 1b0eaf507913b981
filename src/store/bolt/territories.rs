//! Which bucket's tree has which pages, so that trees that share them don't make us read a file
//! over and over.

use std::sync::{Mutex, PoisonError};

use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::layout::PageId;

/// How often all pages may be read anew for a bucket that shares them with another. Until then
/// each bucket is read as if it were alone: damage in one is no reason to read less of another.
const MOST: u64 = 2;

/// What is known of the trees that were walked, bucket by bucket.
#[derive(Default)]
pub(super) struct Territories(Mutex<Map>);

#[derive(Default)]
struct Map {
    /// For each page the number of the bucket that was first to reach it, plus one.
    owners: Vec<u32>,
    /// How many pages were reached that another bucket owns.
    shared: u64,
}

impl Territories {
    /// The pages that a walk through bucket `number` has to keep off: those of other buckets, once
    /// too many were read for several.
    pub(super) fn foreign(&self, number: usize) -> Option<Bitmap> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.shared <= MOST * map.owners.len() as u64 {
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

    /// Takes down which pages a walk through bucket `number` reached, of a file of so many.
    pub(super) fn take(&self, number: usize, reached: &Bitmap, pages: u64) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Map { owners, shared } = &mut *map;
        // As long as a bitmap that was made already.
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
