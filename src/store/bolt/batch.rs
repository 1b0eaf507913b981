//! Reading pages: many at a time into one buffer, in ascending order.

use crate::error::Result;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::pages::PageFile;

/// The size of a batch in bytes; small enough for the processor's cache.
const BATCH: usize = 256 << 10;

/// Gaps of up to this many pages between requested pages are read too, to save a read call.
const GAP: usize = 3;

/// A run of consecutive pages in the buffer.
struct Run {
    first: PageId,
    /// Where in the buffer it begins, and its length in bytes.
    at: usize,
    length: usize,
}

/// Pages that were read ahead, and a buffer for single nodes. Both buffers are reused.
pub(super) struct Batch<'f> {
    file: &'f PageFile,
    buffer: Vec<u8>,
    runs: Vec<Run>,
    single: Vec<u8>,
    /// The first page in `single`, and the length of its content in bytes.
    single_content: Option<(PageId, usize)>,
}

impl<'f> Batch<'f> {
    pub(super) fn new(file: &'f PageFile) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            runs: Vec::new(),
            single: Vec::new(),
            single_content: None,
        }
    }

    pub(super) fn file(&self) -> &'f PageFile {
        self.file
    }

    /// The length of `pages` pages in bytes.
    pub(super) fn length(&self, pages: u64) -> usize {
        usize::try_from(pages)
            .unwrap_or(usize::MAX)
            .saturating_mul(self.file.page_size())
    }

    /// How many pages one batch has.
    pub(super) fn capacity(&self) -> usize {
        BATCH / self.file.page_size()
    }

    /// Whether `page` was read ahead.
    pub(super) fn holds(&self, page: PageId) -> bool {
        self.find(page, 1).is_some()
    }

    /// Reads `pages`, all of which are in the file, at most [`Self::capacity`] of them. Replaces
    /// the batch before.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn load(&mut self, mut pages: Vec<PageId>) -> Result<()> {
        let page_size = self.file.page_size();
        pages.sort_unstable();
        pages.dedup();
        self.runs.clear();
        let mut filled = 0;
        for page in &pages {
            if let Some(last) = self.runs.last_mut() {
                let apart = usize::try_from(page.0 - last.first.0).unwrap_or(usize::MAX);
                let reach = apart.saturating_add(1).saturating_mul(page_size);
                if reach <= last.length + (GAP + 1) * page_size {
                    last.length = reach;
                    filled = last.at + reach;
                    continue;
                }
            }
            self.runs.push(Run {
                first: *page,
                at: filled,
                length: page_size,
            });
            filled += page_size;
        }
        if self.buffer.len() < filled {
            self.buffer.resize(filled, 0);
        }
        for run in &mut self.runs {
            let offset = self.file.offset(run.first);
            run.length = self.file.present(offset, run.length);
            let end = run.at + run.length;
            let into = self.buffer.get_mut(run.at..end).unwrap_or_default();
            self.file.read(into, offset)?;
        }
        Ok(())
    }

    /// Where in the buffer the `count` pages from `page` are, if they were read ahead.
    fn find(&self, page: PageId, count: u64) -> Option<std::ops::Range<usize>> {
        let page_size = self.file.page_size();
        let next = self.runs.partition_point(|s| s.first <= page);
        let run = self.runs.get(next.checked_sub(1)?)?;
        let skip = usize::try_from(page.0 - run.first.0)
            .ok()?
            .checked_mul(page_size)?;
        let length = self
            .file
            .present(self.file.offset(page), self.length(count));
        (length > 0 && skip.checked_add(length)? <= run.length)
            .then_some(run.at + skip..run.at + skip + length)
    }

    /// The bytes of `count` pages from `page`, which must be in the file. Fewer bytes if the file
    /// ends before.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] when the file can't be read.
    pub(super) fn bytes(&mut self, page: PageId, count: u64) -> Result<&[u8]> {
        if let Some(range) = self.find(page, count) {
            return Ok(self.buffer.get(range).unwrap_or_default());
        }
        let offset = self.file.offset(page);
        let length = self.file.present(offset, self.length(count));
        if self.single_content == Some((page, length)) {
            return Ok(self.single.get(..length).unwrap_or_default());
        }
        self.single_content = None;
        if self.single.len() < length {
            self.single.resize(length, 0);
        }
        let bytes = self.single.get_mut(..length).unwrap_or_default();
        self.file.read(bytes, offset)?;
        self.single_content = Some((page, length));
        Ok(bytes)
    }
}
