//! Opening a store for reading: checks the kind of file, takes the lock, detects the engine.

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::store::copy::{copy, could_copy};
use crate::store::device::Device;
use crate::store::either_engine::Opened;
use crate::store::engine::Engine;
use crate::store::file::{DiskFile, FileIdentity, MemoryFile, ReadAt, fill};
use crate::store::lock::{LockOptions, lock_shared};
use crate::store::progress::Progress;
use crate::store::sparse::refuse_sparse;
use crate::store::{ChangeSet, Inspect, Snapshot, bolt, gzip, redb};

/// How to open a store for reading.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// How to take the shared lock.
    pub lock: LockOptions,
}

/// The path, engine and size of a store.
#[derive(Debug, Clone)]
pub struct Description {
    /// The path that it was opened with.
    pub path: PathBuf,
    /// The engine, detected from the content.
    pub engine: Engine,
    /// The file's length in bytes (of the unpacked content, for a gzipped copy).
    pub size_bytes: u64,
    /// Bytes per page.
    pub page_size: u64,
    /// Whether it is a gzipped copy.
    pub gzipped: bool,
    /// The file that was opened; `None` for a device that is not a file.
    pub identity: Option<FileIdentity>,
}

/// A store that is open for reading. It holds the shared lock until it is dropped. A starting influxd
/// waits for the lock for one second only, so drop it as soon as possible.
pub struct Store {
    description: Description,
    opened: Opened,
    notices: Vec<Finding>,
    /// The descriptor with the lock, if there is one.
    lock: Option<File>,
}

impl Store {
    /// Opens the file at `path` for reading. Writes and creates nothing. Engine and compression are
    /// detected from the content.
    ///
    /// # Errors
    /// * [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    /// * [`ErrorKind::NotAStore`] for anything that is not a database, including an empty file
    /// * [`ErrorKind::Corrupt`] for a redb store that is too damaged to be opened, and for a file
    ///   that is far longer than what it has on disk
    /// * [`ErrorKind::Locked`] when another process has locked it
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let file = open_file(path, Purpose::Reading)?;
        let mut notices = Vec::new();
        notices.extend(lock_shared(&file, path, &options.lock)?);
        let lock = file.try_clone().at("read", path)?;
        let mut store = Self::read(file, path, notices)?;
        store.lock = Some(lock);
        Ok(store)
    }

    /// Releases the lock before this is dropped. The content may change from now on, so it must not
    /// be read any more.
    pub fn release(&self) {
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }

    /// A store in an open file that no other process changes: a private temporary file, or a part
    /// of a backup. Takes no lock; a lock that the file has is kept. `path` is for messages only.
    ///
    /// # Errors
    /// As [`Store::open`], except for errors about the lock.
    pub fn of_file(file: File, path: &Path) -> Result<Self> {
        Self::read(file, path, Vec::new())
    }

    fn read(mut file: File, path: &Path, mut notices: Vec<Finding>) -> Result<Self> {
        // The length is read after locking, because it may change before.
        let metadata = file.metadata().at("read", path)?;
        refuse_sparse(path, &metadata)?;
        let (size, identity) = (metadata.len(), FileIdentity::of(&metadata));
        let mut start = [0; 16];
        let start = read_start(&mut file, &mut start).at("read", path)?;
        recognise(path, size, start)?;

        let (source, gzipped): (Box<dyn ReadAt>, bool) = if start.starts_with(&gzip::MAGIC) {
            let content = unpack_all(&mut file, path)?;
            recognise(
                path,
                content.len() as u64,
                content.get(..16).unwrap_or(&content),
            )?;
            (Box::new(MemoryFile::new(content)), true)
        } else {
            (Box::new(DiskFile::new(file, size)), false)
        };
        let size_bytes = source.size();
        let opened = Opened::new(source, path)?;
        notices.extend(opened.notices());
        Ok(Self {
            description: Description {
                path: path.to_path_buf(),
                engine: opened.engine(),
                size_bytes,
                page_size: opened.page_size(),
                gzipped,
                identity: Some(identity),
            },
            opened,
            notices,
            lock: None,
        })
    }

    /// The file as the previous transaction left it, or why it can't be read. The whole tree is
    /// validated.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn previous(&self) -> Result<Result<Self, String>> {
        Ok(self.opened.previous()?.map(|opened| Self {
            description: self.description.clone(),
            opened,
            notices: Vec::new(),
            // A second descriptor of the same lock. The lock lasts until both are closed.
            lock: self.lock.as_ref().and_then(|lock| lock.try_clone().ok()),
        }))
    }

    /// Path, engine and size.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Findings about opening: the file system has no locks, an older meta page is used.
    #[must_use]
    pub fn notices(&self) -> &[Finding] {
        &self.notices
    }

    /// The committed state.
    #[must_use]
    pub fn snapshot(&self) -> &dyn Snapshot {
        self.opened.snapshot()
    }

    /// Page-level inspection.
    #[must_use]
    pub fn inspect(&self) -> &dyn Inspect {
        self.opened.inspect()
    }

    /// Copies every bucket, key, value and sequence, and nothing else, to an empty file as a store
    /// of `engine`. Messages show `path` for the new file. On success the file is complete, synced
    /// and verified.
    ///
    /// # Errors
    /// * [`ErrorKind::Corrupt`] when damage hides a part of this store
    /// * [`ErrorKind::Refused`] when `engine` does not support the content
    /// * [`ErrorKind::Io`] when this store can't be read, or the file can't be written or verified
    pub fn copy_to(
        &self,
        engine: Engine,
        device: Box<dyn Device>,
        path: &Path,
        progress: &Progress<'_>,
    ) -> Result<()> {
        self.copy_changed_to(&ChangeSet::default(), engine, device, path, progress)
    }

    /// [`Store::copy_to`] with `changes` applied to the copy. This store does not change.
    ///
    /// # Errors
    /// As [`Store::copy_to`]; [`ErrorKind::Refused`] for changes to buckets that do not exist.
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

    /// Checks whether [`Store::copy_to`] would accept this store, for a dry run.
    ///
    /// # Errors
    /// Those of [`Store::copy_to`] that are about this store.
    pub fn could_copy_to(&self, engine: Engine) -> Result<()> {
        could_copy(&self.opened, engine)
    }
}

/// The engine of the file at `path`, detected from its first bytes without taking the lock. `None`
/// for other files, and for gzipped copies.
///
/// # Errors
/// As [`Store::open`], except for errors about the lock and the content.
pub fn engine_of(path: &Path) -> Result<Option<Engine>> {
    let mut file = open_file(path, Purpose::Reading)?;
    let mut start = [0; 32];
    let start = read_start(&mut file, &mut start).at("read", path)?;
    Ok(engine_by_magic(start))
}

/// The engine of a file that begins with these bytes, of which at least 32 are needed.
#[must_use]
pub fn engine_by_magic(start: &[u8]) -> Option<Engine> {
    let (at, magic) = bolt::MAGIC;
    if start.starts_with(&redb::MAGIC) {
        Some(Engine::Redb)
    } else if start.get(at..).is_some_and(|rest| rest.starts_with(&magic)) {
        Some(Engine::Bolt)
    } else {
        None
    }
}

/// Opens a regular file of any user for reading. Never waits for the other end of a pipe, nor for a
/// process that has a lease on the file. Checks the file after opening, because another file may be
/// at the path at any moment.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if it is not a regular file; any error of the system.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = FileOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let kind = io::ErrorKind::InvalidInput;
    Err(io::Error::new(kind, "it is not a regular file"))
}

/// Whether a file is opened for reading or for writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reading,
    Writing,
}

/// Opens a regular file. Never creates one, and never waits for the other end of a pipe.
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`] and [`ErrorKind::Io`] from the system;
/// [`ErrorKind::NotAStore`] when it is not a regular file.
pub(super) fn open_file(path: &Path, purpose: Purpose) -> Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let writing = purpose == Purpose::Writing;
    // Other kinds of files are opened for reading, and rejected below.
    let kind = std::fs::metadata(path).map(|metadata| metadata.file_type());
    let writable = writing && kind.is_ok_and(|kind| kind.is_file());
    let file = FileOptions::new()
        .read(true)
        .write(writable)
        .custom_flags(nonblocking)
        .open(path)
        .at(if writing { "open for writing" } else { "open" }, path)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_hint(
                "check the path, or run boltkey locate to list the stores of this host; a missing \
                     database is never created (influxd recovery does, and then says \"bucket not \
                     found\")",
            ),
            ErrorKind::PermissionDenied if writing && rustix::process::geteuid().is_root() => error
                .with_hint(
                    "the file may be immutable: if lsattr shows an i, run chattr -i \
                                 on it",
                ),
            ErrorKind::PermissionDenied => {
                error.with_hint("run boltkey as the user influxd runs as, or as root")
            }
            _ if writing => error.with_hint(
                "if the file system is read-only, remount it or work on a copy; commands that only \
                     read work anyway",
            ),
            _ => error,
        })?;
    let kind = file.metadata().at("read", path)?.file_type();
    if kind.is_dir() {
        return Err(not_a_store(path, "it is a folder").with_hint(format!(
            "use the path of the file itself, usually {}",
            path.join("influxd.bolt").display()
        )));
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return Err(not_a_store(path, "it is not a regular file").with_hint(
            "use the path of the database file, or copy the data to a regular file first",
        ));
    }
    Ok(file)
}

/// The first bytes of the file; fewer than `buffer` has if the file is shorter.
pub(super) fn read_start<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let filled = fill(file, buffer)?;
    file.rewind()?;
    Ok(buffer.get(..filled).unwrap_or_default())
}

fn unpack_all(file: &mut File, path: &Path) -> Result<Vec<u8>> {
    gzip::unpack(file).map_err(|cause| cant_unpack(path, &cause))
}

/// The error for a gzipped copy that can't be unpacked.
pub(super) fn cant_unpack(path: &Path, cause: &io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::InvalidData => not_a_store(path, &format!("{cause}"))
            .with_hint("copy it again from its source, or use another copy"),
        io::ErrorKind::FileTooLarge | io::ErrorKind::OutOfMemory => {
            not_a_store(path, &format!("{cause}"))
                .with_hint("if it is a real copy, unpack it with gunzip and use the result")
        }
        _ => Error::new(
            ErrorKind::Io,
            format!("can't unpack {}: {cause}", path.display()),
        ),
    }
}

/// Rejects files that are often mistaken for a database. Other files may be no database either.
///
/// # Errors
/// [`ErrorKind::NotAStore`] for an empty file and for an SQLite file.
pub(super) fn recognise(path: &Path, size: u64, start: &[u8]) -> Result<()> {
    if size == 0 {
        return Err(not_a_store(path, "it is empty").with_hint(
            "influxd creates an empty file when it is started with a wrong path; run boltkey locate to \
             list the stores of this host",
        ));
    }
    if start.starts_with(b"SQLite format 3\0") {
        return Err(not_a_store(path, "it is an SQLite file").with_hint(
            "tokens are in influxd.bolt, usually in the same folder as influxd.sqlite",
        ));
    }
    Ok(())
}

fn not_a_store(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} is not an InfluxDB metadata store: {why}",
            path.display()
        ),
    )
}
