//! The page size of a file without a valid meta page: nodes carry the number of their page, so where
//! a node is tells how long a page is.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{IoContext, Result};
use crate::store::ReadAt;
use crate::store::bolt::layout::{
    BRANCH, FREELIST, GREATEST_PAGE_SIZE, Header, LEAF, LEAST_PAGE_SIZE,
};

/// Nodes begin at multiples of this many bytes.
const STEP: usize = 8;

/// At most this many different page sizes are counted.
const MOST: usize = 1 << 16;

/// The page size that most nodes agree with; `None` if there are no nodes.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when the file can't be read.
pub(super) fn detect(source: &dyn ReadAt, path: &Path) -> Result<Option<usize>> {
    const WINDOW: usize = 256 << 10;
    let mut counts: HashMap<u64, u64> = HashMap::new();
    let mut buffer = vec![0; WINDOW];
    let size = source.size();
    let mut at = 0;
    while at < size {
        let length = usize::try_from(size - at).map_or(WINDOW, |left| left.min(WINDOW));
        let window = buffer.get_mut(..length).unwrap_or_default();
        source.read_exact_at(window, at).at("read", path)?;
        for place in (0..length).step_by(STEP) {
            let Some(header) = window.get(place..).and_then(Header::parse) else {
                break;
            };
            let offset = at + place as u64;
            let page = header.id.0;
            let known = [BRANCH, LEAF, FREELIST].contains(&header.flags);
            if !known || page < 2 || !offset.is_multiple_of(page) {
                continue;
            }
            let page_size = offset / page;
            let element = if header.flags == FREELIST { 8 } else { 16 };
            if !(LEAST_PAGE_SIZE..=GREATEST_PAGE_SIZE).contains(&page_size)
                || element * u64::from(header.count)
                    > page_size.saturating_mul(u64::from(header.overflow) + 1)
            {
                continue;
            }
            if counts.len() < MOST || counts.contains_key(&page_size) {
                *counts.entry(page_size).or_default() += 1;
            }
        }
        at += length as u64;
    }
    // Of two sizes with as many nodes the power of two is more likely.
    let best = counts
        .into_iter()
        .max_by_key(|(page_size, count)| (*count, page_size.is_power_of_two(), *page_size));
    Ok(best.and_then(|(page_size, _)| usize::try_from(page_size).ok()))
}
