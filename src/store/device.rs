//! The one file that a writing command works on, as five calls that tests can record, tear and
//! fail.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::store::file::ReadAt;

/// A database file that is open for reading and writing. All access of a writing command goes
/// through one of these, which holds the lock: a second open in the same process would be shut
/// out, and to let go in between would let influxd in.
pub trait Device: Send + Sync {
    /// The length in bytes, now.
    ///
    /// # Errors
    /// As the system says.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When the bytes are not there or can't be read.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; the file grows where need be.
    ///
    /// # Errors
    /// As the system says. How much was written is then unknown.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the file this many bytes long; what is new reads as zeros.
    ///
    /// # Errors
    /// As the system says.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Returns when everything written so far, and the length, survives a power failure.
    ///
    /// # Errors
    /// As the system says. What was written since the last success is then in doubt.
    fn sync(&self) -> io::Result<()>;

    /// How many bytes the file system still has for new content; none where that is not known.
    ///
    /// # Errors
    /// As the system says.
    fn free_space(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Lets go of cached copies of these bytes, so that the next read is one of the medium. A
    /// wish that may come to nothing; but what stands before another device has to pass it on.
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
    /// Takes over a file that is open for reading and writing, and its lock with it.
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

/// Lets nothing be written after a failure: the state of the file is no longer known then, and
/// every further write could destroy what is still whole.
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

/// The CRC-32 of these bytes, read from the medium as far as the system lets us.
///
/// # Errors
/// When they can't be read.
pub(super) fn sum_on_medium(device: &dyn Device, bytes: Range<u64>) -> io::Result<u32> {
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

/// What a device holds, for reading, with the length it has now.
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
