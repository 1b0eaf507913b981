//! A new file that has no name until it is complete.
//!
//! Where the file system supports it, the file has no name while it is written, so a killed process
//! leaves nothing. Elsewhere it has a temporary name in the same folder, by which `status`
//! recognises it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::store::unfinished::{Private, gate};

/// The mode of files that may contain secrets.
const PRIVATE: u32 = 0o600;
/// The mode of other files, before the system applies the umask.
const TO_SHARE: u32 = 0o666;
const PREFIX: &str = ".boltkey-";
const SUFFIX: &str = ".tmp";

/// Whether a file name is one of our temporary names.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// The folder of the file at `path`.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A random temporary name.
///
/// # Errors
/// When the system can't provide random bytes.
pub(in crate::ops) fn temporary_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|cause| io::Error::other(cause.to_string()))?;
    Ok(format!("{PREFIX}{}{SUFFIX}", hex::encode(random)))
}

/// A new, private file. It is removed if it is dropped without a name.
pub(in crate::ops) enum NewFile {
    /// Without a name.
    Nameless(File),
    /// Under a temporary name, which a signal removes.
    Named(
        NamedTempFile,
        #[expect(dead_code, reason = "removed by signals while it lives")] Private,
    ),
}

impl NewFile {
    /// Creates one in `folder` with mode 0600.
    ///
    /// # Errors
    /// I/O errors; the error names no file.
    pub(in crate::ops) fn in_folder(folder: &Path) -> io::Result<Self> {
        Self::with_mode(folder, PRIVATE)
    }

    /// Creates one in `folder` with the mode of ordinary files: 0666 without the bits of the umask.
    ///
    /// # Errors
    /// As [`NewFile::in_folder`].
    pub(in crate::ops) fn to_share_in_folder(folder: &Path) -> io::Result<Self> {
        Self::with_mode(folder, TO_SHARE)
    }

    fn with_mode(folder: &Path, mode: u32) -> io::Result<Self> {
        match nameless(folder, mode) {
            Some(file) => Ok(Self::Nameless(file)),
            None => named(folder, mode).map(|(file, name)| Self::Named(file, name)),
        }
    }

    /// The file itself.
    pub(in crate::ops) fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(file, _) => file.as_file(),
        }
    }

    /// The file itself, for reading and writing. Bypassing the library's wrapper keeps its
    /// temporary path out of error messages.
    pub(crate) fn file_mut(&mut self) -> &mut File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(file, _) => file.as_file_mut(),
        }
    }

    /// Gives the file its name; never replaces another file.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the name exists; otherwise I/O errors. The file is
    /// removed then.
    pub(crate) fn name(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Nameless(file) => link(&file, path),
            Self::Named(file, _) => match file.persist_noclobber(path) {
                Ok(_) => Ok(()),
                Err(failed) => Err(failed.error),
            },
        }
    }
}

impl NewFile {
    /// Replaces the file at `path` with this one.
    ///
    /// # Errors
    /// I/O errors. The new file is removed then, and the old one stays.
    pub(in crate::ops) fn replace(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Named(file, _) => match file.persist(path) {
                Ok(_) => Ok(()),
                Err(failed) => Err(failed.error),
            },
            Self::Nameless(file) => {
                // Only a file with a name can be renamed.
                let temporary = folder_of(path).join(temporary_name()?);
                link(&file, &temporary)?;
                fs::rename(&temporary, path).inspect_err(|_| {
                    let _ = fs::remove_file(&temporary);
                })
            }
        }
    }
}

/// A file without a name, if the file system supports that and the file can be named later.
#[cfg(target_os = "linux")]
fn nameless(folder: &Path, mode: u32) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};

    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, folder, flags, Mode::from_raw_mode(mode)).ok()?);
    // Without a mounted /proc it could never be named.
    let (ours, seen) = (file.metadata().ok()?, fs::metadata(descriptor(&file)).ok()?);
    ((ours.dev(), ours.ino()) == (seen.dev(), seen.ino())).then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: u32) -> Option<File> {
    None
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};

    linkat(CWD, descriptor(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

/// A path by which this process can access an open file.
fn descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn named(folder: &Path, mode: u32) -> io::Result<(NamedTempFile, Private)> {
    let gate = gate();
    let file = tempfile::Builder::new()
        .prefix(OsStr::new(PREFIX))
        .suffix(SUFFIX)
        // Opened here, because the library's error would name the temporary file.
        .make_in(folder, |path| {
            File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(path)
        })?;
    let name = gate.private(file.path());
    Ok((file, name))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_named_one_is_private_and_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let (file, name) = named(folder.path(), PRIVATE).unwrap();
        let mut new = NewFile::Named(file, name);
        new.file_mut().write_all(b"secret").unwrap();
        let [entry] = &fs::read_dir(folder.path()).unwrap().collect::<Vec<_>>()[..] else {
            panic!("more than the temporary file");
        };
        let entry = entry.as_ref().unwrap();
        assert!(is_temporary(entry.file_name().to_str().unwrap()));
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600);
        let path = folder.path().join("out");
        new.name(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn neither_kind_takes_the_place_of_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "theirs").unwrap();
        let kinds = [
            nameless(folder.path(), PRIVATE).map(NewFile::Nameless),
            named(folder.path(), PRIVATE)
                .ok()
                .map(|(file, name)| NewFile::Named(file, name)),
        ];
        for new in kinds.into_iter().flatten() {
            let refused = new.name(&path).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_is_the_system_s() {
        let told = named(Path::new("/nowhere/at/all"), PRIVATE).unwrap_err();
        assert_eq!(told.raw_os_error(), Some(2), "{told}");
    }
}
