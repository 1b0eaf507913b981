//! A store that is open for changing. It takes the exclusive lock before it reads anything, and
//! holds it until it is dropped. The file is changed in place, so inode, owner, mode and links stay.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::store::copy::{copy, could_copy};
use crate::store::device::{Device, DiskDevice, Latch, View};
use crate::store::either_engine::Opened;
use crate::store::lock::{can_lock, lock_exclusive};
use crate::store::open::{Purpose, open_file, read_start, recognise};
use crate::store::sparse::refuse_sparse;
use crate::store::{
    Bucket, ChangeSet, Commit, Committed, Description, Engine, FileIdentity, GZIP_MAGIC, Inspect,
    OpenOptions, Orphans, Previous, Progress, ProtectedBytes, Snapshot, StaleElement,
    StructureCheck, Unused, UnusedVisitor, Visitor,
};

/// A store that is open for changing. No other process can open it until this is dropped.
pub struct WritableStore {
    description: Description,
    device: Arc<dyn Device>,
    opened: Opened,
    notices: Vec<Finding>,
}

/// Whether the file system of the file at `path` supports locks.
///
/// # Errors
/// As [`WritableStore::open`], except for errors about the content.
pub fn has_locks(path: &Path) -> Result<bool> {
    can_lock(&open_file(path, Purpose::Reading)?, path)
}

impl WritableStore {
    /// Opens the file at `path` for changing and takes the exclusive lock. Creates and writes
    /// nothing, but syncs writes of earlier processes to disk.
    ///
    /// # Errors
    /// * [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    /// * [`ErrorKind::NotAStore`] for anything that is not a database
    /// * [`ErrorKind::Corrupt`] for a redb store that is too damaged to be opened, and for a file
    ///   that is far longer than what it has on disk
    /// * [`ErrorKind::Refused`] for a gzipped copy, if the file system has no locks, and if the file
    ///   is replaced while it is opened
    /// * [`ErrorKind::Locked`] when another process has locked it
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let mut file = open_file(path, Purpose::Writing)?;
        let unlocked = lock_exclusive(&file, path, &options.lock)?;
        let metadata = file.metadata().at("read", path)?;
        refuse_sparse(path, &metadata)?;
        let (size, identity) = (metadata.len(), FileIdentity::of(&metadata));
        let mut start = [0; 16];
        let start = read_start(&mut file, &mut start).at("read", path)?;
        recognise(path, size, start)?;
        if start.starts_with(&GZIP_MAGIC) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is a gzipped copy, which can be read but not changed",
                    path.display()
                ),
            )
            .with_hint("unpack it with gunzip and use the result"));
        }
        let mut store = Self::on(Box::new(DiskDevice::new(file)), path)?;
        store.description.identity = Some(identity);
        store.notices.extend(unlocked);
        Ok(store)
    }

    /// A store on a device that holds the lock already. `path` is for messages only.
    ///
    /// # Errors
    /// As [`WritableStore::open`], except for errors about the lock.
    pub fn on(device: Box<dyn Device>, path: &Path) -> Result<Self> {
        Self::on_latched(Arc::new(Latch::new(device)), path)
    }

    /// [`Self::on`] for a device that is wrapped in a [`Latch`] already.
    pub(super) fn on_latched(device: Arc<dyn Device>, path: &Path) -> Result<Self> {
        // If the last writer was killed, its commit may be in the system's cache only. It must be
        // on disk before pages of the state before it are reused.
        device.sync().at("sync", path)?;
        let (opened, size) = read(&device, path)?;
        Ok(Self {
            description: Description {
                path: path.to_path_buf(),
                engine: opened.engine(),
                size_bytes: size,
                page_size: opened.page_size(),
                gzipped: false,
                identity: None,
            },
            notices: opened.notices(),
            device,
            opened,
        })
    }

    /// Sets the path that messages show.
    pub(super) fn set_display_path(&mut self, path: &Path) {
        self.description.path = path.to_path_buf();
        self.opened.set_display_path(path);
    }

    /// Path, engine and size.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Findings about opening, as [`crate::store::Store::notices`].
    #[must_use]
    pub fn notices(&self) -> &[Finding] {
        &self.notices
    }

    /// Page-level inspection.
    #[must_use]
    pub fn inspect(&self) -> &dyn Inspect {
        self.opened.inspect()
    }

    /// As [`crate::store::Store::copy_changed_to`].
    ///
    /// # Errors
    /// As [`crate::store::Store::copy_changed_to`].
    pub fn copy_changed_to(
        &self,
        changes: &ChangeSet,
        engine: Engine,
        device: Box<dyn Device>,
        path: &Path,
        progress: &Progress<'_>,
    ) -> Result<()> {
        copy(&self.opened, changes, engine, device, path, progress)
    }

    /// Checks whether [`WritableStore::copy_changed_to`] would accept this store.
    ///
    /// # Errors
    /// Those of [`WritableStore::copy_changed_to`] that are about this store.
    pub fn could_copy_to(&self, engine: Engine) -> Result<()> {
        could_copy(&self.opened, engine)
    }

    /// Writes a byte-for-byte copy of the file to `out`.
    ///
    /// # Errors
    /// [`CopyFailed::Reading`] when the file can't be read; [`CopyFailed::Writing`] when `out`
    /// can't be written.
    pub fn copy_to(&self, out: &mut dyn Write) -> Result<(), CopyFailed> {
        const CHUNK: usize = 256 << 10;
        let mut buffer = Zeroizing::new(vec![0; CHUNK]);
        let size = self.device.length().map_err(CopyFailed::Reading)?;
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).map_or(CHUNK, |left| left.min(CHUNK));
            let piece = buffer.get_mut(..length).unwrap_or_default();
            self.device
                .read_exact_at(piece, at)
                .map_err(CopyFailed::Reading)?;
            out.write_all(piece).map_err(CopyFailed::Writing)?;
            at += length as u64;
        }
        Ok(())
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub enum CopyFailed {
    /// The database could not be read.
    Reading(io::Error),
    /// The copy could not be written.
    Writing(io::Error),
}

/// Opens the current content of the device.
fn read(device: &Arc<dyn Device>, path: &Path) -> Result<(Opened, u64)> {
    let view = View::new(Arc::clone(device)).at("read", path)?;
    let size = crate::store::ReadAt::size(&view);
    Ok((Opened::new(Box::new(view), path)?, size))
}

impl Commit for WritableStore {
    fn commit(&mut self, changes: &ChangeSet, protected: &ProtectedBytes) -> Result<Committed> {
        let committed = self.opened.commit(&self.device, changes, protected)?;
        // Everything that was read before is out of date. The file is read again through the same
        // descriptor, to keep the lock.
        match read(&self.device, &self.description.path) {
            Ok((opened, size)) => {
                self.opened = opened;
                self.description.size_bytes = size;
                Ok(committed)
            }
            Err(error) => Ok(Committed {
                failure: committed.failure.or_else(|| {
                    let why = error.to_string();
                    let message =
                        format!("the change is committed, but the file can't be read: {why}");
                    Some(
                        Error::new(ErrorKind::Incomplete, message)
                            .with_hint("run boltkey status to see the current content of the file"),
                    )
                }),
                ..committed
            }),
        }
    }
}

impl Snapshot for WritableStore {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        self.opened.snapshot().buckets()
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.opened.snapshot().get(bucket, key)
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.opened.snapshot().scan(bucket, visit)
    }

    fn scan_any_order(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.opened.snapshot().scan_any_order(bucket, visit)
    }
}

impl Inspect for WritableStore {
    fn check(&self) -> Result<StructureCheck> {
        self.opened.inspect().check()
    }

    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        self.opened.inspect().unused(visit)
    }

    fn unused_in_parts(&self, visits: &mut [&mut UnusedVisitor<'_>]) -> Result<Vec<Finding>> {
        self.opened.inspect().unused_in_parts(visits)
    }

    fn prepare(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<bool> {
        self.opened.inspect().prepare(bucket, visit)
    }

    fn is_compact(&self) -> Result<bool> {
        self.opened.inspect().is_compact()
    }

    fn orphans(&self, visit: &mut dyn FnMut(StaleElement<'_>)) -> Result<Orphans> {
        self.opened.inspect().orphans(visit)
    }

    fn previous(&self) -> Result<Previous> {
        self.opened.inspect().previous()
    }

    fn unchanged_since_previous(&self, bucket: &[u8]) -> Result<bool> {
        self.opened.inspect().unchanged_since_previous(bucket)
    }

    fn replaced_since_previous(&self, bucket: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
        self.opened.inspect().replaced_since_previous(bucket, visit)
    }

    fn shows_live_bytes(&self) -> bool {
        self.opened.inspect().shows_live_bytes()
    }
}
