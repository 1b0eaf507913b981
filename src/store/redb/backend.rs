//! The storage backends for the redb library: a read-only file with all writes kept in memory, and
//! the device that holds the lock.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use ::redb::StorageBackend;
use zeroize::Zeroizing;

use crate::store::redb::page_lengths::PageLengths;
use crate::store::{Device, ReadAt};

/// The size in bytes of a page of the overlay.
const PAGE: u64 = 4096;

/// The offset of the header byte that selects one of the two commit slots, and says whether the
/// store was closed properly.
const GOD_BYTE: u64 = 9;
/// The bit of that byte that selects the slot.
const PRIMARY: u8 = 1;
/// The bit of that byte that is set while a process has the store open for writing.
pub(super) const RECOVERY_REQUIRED: u8 = 2;

/// A backend that never writes to its file. Everything that the library writes, for example to repair
/// the store, is kept in memory.
pub(super) struct Overlay {
    source: Arc<dyn ReadAt>,
    state: Mutex<State>,
}

struct State {
    length: u64,
    /// Where the bytes of the file end that are still read. Less than its length after the library
    /// has shortened it.
    source_end: u64,
    pages: HashMap<u64, Zeroizing<Vec<u8>>>,
    touched: Vec<Range<u64>>,
    page_lengths: PageLengths,
}

impl Overlay {
    pub(super) fn new(source: Arc<dyn ReadAt>) -> Self {
        let length = source.size();
        Self {
            source,
            state: Mutex::new(State {
                length,
                source_end: length,
                pages: HashMap::new(),
                touched: Vec::new(),
                page_lengths: PageLengths::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current content of a page.
    fn page(&self, state: &State, page: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        if let Some(content) = state.pages.get(&page) {
            return Ok(content.clone());
        }
        let mut content = empty_page();
        self.read_source(state, &mut content, page * PAGE)?;
        Ok(content)
    }

    /// Reads bytes of the file, without the writes in memory. Zeros beyond its end.
    fn read_source(&self, state: &State, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let there = state.source_end.saturating_sub(offset);
        let there = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
        let (from_file, beyond) = buffer.split_at_mut(there);
        beyond.fill(0);
        if from_file.is_empty() {
            return Ok(());
        }
        self.source.read_exact_at(from_file, offset)
    }
}

fn empty_page() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; usize::try_from(PAGE).unwrap_or(0)])
}

/// A backend that keeps all writes in memory and records which bytes of the file they would change.
#[derive(Clone)]
pub(super) struct Rehearsal(Arc<Overlay>);

impl Rehearsal {
    pub(super) fn new(source: Arc<dyn ReadAt>) -> Self {
        Self(Arc::new(Overlay::new(source)))
    }

    /// Whether any byte of these ranges that is in the file would have been written or truncated.
    pub(super) fn touches(&self, ranges: &[Range<u64>]) -> bool {
        let state = self.0.state();
        ranges.iter().any(|range| {
            range.end > state.length
                || state
                    .touched
                    .iter()
                    .any(|touched| touched.start < range.end && touched.end > range.start)
        })
    }
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        self.0.state().touched.push(offset..end);
        self.0.write(offset, data)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > state.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_source(&state, out, offset)?;
        if !state.pages.is_empty() {
            for (page, from, to, at) in pieces(offset, out.len()) {
                if let (Some(new), Some(out)) =
                    (state.pages.get(&page), out.get_mut(at..at + to - from))
                {
                    out.copy_from_slice(new.get(from..to).unwrap_or_default());
                }
            }
        }
        state.page_lengths.limit(offset, out);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        if len < state.length {
            // Truncated bytes are zero if the file grows again.
            let first = len / PAGE;
            let mut kept = self.page(&state, first)?;
            let keep = usize::try_from(len % PAGE).unwrap_or(0);
            kept.get_mut(keep..).unwrap_or_default().fill(0);
            state.pages.retain(|page, _| *page < first);
            state.pages.insert(first, kept);
            state.source_end = state.source_end.min(len);
        }
        state.length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        for (page, from, to, at) in pieces(offset, data.len()) {
            if !state.pages.contains_key(&page) {
                let content = self.page(&state, page)?;
                state.pages.insert(page, content);
            }
            if let Some(content) = state.pages.get_mut(&page)
                && let Some(content) = content.get_mut(from..to)
            {
                content.copy_from_slice(data.get(at..at + to - from).unwrap_or_default());
            }
        }
        state.length = state.length.max(offset + data.len() as u64);
        Ok(())
    }
}

/// Splits `length` bytes at `offset` at page boundaries. For each part: the page, the range in the
/// page, and the offset in the bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let page_size = usize::try_from(PAGE).unwrap_or(4096);
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= length {
            return None;
        }
        let at = offset + done as u64;
        let from = usize::try_from(at % PAGE).unwrap_or(0);
        let part = (page_size - from).min(length - done);
        let piece = (at / PAGE, from, from + part, done);
        done += part;
        Some(piece)
    })
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overlay")
    }
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rehearsal")
    }
}

/// A backend on the device that holds the lock. It detects the write that selects the other commit
/// slot: after it and until the next sync it is unknown whether the change is committed. It does so
/// only while a change is being committed, because the library also switches slots to repair and to
/// close a store.
///
/// After a failed call it rejects all writes. The library may try to write when it is closed.
#[derive(Clone)]
pub(super) struct OnDevice {
    device: Arc<dyn Device>,
    failed: Arc<AtomicBool>,
    committing: Arc<AtomicBool>,
    switched: Arc<AtomicBool>,
}

impl OnDevice {
    pub(super) fn new(device: Arc<dyn Device>) -> Self {
        Self {
            device,
            failed: Arc::new(AtomicBool::new(false)),
            committing: Arc::new(AtomicBool::new(false)),
            switched: Arc::new(AtomicBool::new(false)),
        }
    }

    fn noted<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|_| self.failed.store(true, Ordering::SeqCst))
    }

    fn guard(&self, change: impl FnOnce(&dyn Device) -> io::Result<()>) -> io::Result<()> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(io::Error::other("an earlier call failed"));
        }
        self.noted(change(&*self.device))
    }

    /// Rejects all later writes. For failures outside the library.
    pub(super) fn give_up(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Called before the commit: from now on a switch of slots is detected.
    pub(super) fn commits(&self) {
        self.committing.store(true, Ordering::SeqCst);
    }

    /// Whether the other commit slot was selected since then.
    pub(super) fn has_switched(&self) -> bool {
        self.switched.load(Ordering::SeqCst)
    }
}

impl StorageBackend for OnDevice {
    fn len(&self) -> io::Result<u64> {
        self.noted(self.device.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.noted(self.device.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.guard(|device| device.set_length(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.guard(|device| device.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = GOD_BYTE
            .checked_sub(offset)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(new) = at.and_then(|at| data.get(at)) {
            let mut old = [0];
            // A new file does not have this byte yet.
            if self.noted(self.device.length())? > GOD_BYTE {
                self.noted(self.device.read_exact_at(&mut old, GOD_BYTE))?;
            }
            let [old] = old;
            if (old ^ new) & PRIMARY != 0 && self.committing.load(Ordering::SeqCst) {
                self.switched.store(true, Ordering::SeqCst);
            }
        }
        self.guard(|device| device.write_all_at(data, offset))
    }
}

impl fmt::Debug for OnDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnDevice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryFile;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Call {
        Write(u64, Vec<u8>),
        SetLength(u64),
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            4 => (0..20_000_u64, proptest::collection::vec(any::<u8>(), 1..9000))
                .prop_map(|(at, bytes)| Call::Write(at, bytes)),
            1 => (0..30_000_u64).prop_map(Call::SetLength),
        ]
    }

    proptest! {
        #[test]
        fn an_overlay_reads_as_the_file_would(
            content in proptest::collection::vec(any::<u8>(), 0..20_000),
            calls in proptest::collection::vec(call(), 0..12),
            reads in proptest::collection::vec((0..30_000_usize, 1..9000_usize), 1..12),
        ) {
            let mut model = content.clone();
            let overlay = Overlay::new(Arc::new(MemoryFile::new(content)));
            for call in calls {
                match call {
                    Call::Write(at, bytes) => {
                        overlay.write(at, &bytes).unwrap();
                        let at = usize::try_from(at).unwrap();
                        if model.len() < at + bytes.len() {
                            model.resize(at + bytes.len(), 0);
                        }
                        model[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                    Call::SetLength(length) => {
                        overlay.set_len(length).unwrap();
                        model.resize(usize::try_from(length).unwrap(), 0);
                    }
                }
            }
            prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
            for (at, length) in reads {
                let mut out = vec![0; length];
                match model.get(at..at + length) {
                    Some(expected) => {
                        overlay.read(at as u64, &mut out).unwrap();
                        prop_assert!(out == expected);
                    }
                    None => prop_assert!(overlay.read(at as u64, &mut out).is_err()),
                }
            }
        }
    }
}
