//! Overwriting pages that are no longer used.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::store::Device;
use crate::store::bolt::layout::{PageId, all_zero};
use crate::store::bolt::pages::PageFile;

/// How many bytes are read or written at a time.
const CHUNK: u64 = 256 << 10;

/// Overwrites these pages with zeros and verifies them. Pages that are zero already are not
/// written; those that are `used` are written without reading them before. No meta may reach any of
/// the pages.
///
/// # Errors
/// A description of what failed.
pub(super) fn wipe(
    file: &PageFile,
    device: &dyn Device,
    pages: &[Range<u64>],
    used: &dyn Fn(PageId) -> bool,
) -> Result<(), String> {
    let failed = |what: &str, at: u64, cause: &std::io::Error| {
        let page = at / file.page_size() as u64;
        format!("page {page} could not be {what}: {cause}")
    };
    let page_size = file.page_size() as u64;
    let zeros = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
    let mut touched: Vec<Range<u64>> = Vec::new();
    each_chunk(file, pages, |at, buffer| {
        let end = at + buffer.len() as u64;
        let pages = at / page_size..end.div_ceil(page_size);
        if !pages.map(PageId).any(used) {
            device
                .read_exact_at(buffer, at)
                .map_err(|cause| failed("read", at, &cause))?;
            if all_zero(buffer) {
                return Ok(());
            }
        }
        device
            .write_all_at(zeros.get(..buffer.len()).unwrap_or_default(), at)
            .map_err(|cause| failed("overwritten", at, &cause))?;
        match touched.last_mut() {
            Some(last) if last.end == at => last.end = end,
            _ => touched.push(at..end),
        }
        Ok(())
    })?;
    device
        .sync()
        .map_err(|cause| format!("overwritten pages could not be synced: {cause}"))?;
    for range in &touched {
        device.forget(range.start, range.end - range.start);
    }
    each_chunk(file, pages, |at, buffer| {
        device
            .read_exact_at(buffer, at)
            .map_err(|cause| failed("read", at, &cause))?;
        if all_zero(buffer) {
            Ok(())
        } else {
            let page = at / file.page_size() as u64;
            Err(format!("page {page} does not read back as zeros"))
        }
    })
}

/// Calls `work` for each piece of these pages, up to the end of the file, with its offset and a
/// buffer of its length.
fn each_chunk(
    file: &PageFile,
    pages: &[Range<u64>],
    mut work: impl FnMut(u64, &mut [u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut buffer = Zeroizing::new(vec![0; usize::try_from(CHUNK).unwrap_or(0)]);
    for run in pages {
        let end = file.offset(PageId(run.end)).min(file.size());
        let mut at = file.offset(PageId(run.start));
        while at < end {
            let length = usize::try_from(CHUNK.min(end - at)).unwrap_or(0);
            let piece = buffer.get_mut(..length).unwrap_or_default();
            work(at, piece)?;
            at += length as u64;
        }
    }
    Ok(())
}
