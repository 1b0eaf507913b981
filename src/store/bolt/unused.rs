//! Unused bytes: every byte that no live node uses, and the elements of stale nodes among them.

use std::ops::{ControlFlow, Range};
use std::panic::resume_unwind;
use std::thread;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::store::bolt::freelist::Freelist;
use crate::store::bolt::layout::{
    BUCKET_HEADER, HEADER, Header, LONGEST_NODE, PageId, all_zero, meta_at,
};
use crate::store::bolt::node::{BucketContent, Element, Kind, Node, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::{Bolt, freelist};
use crate::store::{StaleElement, Unused, UnusedVisitor};

/// See [`crate::store::Inspect::unused`].
pub(super) fn unused(bolt: &Bolt, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
    found(bolt, |ranges| {
        for part in ranges.split(1)? {
            ranges.show(&part, visit)?;
        }
        Ok(())
    })
}

/// See [`crate::store::Inspect::unused_in_parts`].
pub(super) fn in_parts(bolt: &Bolt, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
    found(bolt, |ranges| ranges.in_parts(visits))
}

/// Whether any unused byte is not zero. Reads no further than that.
///
/// # Errors
/// When the file can't be read.
pub(super) fn has_unused_bytes(bolt: &Bolt) -> Result<bool> {
    let mut any = false;
    found(bolt, |ranges| {
        for range in &ranges.ranges {
            ranges
                .outside
                .file
                .stream(range.start, range.end, |piece, _| {
                    any = !all_zero(piece);
                    if any {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })?;
            if any {
                break;
            }
        }
        Ok(())
    })?;
    Ok(any)
}

/// Finds the unused bytes and passes them to `show`.
fn found(bolt: &Bolt, show: impl FnOnce(&Ranges<'_>) -> Result<()>) -> Result<Vec<Finding>> {
    let (file, meta) = (&bolt.file, &bolt.metas.current);
    let reachability = bolt.reachability()?;
    let mut report = reachability.report.clone();
    let mut gaps = reachability.gaps.clone();
    for slot in [PageId(0), PageId(1)] {
        gaps.push(file.offset(slot) + meta_at::END as u64..file.offset(PageId(slot.0 + 1)));
    }
    let list = match freelist::read(file, meta, &mut report)? {
        Freelist::Stored(list) => {
            gaps.push(list.end..file.offset(PageId(list.span.end)));
            list.span
        }
        Freelist::Absent | Freelist::Damaged => 0..0,
    };
    let used = &reachability.used;
    let has = |page: u64| page >= 2 && !list.contains(&page) && !used.has(PageId(page));
    let outside = Outside { file, has: &has };
    outside.add_pages(&mut gaps);
    show(&Ranges {
        ranges: merged(gaps, file.size()),
        outside,
    })?;
    let mut findings = report.into_findings();
    findings.retain(|finding| finding.severity == Severity::Error);
    Ok(findings)
}

/// Passes the elements of every node that begins on such a page to the visitor.
///
/// # Errors
/// When the file can't be read.
pub(super) fn show_elements(
    outside: &Outside<'_>,
    visit: &mut dyn FnMut(StaleElement<'_>),
) -> Result<()> {
    let mut ranges = Vec::new();
    outside.add_pages(&mut ranges);
    let ranges = merged(ranges, outside.file.size());
    let mut search = UnusedScan {
        outside,
        buffer: Vec::new(),
        spare: outside.file.size().saturating_mul(2),
        visit: &mut |unused| {
            if let Unused::Element(element) = unused {
                visit(element);
            }
        },
    };
    let pieces: Vec<Piece> = ranges
        .into_iter()
        .map(|bytes| Piece {
            limit: bytes.end,
            bytes,
        })
        .collect();
    search.pieces(&pieces)
}

/// The ranges of unused bytes, ascending, not touching each other.
struct Ranges<'f> {
    ranges: Vec<Range<u64>>,
    outside: Outside<'f>,
}

/// A range, or a part of one, that is passed to one visitor.
struct Piece {
    bytes: Range<u64>,
    /// The end of the whole range: a stale node that begins in `bytes` may reach up to here.
    limit: u64,
}

impl Ranges<'_> {
    /// Splits the unused bytes among the visitors, which run in parallel.
    fn in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<()> {
        let parts = self.split(visits.len())?;
        thread::scope(|scope| {
            let threads: Vec<_> = parts
                .iter()
                .zip(visits)
                .map(|(part, visit)| scope.spawn(move || self.show(part, &mut **visit)))
                .collect();
            let mut result = Ok(());
            for thread in threads {
                let shown = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                result = result.and(shown);
            }
            result
        })
    }

    /// All ranges, in at most this number of parts of about the same size.
    fn split(&self, most: usize) -> Result<Vec<Vec<Piece>>> {
        let total: u64 = self
            .ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        let share = total.div_ceil(most.max(1) as u64).max(LEAST_PART);
        let mut parts = vec![Vec::new()];
        let mut room = share;
        for range in &self.ranges {
            let mut start = range.start;
            while start < range.end {
                if room == 0 && parts.len() < most {
                    parts.push(Vec::new());
                    room = share;
                }
                let full = start.saturating_add(room);
                let end = match parts.len() < most && full < range.end {
                    true => self.border(full, range.end)?,
                    false => range.end,
                };
                if let Some(part) = parts.last_mut() {
                    part.push(Piece {
                        bytes: start..end,
                        limit: range.end,
                    });
                }
                room = room.saturating_sub(end - start);
                start = end;
            }
        }
        Ok(parts)
    }

    /// The border of two windows at `from` or a little later, with a zero byte before it: no text
    /// goes across it. The end of the range if there is none.
    fn border(&self, from: u64, end: u64) -> Result<u64> {
        const MOST_WINDOWS: usize = 64;
        let file = self.outside.file;
        let window = window(file);
        let mut border = from.div_ceil(window).max(1) * window;
        for _ in 0..MOST_WINDOWS {
            if border >= end {
                break;
            }
            let mut before = [0];
            file.read(&mut before, border - 1)?;
            if before == [0] {
                return Ok(border);
            }
            border += window;
        }
        Ok(end)
    }

    /// Passes `pieces` to one visitor.
    fn show(&self, pieces: &[Piece], visit: &mut dyn FnMut(Unused<'_>)) -> Result<()> {
        let outside = &self.outside;
        let mut search = UnusedScan {
            outside,
            buffer: Vec::new(),
            spare: outside.file.size().saturating_mul(2),
            visit,
        };
        search.pieces(pieces)
    }
}

/// How many bytes are read and passed on at a time: whole pages.
fn window(file: &PageFile) -> u64 {
    const WINDOW: u64 = 256 << 10;
    let page_size = file.page_size() as u64;
    (WINDOW / page_size).max(1) * page_size
}

/// The fewest bytes for which a thread is started.
const LEAST_PART: u64 = 4 << 20;

/// Pages that are not live, such as free ones, leaked ones, those beyond the high-water mark.
pub(super) struct Outside<'f> {
    pub(super) file: &'f PageFile,
    /// Whether a page is one of them.
    pub(super) has: &'f (dyn Fn(u64) -> bool + Sync),
}

impl Outside<'_> {
    fn has(&self, page: u64) -> bool {
        (self.has)(page)
    }

    /// Adds the byte ranges of these pages.
    fn add_pages(&self, ranges: &mut Vec<Range<u64>>) {
        let pages = self.file.pages();
        let mut page = 2;
        while page < pages {
            let first = page;
            while page < pages && self.has(page) {
                page += 1;
            }
            if page > first {
                ranges.push(self.file.offset(PageId(first))..self.file.offset(PageId(page)));
            }
            page += 1;
        }
    }
}

/// Sorts ranges, limits them to `size` and joins those that touch.
fn merged(mut ranges: Vec<Range<u64>>, size: u64) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let range = range.start..range.end.min(size);
        if range.is_empty() {
            continue;
        }
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Passes ranges of bytes, and the stale nodes that begin in them, to a visitor.
struct UnusedScan<'f, 'v> {
    outside: &'f Outside<'f>,
    buffer: Vec<u8>,
    /// How many bytes may still be read a second time, for stale nodes that end beyond the buffer.
    /// Bounds the work when damaged headers claim many pages.
    spare: u64,
    visit: &'v mut dyn FnMut(Unused<'_>),
}

impl UnusedScan<'_, '_> {
    /// Visits pieces in windows that end at page boundaries. Used bytes between pieces that are near
    /// each other are read too: nearly every page has a few unused bytes.
    fn pieces(&mut self, pieces: &[Piece]) -> Result<()> {
        let file = self.outside.file;
        let page_size = file.page_size() as u64;
        let window = window(file);
        let mut buffer = std::mem::take(&mut self.buffer);
        // The range of the file that is in the buffer.
        let mut held = 0..0;
        for (
            number,
            Piece {
                bytes: range,
                limit: last,
            },
        ) in pieces.iter().enumerate()
        {
            let mut at = range.start;
            while at < range.end {
                let limit = (at / window + 1) * window;
                let end = limit.min(range.end);
                if at >= held.end {
                    let near = pieces.get(number..).unwrap_or_default().iter();
                    let near = near.map(|piece| &piece.bytes);
                    let near = near.take_while(|range| range.start < limit);
                    held = at..near.last().map_or(end, |near| near.end.min(limit));
                    let length = usize::try_from(held.end - held.start).unwrap_or(0);
                    if buffer.len() < length {
                        buffer.resize(length, 0);
                    }
                    file.read(buffer.get_mut(..length).unwrap_or_default(), at)?;
                }
                // Fits: no more than a window.
                let place = |offset: u64| usize::try_from(offset - held.start).unwrap_or(0);
                let piece = buffer.get(place(at)..place(end)).unwrap_or_default();
                (self.visit)(Unused::Run {
                    offset: at,
                    continued: at > range.start,
                    bytes: piece,
                });
                for page in at.div_ceil(page_size)..end.div_ceil(page_size) {
                    if self.outside.has(page) {
                        self.node(page, piece, at, *last)?;
                    }
                }
                at = end;
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Visits the elements of the stale node at `page`, if one begins there. `piece` has the bytes
    /// from `at`; the bytes after it are unused up to `limit`.
    fn node(&mut self, page: u64, piece: &[u8], at: u64, limit: u64) -> Result<()> {
        let file = self.outside.file;
        let base = file.offset(PageId(page));
        let Some(here) = usize::try_from(base - at).ok().and_then(|i| piece.get(i..)) else {
            return Ok(());
        };
        let Some(header) = Header::parse(here).filter(|header| header.id == PageId(page)) else {
            return Ok(());
        };
        let Some(kind) = Kind::of(header.flags) else {
            return Ok(());
        };
        let claimed = (u64::from(header.overflow) + 1) * file.page_size() as u64;
        let length = claimed.min(limit - base).min(LONGEST_NODE as u64);
        let rest = length.saturating_sub(here.len() as u64);
        let mut whole = Vec::new();
        let bytes = match self.spare.checked_sub(if rest > 0 { length } else { 0 }) {
            Some(spare) if rest > 0 => {
                self.spare = spare;
                // Bounded by the file, which `limit` does not exceed.
                whole.resize(usize::try_from(length).unwrap_or(0), 0);
                file.read(&mut whole, base)?;
                whole.as_slice()
            }
            _ => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                here.get(..length.min(here.len())).unwrap_or_default()
            }
        };
        let node = Node::new(kind, header, PageId(page), base, bytes, bytes.len());
        if let Ok(node) = node {
            self.elements(&node);
        }
        Ok(())
    }

    /// Visits the readable elements of a stale node.
    fn elements(&mut self, node: &Node<'_>) {
        for element in node.elements().flatten() {
            if node.fault(&element).is_some() {
                continue;
            }
            if element.is_bucket() {
                self.inline(node, &element);
            } else {
                let end = node.base + element.end() as u64;
                self.show(node, None, &element, node.base..end);
            }
        }
    }

    /// Visits the elements of an inline bucket in a stale leaf.
    fn inline(&mut self, node: &Node<'_>, element: &Element<'_>) {
        let offset = node.base + element.value_start() as u64;
        if element.value.len() < BUCKET_HEADER + HEADER {
            return;
        }
        if let Ok((_, BucketContent::Inline(inner, _))) = bucket(element.value, node.page, offset) {
            for inside in inner.elements().flatten() {
                if !inside.is_bucket() && inner.fault(&inside).is_none() {
                    let end = inner.base + inside.end() as u64;
                    self.show(&inner, Some(element.key), &inside, node.base..end);
                }
            }
        }
    }

    fn show(
        &mut self,
        node: &Node<'_>,
        bucket: Option<&[u8]>,
        element: &Element<'_>,
        place: Range<u64>,
    ) {
        (self.visit)(Unused::Element(StaleElement {
            page: node.page.0,
            bucket,
            key: element.key,
            value: element.value,
            place,
        }));
    }
}
