//! Progress of copying a store.

use std::sync::atomic::{AtomicU64, Ordering};

/// Reports how many bytes of keys and values have been copied, about once per MiB.
pub struct Progress<'a> {
    done: AtomicU64,
    tell: &'a (dyn Fn(u64) + Sync),
}

/// Bytes between two reports.
const STEP: u64 = 1 << 20;

impl<'a> Progress<'a> {
    /// A progress that calls `tell` with the number of bytes.
    #[must_use]
    pub fn new(tell: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self {
            done: AtomicU64::new(0),
            tell,
        }
    }

    /// Adds `bytes` copied bytes.
    pub(super) fn add(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        if before / STEP != (before + bytes) / STEP {
            (self.tell)(before + bytes);
        }
    }
}
