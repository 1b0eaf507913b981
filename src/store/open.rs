//! From a path to a store: what kind of file it is, the lock, the engine.

use std::fs::{File, OpenOptions as FileOptions};
use std::io::{self, Seek};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::store::copy::{Progress, copy, could_copy};
use crate::store::device::Device;
use crate::store::file::{DiskFile, FileIdentity, MemoryFile, ReadAt, fill};
use crate::store::lock::{LockOptions, lock_shared};
use crate::store::opened::Opened;
use crate::store::{ChangeSet, Inspect, Snapshot, bolt, gzip, redb};

/// How to open a store for reading.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// How to take the shared lock.
    pub lock: LockOptions,
}

/// A storage engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// InfluxDB's own `influxd.bolt`.
    Bolt,
    /// The embedded one.
    Redb,
}

impl Engine {
    /// The word for it, in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bolt => "bolt",
            Self::Redb => "redb",
        }
    }
}

/// What kind of file a store is.
#[derive(Debug, Clone)]
pub struct Description {
    /// The path it was opened by.
    pub path: PathBuf,
    /// The engine, told by the content.
    pub engine: Engine,
    /// The file's length in bytes (of the unpacked content, for a gzipped copy).
    pub size_bytes: u64,
    /// Bytes per page.
    pub page_size: u64,
    /// Whether it is a gzipped copy.
    pub gzipped: bool,
    /// The file that was opened; none for a store that is no file.
    pub identity: Option<FileIdentity>,
}

/// A store that is open for reading. The shared lock is held until this is dropped: influxd
/// gives up after one second, so don't keep it longer than reading takes.
pub struct Store {
    description: Description,
    opened: Opened,
    notices: Vec<Finding>,
}

impl Store {
    /// Opens the file at `path` for reading, without writing a byte and without creating
    /// anything. Engine and compression are told by the content.
    ///
    /// # Errors
    /// * [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    /// * [`ErrorKind::NotAStore`] for anything that is no database, an empty file included
    /// * [`ErrorKind::Locked`] when another process holds it
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let file = open_file(path, Purpose::Reading)?;
        let mut notices = Vec::new();
        notices.extend(lock_shared(&file, path, &options.lock)?);
        Self::read(file, path, notices)
    }

    /// Reads a file that is open already and that nobody else can change: a private temporary
    /// one, or a part of a backup. No lock is taken, and one that the file has stays. `path` is
    /// for messages only.
    ///
    /// # Errors
    /// As [`Store::open`] where no lock is concerned.
    pub fn of_file(file: File, path: &Path) -> Result<Self> {
        Self::read(file, path, Vec::new())
    }

    fn read(mut file: File, path: &Path, mut notices: Vec<Finding>) -> Result<Self> {
        // Only what is read after locking is to be trusted, the length included.
        let metadata = file.metadata().at("read", path)?;
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
        })
    }

    /// What kind of file it is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What opening it found worth saying: no lock to be had, an older meta page in use.
    #[must_use]
    pub fn notices(&self) -> &[Finding] {
        &self.notices
    }

    /// The committed state.
    #[must_use]
    pub fn snapshot(&self) -> &dyn Snapshot {
        self.opened.snapshot()
    }

    /// What only pages can tell.
    #[must_use]
    pub fn inspect(&self) -> &dyn Inspect {
        self.opened.inspect()
    }

    /// Copies everything into an empty file, as a store of `engine`: every bucket, key, value and
    /// sequence, and nothing else. `path` is that file's, for messages. The file is complete, on
    /// disk, and was read back.
    ///
    /// # Errors
    /// * [`ErrorKind::Corrupt`] when this store can't be read whole
    /// * [`ErrorKind::Refused`] when `engine` can't hold what is in it
    /// * [`ErrorKind::Io`] when the file can't be written, or does not read back
    pub fn copy_to(
        &self,
        engine: Engine,
        device: Box<dyn Device>,
        path: &Path,
        progress: &Progress<'_>,
    ) -> Result<()> {
        self.copy_changed_to(&ChangeSet::default(), engine, device, path, progress)
    }

    /// The same with `changes` made on the way. They hold in the copy only.
    ///
    /// # Errors
    /// As [`Store::copy_to`]; [`ErrorKind::Refused`] for changes to what is not there.
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

    /// Reads all that [`Store::copy_to`] would copy, for a dry run.
    ///
    /// # Errors
    /// As [`Store::copy_to`] where the new file is not concerned.
    pub fn could_copy_to(&self, engine: Engine) -> Result<()> {
        could_copy(&self.opened, engine)
    }
}

/// The engine that wrote the file at `path`, told by its first bytes, whoever holds its lock. None
/// for other files, and for gzipped copies.
///
/// # Errors
/// As [`Store::open`] where neither lock nor content is concerned.
pub fn engine_of(path: &Path) -> Result<Option<Engine>> {
    let mut file = open_file(path, Purpose::Reading)?;
    let mut start = [0; 32];
    let start = read_start(&mut file, &mut start).at("read", path)?;
    let (at, magic) = bolt::MAGIC;
    Ok(if start.starts_with(&redb::MAGIC) {
        Some(Engine::Redb)
    } else if start.get(at..).is_some_and(|rest| rest.starts_with(&magic)) {
        Some(Engine::Bolt)
    } else {
        None
    })
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reading,
    Writing,
}

/// Opens a regular file without waiting for the other end of a pipe, and without ever creating
/// one.
///
/// # Errors
/// As the system says, with what helps; [`ErrorKind::NotAStore`] for what is no regular file.
pub(super) fn open_file(path: &Path, purpose: Purpose) -> Result<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let writing = purpose == Purpose::Writing;
    // What a folder or device is opened for does not matter: it is refused below.
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
                "check the path, or let boltkey locate show every store of this host; a missing \
                     database is never created (influxd recovery does, and then says \"bucket not \
                     found\")",
            ),
            ErrorKind::PermissionDenied if writing && rustix::process::geteuid().is_root() => {
                error.with_hint("the file may be immutable (lsattr shows an i; chattr -i ends it)")
            }
            ErrorKind::PermissionDenied => {
                error.with_hint("run boltkey as the user influxd runs as, or as root")
            }
            _ if writing => error.with_hint(
                "on a read-only file system, remount it or work on a copy: what only reads \
                     works everywhere",
            ),
            _ => error,
        })?;
    let kind = file.metadata().at("read", path)?.file_type();
    if kind.is_dir() {
        return Err(not_a_store(path, "it is a folder").with_hint(format!(
            "name the file itself, usually {}",
            path.join("influxd.bolt").display()
        )));
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
        return Err(not_a_store(path, "it is not a regular file")
            .with_hint("name the database file itself, or copy what comes out there to a file"));
    }
    Ok(file)
}

/// The first bytes of the file, as many of `buffer` as there are.
pub(super) fn read_start<'a>(file: &mut File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let filled = fill(file, buffer)?;
    file.rewind()?;
    Ok(buffer.get(..filled).unwrap_or_default())
}

fn unpack_all(file: &mut File, path: &Path) -> Result<Vec<u8>> {
    gzip::unpack(file).map_err(|cause| cant_unpack(path, &cause))
}

/// Why a gzipped copy can't be unpacked.
pub(super) fn cant_unpack(path: &Path, cause: &io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::InvalidData => not_a_store(path, &format!("{cause}"))
            .with_hint("copy it again from where it came from, or name another copy"),
        io::ErrorKind::FileTooLarge => not_a_store(path, &format!("{cause}"))
            .with_hint("if it is a real copy, unpack it with gunzip and name the result"),
        _ => Error::new(
            ErrorKind::Io,
            format!("can't unpack {}: {cause}", path.display()),
        ),
    }
}

/// Says what a file is that people take for a database. A file that passes may still be none.
pub(super) fn recognise(path: &Path, size: u64, start: &[u8]) -> Result<()> {
    if size == 0 {
        return Err(not_a_store(path, "it is empty").with_hint(
            "an empty file often stands where a wrong path was given to influxd; boltkey locate \
             shows every store of this host",
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
