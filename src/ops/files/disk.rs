//! Disk access of export and restore: a few calls that tests can count, fail, or interrupt.
//!
//! File content goes through a [`Device`] for each file, as in every command that changes a
//! database. Calls that change names do not; they are the [`Step`]s.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::ops::files::secret_output::Naming;
use crate::store::Device;
use crate::store::device::on_file;

/// A call that changes names, or syncs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'p> {
    /// A folder is created.
    Make(&'p Path),
    /// A file gets this unused name.
    Link(&'p Path),
    /// A file replaces the file of this name.
    Replace(&'p Path),
    /// The file of this name is renamed.
    MoveAway(&'p Path),
    /// The folder is synced.
    Sync(&'p Path),
}

impl Naming {
    /// The step for an output at `path`.
    pub(crate) fn at(self, path: &Path) -> Step<'_> {
        match self {
            Self::Link => Step::Link(path),
            Self::Sync => Step::Sync(path),
        }
    }
}

/// The disk, or a test double.
pub trait Disk: Sync {
    /// A device for a new file.
    fn device(&self, file: File) -> Box<dyn Device>;

    /// A device for a scratch file without a name, never synced.
    fn private(&self, file: File) -> Box<dyn Device> {
        Box::new(Private(self.device(file)))
    }

    /// Called before each step; an error fails the step.
    ///
    /// # Errors
    /// Only in tests.
    fn before(&self, _step: Step<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// The real disk.
pub struct RealDisk;

impl Disk for RealDisk {
    fn device(&self, file: File) -> Box<dyn Device> {
        Box::new(BackgroundSync::new(on_file(file)))
    }

    fn private(&self, file: File) -> Box<dyn Device> {
        Box::new(Private(on_file(file)))
    }
}

/// A device that syncs in the background during long writes, so that the final sync is short.
struct BackgroundSync {
    device: Arc<dyn Device>,
    /// Bytes written since the last sync request.
    behind: AtomicU64,
    /// Channel and handle of the sync thread, started by the first large write.
    thread: Mutex<Option<(SyncSender<()>, JoinHandle<()>)>>,
    /// The error of an early sync: the system reports it only once.
    failed: Arc<Mutex<Option<io::Error>>>,
}

/// Bytes written before a background sync starts.
const SYNC_AFTER: u64 = 32 << 20;

impl BackgroundSync {
    fn new(device: Box<dyn Device>) -> Self {
        Self {
            device: device.into(),
            behind: AtomicU64::new(0),
            thread: Mutex::new(None),
            failed: Arc::default(),
        }
    }

    fn start(&self) {
        let mut thread = lock(&self.thread);
        let (tell, _) = thread.get_or_insert_with(|| {
            let (tell, told) = sync_channel::<()>(1);
            let (device, failed) = (Arc::clone(&self.device), Arc::clone(&self.failed));
            let thread = std::thread::spawn(move || {
                for () in told {
                    if let Err(cause) = device.sync() {
                        lock(&failed).get_or_insert(cause);
                    }
                }
            });
            (tell, thread)
        });
        // If a request is still pending, it is enough.
        let _ = tell.try_send(());
    }

    /// Stops the thread.
    fn stop(&self) {
        if let Some((tell, thread)) = lock(&self.thread).take() {
            drop(tell);
            if thread.join().is_err() {
                let cause = io::Error::other("the sync thread ended early");
                lock(&self.failed).get_or_insert(cause);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for BackgroundSync {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Device for BackgroundSync {
    fn length(&self) -> io::Result<u64> {
        self.device.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.device.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.device.write_all_at(bytes, offset)?;
        let length = bytes.len() as u64;
        if self.behind.fetch_add(length, Ordering::Relaxed) + length >= SYNC_AFTER {
            self.behind.store(0, Ordering::Relaxed);
            self.start();
        }
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.device.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.stop();
        self.device.sync()?;
        match lock(&self.failed).take() {
            Some(cause) => Err(cause),
            None => Ok(()),
        }
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.device.free_space()
    }

    fn forget(&self, offset: u64, length: u64) {
        self.device.forget(offset, length);
    }
}

/// A scratch file, never synced.
struct Private(Box<dyn Device>);

impl Device for Private {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    /// A scratch file is never synced.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.0.free_space()
    }

    /// It stays in the page cache.
    fn forget(&self, _: u64, _: u64) {}
}

/// A device that is written sequentially and then read. After a failed write, all later writes fail
/// too, because a compressor would otherwise go on writing when it is dropped.
pub struct SequentialFile {
    device: Box<dyn Device>,
    at: u64,
    failed: bool,
}

impl SequentialFile {
    /// At the start of a new file.
    pub fn new(device: Box<dyn Device>) -> Self {
        Self {
            device,
            at: 0,
            failed: false,
        }
    }

    /// Syncs the file and goes back to its start, for reading.
    ///
    /// # Errors
    /// I/O errors of the device.
    pub fn sync(&mut self) -> io::Result<()> {
        self.device.sync()?;
        self.rewind();
        Ok(())
    }

    /// Goes back to the start, for reading.
    pub fn rewind(&mut self) {
        self.at = 0;
    }
}

impl Write for SequentialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.failed = true;
        self.device.write_all_at(bytes, self.at)?;
        self.failed = false;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for SequentialFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.device.length()?.saturating_sub(self.at);
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.device.read_exact_at(part, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its first sync fails: a system reports a failure only once.
    #[derive(Default)]
    struct FailsOnce(AtomicU64);

    impl Device for FailsOnce {
        fn length(&self) -> io::Result<u64> {
            Ok(0)
        }

        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Ok(())
        }

        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Ok(())
        }

        fn set_length(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(io::Error::other("the disk is gone")),
                _ => Ok(()),
            }
        }

        fn free_space(&self) -> io::Result<Option<u64>> {
            Ok(None)
        }

        fn forget(&self, _: u64, _: u64) {}
    }

    #[test]
    fn an_early_sync_that_fails_is_not_forgotten() {
        let early = BackgroundSync::new(Box::new(FailsOnce::default()));
        let piece = vec![0; 8 << 20];
        for number in 0..5 {
            early.write_all_at(&piece, number * (8 << 20)).unwrap();
        }
        let told = early.sync().unwrap_err();
        assert_eq!(told.to_string(), "the disk is gone");
        early.sync().unwrap();
        // Small writes start no thread.
        let small = BackgroundSync::new(Box::new(FailsOnce::default()));
        small.write_all_at(&piece, 0).unwrap();
        assert!(lock(&small.thread).is_none());
    }
}
