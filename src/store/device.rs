//! The interface to the file that is changed. Tests replace it to record writes and to fail calls.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::store::file::ReadAt;

/// A database file that is open for reading and writing. A command that changes a file uses one
/// device for all access, because the device holds the lock: opening the file a second time would
/// fail, and releasing the lock in between would let influxd open it.
pub trait Device: Send + Sync {
    /// The current length in bytes.
    ///
    /// # Errors
    /// Any I/O error of the system.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; any I/O error of the system.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. The file grows if necessary.
    ///
    /// # Errors
    /// Any I/O error of the system. Part of the bytes may be written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Sets the length of the file in bytes. New bytes are zero.
    ///
    /// # Errors
    /// Any I/O error of the system.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Waits until the length and all earlier writes are on disk and survive a power failure.
    ///
    /// # Errors
    /// Any I/O error of the system. Writes since the last successful sync may be lost then.
    fn sync(&self) -> io::Result<()>;

    /// The free space of the file system in bytes; `None` if it is not known.
    ///
    /// # Errors
    /// Any I/O error of the system.
    fn free_space(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Asks the system to drop cached copies of these bytes, so that the next read is from the
    /// medium. The system may ignore it. A device that wraps another one must pass the call on.
    fn forget(&self, offset: u64, length: u64);
}

/// A file that is open for reading and writing.
#[must_use]
pub fn on_file(file: File) -> Box<dyn Device> {
    Box::new(DiskDevice::new(file))
}

/// A file on disk.
pub(super) struct DiskDevice(File);

impl DiskDevice {
    /// A device for a file that is open for reading and writing. It keeps the lock of the file.
    pub(super) fn new(file: File) -> Self {
        Self(file)
    }
}

impl Device for DiskDevice {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        let of = rustix::fs::fstatvfs(&self.0)?;
        Ok(Some(of.f_bavail.saturating_mul(of.f_frsize)))
    }

    fn forget(&self, offset: u64, length: u64) {
        #[cfg(target_os = "linux")]
        if let Some(length) = std::num::NonZeroU64::new(length) {
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(&self.0, offset, Some(length), advice);
        }
    }
}

/// Rejects all writes after the first failed one. The state of the file is not known then, and
/// further writes could damage it.
pub(super) struct Latch {
    device: Box<dyn Device>,
    failed: AtomicBool,
}

impl Latch {
    pub(super) fn new(device: Box<dyn Device>) -> Self {
        Self {
            device,
            failed: AtomicBool::new(false),
        }
    }

    fn guard(&self, change: impl FnOnce(&dyn Device) -> io::Result<()>) -> io::Result<()> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(io::Error::other("an earlier write or sync failed"));
        }
        change(&*self.device).inspect_err(|_| self.failed.store(true, Ordering::SeqCst))
    }
}

impl Device for Latch {
    fn length(&self) -> io::Result<u64> {
        self.device.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.device.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.guard(|device| device.write_all_at(bytes, offset))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.guard(|device| device.set_length(length))
    }

    fn sync(&self) -> io::Result<()> {
        self.guard(|device| device.sync())
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.device.free_space()
    }

    fn forget(&self, offset: u64, length: u64) {
        self.device.forget(offset, length);
    }
}

/// The CRC-32 of these bytes. Asks the system to read from the medium and not from its cache.
///
/// # Errors
/// Any I/O error of the system.
pub(super) fn checksum_on_medium(device: &dyn Device, bytes: Range<u64>) -> io::Result<u32> {
    const CHUNK: usize = 256 << 10;
    let Range { start: mut at, end } = bytes;
    device.forget(at, end.saturating_sub(at));
    let mut sum = crc32fast::Hasher::new();
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    while at < end {
        let length = usize::try_from(end - at).map_or(CHUNK, |left| left.min(CHUNK));
        let piece = buffer.get_mut(..length).unwrap_or_default();
        device.read_exact_at(piece, at)?;
        sum.update(piece);
        at += length as u64;
    }
    Ok(sum.finalize())
}

/// A read-only view of a device, with the length that the device had when the view was made.
pub(super) struct View {
    device: Arc<dyn Device>,
    size: u64,
}

impl View {
    pub(super) fn new(device: Arc<dyn Device>) -> io::Result<Self> {
        let size = device.length()?;
        Ok(Self { device, size })
    }
}

impl ReadAt for View {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.device.read_exact_at(buf, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Fails each call that changes something while `broken` is set.
    #[derive(Default)]
    struct Flaky {
        broken: Arc<AtomicBool>,
        writes: Arc<Mutex<u32>>,
    }

    impl Flaky {
        fn change(&self) -> io::Result<()> {
            *self.writes.lock().unwrap() += 1;
            match self.broken.load(Ordering::SeqCst) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        }
    }

    impl Device for Flaky {
        fn length(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
            Ok(())
        }
        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            self.change()
        }
        fn set_length(&self, _: u64) -> io::Result<()> {
            self.change()
        }
        fn sync(&self) -> io::Result<()> {
            self.change()
        }
        fn forget(&self, _: u64, _: u64) {}
    }

    #[test]
    fn nothing_is_written_after_a_failure() {
        let flaky = Flaky::default();
        let (broken, writes) = (Arc::clone(&flaky.broken), Arc::clone(&flaky.writes));
        let latch = Latch::new(Box::new(flaky));
        latch.write_all_at(b"a", 0).unwrap();
        broken.store(true, Ordering::SeqCst);
        let failed = latch.sync().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        broken.store(false, Ordering::SeqCst);
        assert!(latch.write_all_at(b"b", 0).is_err());
        assert!(latch.set_length(9).is_err());
        assert!(latch.sync().is_err());
        assert_eq!(*writes.lock().unwrap(), 2);
    }
}
