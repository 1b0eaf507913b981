//! Reading nodes: the children of a branch many at a time, sorted by page, into one buffer.

use crate::error::Result;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::pages::PageFile;

/// Bytes of wanted pages read ahead at most; small enough to stay in the processor's cache.
const BATCH: usize = 256 << 10;

/// Pages between two wanted ones that are read along with them rather than skipped.
const GAP: usize = 3;

/// A stretch of pages in the buffer.
struct Stretch {
    first: PageId,
    /// Where in the buffer it begins, and its bytes.
    at: usize,
    length: usize,
}

/// Pages read ahead, and a buffer for what was not. Both are reused.
pub(super) struct Batch<'f> {
    file: &'f PageFile,
    buffer: Vec<u8>,
    stretches: Vec<Stretch>,
    single: Vec<u8>,
    /// The page `single` begins with, and its bytes that count.
    holding: Option<(PageId, usize)>,
}

impl<'f> Batch<'f> {
    pub(super) fn new(file: &'f PageFile) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            stretches: Vec::new(),
            single: Vec::new(),
            holding: None,
        }
    }

    pub(super) fn file(&self) -> &'f PageFile {
        self.file
    }

    /// The bytes of `pages` pages.
    pub(super) fn length(&self, pages: u64) -> usize {
        usize::try_from(pages)
            .unwrap_or(usize::MAX)
            .saturating_mul(self.file.page_size())
    }

    /// How many pages are worth asking for at once.
    pub(super) fn capacity(&self) -> usize {
        BATCH / self.file.page_size()
    }

    /// Whether `page` was read ahead.
    pub(super) fn holds(&self, page: PageId) -> bool {
        self.find(page, 1).is_some()
    }

    /// Reads `pages`, at most [`Self::capacity`] of them and all in the file; replaces what was
    /// there.
    ///
    /// # Errors
    /// When the system can't read them.
    pub(super) fn load(&mut self, mut pages: Vec<PageId>) -> Result<()> {
        let page_size = self.file.page_size();
        pages.sort_unstable();
        pages.dedup();
        self.stretches.clear();
        let mut filled = 0;
        for page in &pages {
            if let Some(last) = self.stretches.last_mut() {
                let apart = usize::try_from(page.0 - last.first.0).unwrap_or(usize::MAX);
                let reach = apart.saturating_add(1).saturating_mul(page_size);
                if reach <= last.length + (GAP + 1) * page_size {
                    last.length = reach;
                    filled = last.at + reach;
                    continue;
                }
            }
            self.stretches.push(Stretch {
                first: *page,
                at: filled,
                length: page_size,
            });
            filled += page_size;
        }
        if self.buffer.len() < filled {
            self.buffer.resize(filled, 0);
        }
        for stretch in &mut self.stretches {
            let offset = self.file.offset(stretch.first);
            stretch.length = self.file.present(offset, stretch.length);
            let end = stretch.at + stretch.length;
            let into = self.buffer.get_mut(stretch.at..end).unwrap_or_default();
            self.file.read(into, offset)?;
        }
        Ok(())
    }

    /// Where in the buffer `count` pages from `page` are, if they were read ahead.
    fn find(&self, page: PageId, count: u64) -> Option<std::ops::Range<usize>> {
        let page_size = self.file.page_size();
        let next = self.stretches.partition_point(|s| s.first <= page);
        let stretch = self.stretches.get(next.checked_sub(1)?)?;
        let skip = usize::try_from(page.0 - stretch.first.0)
            .ok()?
            .checked_mul(page_size)?;
        let length = self
            .file
            .present(self.file.offset(page), self.length(count));
        (length > 0 && skip.checked_add(length)? <= stretch.length)
            .then_some(stretch.at + skip..stretch.at + skip + length)
    }

    /// The bytes of `count` pages from `page`, which must be in the file, as far as it has them.
    ///
    /// # Errors
    /// When the system can't read them.
    pub(super) fn bytes(&mut self, page: PageId, count: u64) -> Result<&[u8]> {
        if let Some(range) = self.find(page, count) {
            return Ok(self.buffer.get(range).unwrap_or_default());
        }
        let offset = self.file.offset(page);
        let length = self.file.present(offset, self.length(count));
        if self.holding == Some((page, length)) {
            return Ok(self.single.get(..length).unwrap_or_default());
        }
        self.holding = None;
        if self.single.len() < length {
            self.single.resize(length, 0);
        }
        let bytes = self.single.get_mut(..length).unwrap_or_default();
        self.file.read(bytes, offset)?;
        self.holding = Some((page, length));
        Ok(bytes)
    }
}
