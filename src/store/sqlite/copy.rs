//! Private copies of an SQLite file and its journals, which have no names. Where there is no folder
//! for temporary files, as in a container image from scratch, they are in memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, linkat};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::sparse::refuse_sparse;
use crate::store::sqlite::private_folder::PrivateFolder;

/// The file name of the copy.
const COPY: &str = "influxd.sqlite";
/// The suffixes of the files that SQLite leaves beside a file that was not closed.
const JOURNALS: [&str; 2] = ["-journal", "-wal"];
/// The first bytes of every SQLite file.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// The newest version of the file format that SQLite supports.
const NEWEST_FORMAT: u8 = 2;
/// The last bytes of a rollback journal that names a second file, which SQLite deletes after the
/// rollback. influxd never writes one.
pub(super) const NAMES_ANOTHER: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// The longest file that is copied, in bytes. Real files have a few hundred kilobytes.
const MAX_SIZE: u64 = 1 << 30;
/// The longest file that is read in memory, in bytes. To write it as a single file, SQLite needs about
/// twice as much, and it has a limit.
const MAX_IN_MEMORY: u64 = 64 << 20;
/// Where the header of an SQLite file has the versions of its format: 2 for a file with a
/// write-ahead log, 1 for others.
const FORMAT: std::ops::Range<usize> = 18..20;

/// A copy of an SQLite file and its journals. The files have no names, so nothing is left of them
/// when the program is killed.
pub struct SqliteCopy {
    main: File,
    journals: Vec<(&'static str, File)>,
    path: PathBuf,
    stamp: Stamp,
}

/// What changes when a file is replaced or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Vec<Option<FileStamp>>);

/// Device, inode, length and modification time of one file.
type FileStamp = (u64, u64, u64, i64, i64);

impl Stamp {
    /// The stamp of the file at `path` and its journals.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let names = [""].into_iter().chain(JOURNALS);
        let of_one = |suffix| {
            let there = fs::symlink_metadata(with_suffix(path, suffix)).ok()?;
            Some((
                there.dev(),
                there.ino(),
                there.len(),
                there.mtime(),
                there.mtime_nsec(),
            ))
        };
        Self(names.map(of_one).collect())
    }
}

impl SqliteCopy {
    /// Copies the file at `path`; `None` when there is none. Only the first bytes of its content are
    /// checked. The server that uses it must be stopped: the caller holds the lock on its database.
    /// The file itself never changes.
    ///
    /// # Errors
    /// * [`ErrorKind::NotAStore`] when it is not an SQLite file
    /// * [`ErrorKind::Corrupt`] for a forged journal, and for a file that is far longer than what
    ///   it has on disk
    /// * [`ErrorKind::UnknownSchema`] when its format is newer than what this version supports
    /// * [`ErrorKind::Refused`] for links, and for a file that changes while it is read
    /// * [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let stamp = Stamp::of(path);
        let Some(mut source) = open_source(path)? else {
            return Ok(None);
        };
        recognise(&mut source, path)?;
        let main = copy(&mut source, path)?;
        let mut journals = Vec::new();
        for suffix in JOURNALS {
            let beside = with_suffix(path, suffix);
            if let Some(mut source) = open_source(&beside)? {
                names_no_other(&mut source, &beside)?;
                journals.push((suffix, copy(&mut source, &beside)?));
            }
        }
        Ok(Some(Self {
            main,
            journals,
            path: path.to_path_buf(),
            stamp,
        }))
    }

    /// Copies an open file that nobody changes and that has no journals. `path` is for messages
    /// only.
    ///
    /// # Errors
    /// As [`SqliteCopy::take`].
    pub fn of_file(mut source: File, path: &Path) -> Result<Self> {
        source.rewind().at("read", path)?;
        recognise(&mut source, path)?;
        Ok(Self {
            main: copy(&mut source, path)?,
            journals: Vec::new(),
            path: path.to_path_buf(),
            stamp: Stamp(Vec::new()),
        })
    }

    /// The path of the original file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stamp of the original, from before it was copied.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Where SQLite can open the copies: by their names in a private folder, or without a folder for
    /// temporary files in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when that fails.
    pub(super) fn place(&mut self) -> Result<Place> {
        match PrivateFolder::new() {
            Ok(folder) => self.name_in(folder),
            Err(cause) => match self.in_memory()? {
                Some(bytes) => Ok(Place::Memory(bytes)),
                None => Err(cant_copy(&self.path, &cause)),
            },
        }
    }

    /// The whole file, if SQLite can read it by itself: it has no journal to roll back and no log to
    /// merge, and it is not too long.
    pub(super) fn in_memory(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let length = |file: &File| file.metadata().map(|metadata| metadata.len());
        for (_, journal) in &self.journals {
            if length(journal).at("read a copy of", &self.path)? > 0 {
                return Ok(None);
            }
        }
        let size = length(&self.main).at("read a copy of", &self.path)?;
        if size > MAX_IN_MEMORY {
            return Ok(None);
        }
        // With its final capacity: a buffer that grows leaves its old content behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
        self.main
            .rewind()
            .and_then(|()| self.main.read_to_end(&mut bytes))
            .at("read a copy of", &self.path)?;
        // A file without a log is complete. SQLite opens no file in memory that may have one.
        if let Some(format) = bytes.get_mut(FORMAT)
            && format == [2, 2]
        {
            format.fill(1);
        }
        Ok(Some(bytes))
    }

    /// Gives the copies names in a private folder, because SQLite opens files by name only.
    fn name_in(&mut self, folder: PrivateFolder) -> Result<Place> {
        let main = folder.path().join(COPY);
        let mut files = vec![("", &mut self.main)];
        files.extend(
            self.journals
                .iter_mut()
                .map(|(suffix, file)| (*suffix, file)),
        );
        for (suffix, file) in files {
            give_name(file, &with_suffix(&main, suffix))
                .map_err(|cause| cant_copy(&self.path, &cause))?;
        }
        Ok(Place::Folder(folder, main))
    }
}

/// Where SQLite opens a copy.
pub(super) enum Place {
    /// The file of that path in a private folder.
    Folder(PrivateFolder, PathBuf),
    /// The bytes of the file.
    Memory(Zeroizing<Vec<u8>>),
}

/// A file without a name for a copy of the file at `path`: in the folder for temporary files, or where
/// there is none, in memory. So it is for SQLite files, which are small.
///
/// # Errors
/// [`ErrorKind::Io`] from the system.
pub fn unnamed_file(path: &Path) -> Result<File> {
    tempfile::tempfile()
        .or_else(|cause| in_memory().ok_or(cause))
        .map_err(|cause| cant_copy(path, &cause))
}

#[cfg(target_os = "linux")]
fn in_memory() -> Option<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("boltkey", flags)
        .ok()
        .map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn in_memory() -> Option<File> {
    None
}

/// Gives a file without a name a path. Copies it if the file system can't do that.
fn give_name(file: &mut File, path: &Path) -> io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    if linkat(CWD, &open, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok() {
        return fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    file.rewind()?;
    io::copy(file, &mut new_file(path)?).map(drop)
}

/// The path of a file beside another one.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a regular file; `None` if it does not exist. Does not follow links.
fn open_source(path: &Path) -> Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) if is_link(path) => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is a link; links to SQLite files are not followed",
                    path.display()
                ),
            )
            .with_hint("use the path of the file that it points to")
            .with_source(cause));
        }
        Err(cause) => return Err(cause).at("open", path),
    };
    let metadata = file.metadata().at("read", path)?;
    if metadata.is_file() {
        refuse_sparse(path, &metadata)?;
        Ok(Some(file))
    } else {
        Err(not_sqlite(path, "it is not a regular file"))
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink())
}

/// Rejects files that can't be SQLite. An empty file is a new SQLite file.
fn recognise(file: &mut File, path: &Path) -> Result<()> {
    let size = file.metadata().at("read", path)?.len();
    if size > MAX_SIZE {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} has {size} bytes, more than an SQLite file of influxd",
                path.display()
            ),
        )
        .with_hint("check the path; the file has to be copied to be read"));
    }
    let mut start = Vec::with_capacity(20);
    Read::by_ref(file)
        .take(20)
        .read_to_end(&mut start)
        .at("read", path)?;
    file.rewind().at("read", path)?;
    if size > 0 && !start.starts_with(MAGIC) {
        return Err(not_sqlite(path, "it does not begin as SQLite files do"));
    }
    if let Some([write, read]) = start.get(FORMAT)
        && (*write > NEWEST_FORMAT || *read > NEWEST_FORMAT)
    {
        return Err(Error::new(
            ErrorKind::UnknownSchema,
            format!(
                "{} has an SQLite format that is newer than this version can read",
                path.display()
            ),
        )
        .with_hint("use a newer version of boltkey"));
    }
    Ok(())
}

/// Rejects a rollback journal that names another file, which SQLite would delete.
fn names_no_other(journal: &mut File, path: &Path) -> Result<()> {
    let size = journal.metadata().at("read", path)?.len();
    let mut end = [0; NAMES_ANOTHER.len()];
    if size >= end.len() as u64 {
        journal
            .seek(SeekFrom::End(-8))
            .and_then(|_| journal.read_exact(&mut end))
            .and_then(|()| journal.rewind())
            .at("read", path)?;
    }
    if end == NAMES_ANOTHER {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} names another file, which journals of influxd never do",
                path.display()
            ),
        )
        .with_hint("the journal may be forged; check who can write to that folder"));
    }
    Ok(())
}

/// A new file that only this user can read.
pub(super) fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Copies a file to one without a name. Rejects one that changes meanwhile, because a running
/// server may be using it.
fn copy(source: &mut File, path: &Path) -> Result<File> {
    let before = source.metadata().at("read", path)?;
    if before.len() > MAX_SIZE {
        return Err(not_sqlite(path, "it is too long"));
    }
    let mut out = unnamed_file(path)?;
    let copied = io::copy(&mut Read::by_ref(source).take(before.len()), &mut out)
        .and_then(|copied| out.flush().map(|()| copied))
        .map_err(|cause| cant_copy(path, &cause))?;
    let after = source.metadata().at("read", path)?;
    let stamp = |m: &fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec());
    if copied != before.len() || stamp(&before) != stamp(&after) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} changed while it was read", path.display()),
        )
        .with_hint("stop the influxd that uses it"));
    }
    Ok(out)
}

fn cant_copy(path: &Path, cause: &io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("can't write a private copy of {}: {cause}", path.display()),
    )
    .with_hint("set TMPDIR to a folder with enough free space")
}

/// The error for a file that is not an SQLite file.
pub(super) fn not_sqlite(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::NotAStore,
        format!("{} is not an SQLite file: {why}", path.display()),
    )
    .with_hint("influxd names its SQLite file influxd.sqlite; pass its path with --sqlite-path")
}
