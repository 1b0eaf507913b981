//! The file as an array of pages.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::ReadAt;
use crate::store::bolt::layout::PageId;

/// A file whose page size is known. Clones read the same file.
#[derive(Clone)]
pub(super) struct PageFile {
    source: Arc<dyn ReadAt>,
    path: PathBuf,
    page_size: usize,
}

impl PageFile {
    /// `path` is for messages only.
    pub(super) fn new(source: Box<dyn ReadAt>, path: &Path, page_size: usize) -> Self {
        Self {
            source: Arc::from(source),
            path: path.to_path_buf(),
            page_size,
        }
    }

    /// The path that messages show.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the path that messages show.
    pub(super) fn set_display_path(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }

    /// Bytes per page.
    pub(super) fn page_size(&self) -> usize {
        self.page_size
    }

    /// Bytes in the file.
    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// Pages in the file, including an incomplete last one.
    pub(super) fn pages(&self) -> u64 {
        self.size().div_ceil(self.page_size as u64)
    }

    /// Where a page begins, in bytes. `u64::MAX` if the product does not fit.
    pub(super) fn offset(&self, page: PageId) -> u64 {
        page.0.saturating_mul(self.page_size as u64)
    }

    /// How many of the `length` bytes from `offset` the file has.
    pub(super) fn present(&self, offset: u64, length: usize) -> usize {
        let left = self.size().saturating_sub(offset);
        usize::try_from(left).map_or(length, |left| left.min(length))
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when these bytes can't be read; the message has path, page and offset.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.source.read_exact_at(buffer, offset).map_err(|cause| {
            Error::new(
                ErrorKind::Io,
                format!(
                    "can't read page {} (byte {offset}) of {}: {cause}",
                    offset / self.page_size as u64,
                    self.path.display()
                ),
            )
            .with_source(cause)
        })
    }

    /// Reads the bytes `from..to` in pieces that fit in the processor's cache. Calls `take` with
    /// each piece and its offset in the file, until it breaks.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when these bytes can't be read.
    pub(super) fn stream(
        &self,
        from: u64,
        to: u64,
        mut take: impl FnMut(&[u8], u64) -> ControlFlow<()>,
    ) -> Result<()> {
        const PIECE: usize = 256 << 10;
        let mut buffer = Vec::new();
        let mut at = from;
        while at < to {
            let length = usize::try_from(to - at).map_or(PIECE, |left| left.min(PIECE));
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            let piece = buffer.get_mut(..length).unwrap_or_default();
            self.read(piece, at)?;
            if take(piece, at).is_break() {
                break;
            }
            at += length as u64;
        }
        Ok(())
    }
}
