//! Output files with secrets: new, private, and complete or absent.
//!
//! A regular file is created with mode 0600 and gets its name only when it is complete and synced.
//! It never replaces an existing file. Pipes and devices are written directly.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::store::Device;
use crate::store::device::on_file;
use crate::store::unfinished;

/// An output in progress. Nothing is left if it is dropped before [`OutputFile::finish`].
pub struct OutputFile {
    path: PathBuf,
    target: Target,
    /// Whether other files must be complete too.
    part: bool,
}

enum Target {
    /// A new file in the folder of its final path.
    New(NewFile),
    /// A pipe, a device, or the caller's stream.
    Stream(Box<dyn Write>),
}

impl OutputFile {
    /// Creates the output for `path`, private before the first byte is written.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when `path` exists (also as a link), or is not a file name;
    /// [`ErrorKind::NotFound`] when its folder does not exist.
    pub fn create(path: &Path) -> Result<Self> {
        let target = match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Target::New(new_beside(path)?),
            Err(cause) => return Err(cause).at("access", path),
            Ok(_) => {
                let stream = open_stream(path)?;
                unfinished::streams();
                Target::Stream(Box::new(stream))
            }
        };
        Ok(Self {
            path: path.to_path_buf(),
            target,
            part: false,
        })
    }

    /// Says that this file counts only with others. A signal before
    /// [`unfinished::Gate::complete`] removes it.
    #[must_use]
    pub(in crate::ops) fn into_part(mut self) -> Self {
        self.part = true;
        self
    }

    /// Like [`OutputFile::create`], for an output without secrets: the new file has the mode of
    /// ordinary files.
    ///
    /// # Errors
    /// As [`OutputFile::create`].
    pub fn create_to_share(path: &Path) -> Result<Self> {
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                names_a_file(path)?;
                let file = NewFile::to_share_in_folder(folder_of(path));
                Ok(Self {
                    path: path.to_path_buf(),
                    target: Target::New(file.at("create", path).map_err(in_folder)?),
                    part: false,
                })
            }
            _ => Self::create(path),
        }
    }

    /// Checks, for a dry run, whether [`OutputFile::create`] would succeed.
    ///
    /// # Errors
    /// As [`OutputFile::create`].
    pub fn could_create(path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                names_a_file(path)?;
                let folder = folder_of(path);
                fs::read_dir(folder)
                    .map(drop)
                    .at("create", path)
                    .map_err(in_folder)
            }
            Err(cause) => Err(cause).at("access", path),
            Ok(_) => must_be_stream(path),
        }
    }

    /// Like [`OutputFile::could_create`], but refuses pipes and devices.
    ///
    /// # Errors
    /// As [`OutputFile::create_regular`].
    pub fn could_create_regular(path: &Path) -> Result<()> {
        is_no_stream(path)?;
        match fs::symlink_metadata(path) {
            Ok(_) => Err(regular_exists(path)),
            Err(_) => Self::could_create(path),
        }
    }

    /// Like [`OutputFile::create`], but refuses pipes and devices: for files that must be kept.
    ///
    /// # Errors
    /// As [`OutputFile::create`]; [`ErrorKind::Usage`] for `-`.
    pub fn create_regular(path: &Path) -> Result<Self> {
        is_no_stream(path)?;
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(cause) => Err(cause).at("access", path),
            Ok(_) => Err(regular_exists(path)),
        }
    }

    /// Like [`OutputFile::create`], for a database file. If root creates it, it gets the owner of
    /// its folder, so that the server can open it.
    ///
    /// # Errors
    /// As [`OutputFile::create`], and when the owner can't be set.
    pub fn create_database(path: &Path) -> Result<Self> {
        Self::could_create_regular(path)?;
        Self::owned_by_folder(path, new_beside(path)?)
    }

    /// Like [`OutputFile::create_database`], with a file that was already created in that folder.
    ///
    /// # Errors
    /// When `path` exists, and when the owner can't be set.
    pub(in crate::ops) fn database_of(path: &Path, file: NewFile) -> Result<Self> {
        Self::could_create_regular(path)?;
        Self::owned_by_folder(path, file)
    }

    fn owned_by_folder(path: &Path, file: NewFile) -> Result<Self> {
        if rustix::process::geteuid().is_root() {
            let folder = fs::metadata(folder_of(path)).at("access", folder_of(path))?;
            std::os::unix::fs::fchown(file.file(), Some(folder.uid()), Some(folder.gid()))
                .at("set the owner of", path)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            target: Target::New(file),
            part: false,
        })
    }

    /// An output to a stream, such as standard output; `name` is for messages.
    #[must_use]
    pub fn to_stream(stream: Box<dyn Write>, name: &str) -> Self {
        unfinished::streams();
        Self {
            path: PathBuf::from(name),
            target: Target::Stream(stream),
            part: false,
        }
    }

    /// The new file for random access. Not for pipes and devices.
    ///
    /// # Errors
    /// When the descriptor can't be duplicated.
    pub fn device(&self) -> io::Result<Box<dyn Device>> {
        match &self.target {
            Target::New(file) => Ok(on_file(file.file().try_clone()?)),
            Target::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// A second descriptor of the new file. Not for pipes and devices.
    ///
    /// # Errors
    /// When the descriptor can't be duplicated.
    pub(in crate::ops) fn file(&self) -> io::Result<File> {
        match &self.target {
            Target::New(file) => file.file().try_clone(),
            Target::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The current length of the new file in bytes; 0 for pipes and devices.
    ///
    /// # Errors
    /// I/O errors.
    pub fn length(&self) -> io::Result<u64> {
        match &self.target {
            Target::New(file) => Ok(file.file().metadata()?.len()),
            Target::Stream(_) => Ok(0),
        }
    }

    /// Completes the output: syncs it, and only then gives the file its name.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when the path exists by now; otherwise I/O errors. No file is left
    /// then, unless the message says so.
    pub fn finish(self) -> Result<Finished> {
        self.finish_after(|_| Ok(()))
    }

    /// Like [`OutputFile::finish`], after `verify` has read the file from its start without error.
    ///
    /// # Errors
    /// As [`OutputFile::finish`], and as `verify`.
    pub fn finish_after(
        self,
        verify: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Finished> {
        self.finish_by(verify, &mut |_, _| Ok(()))
    }

    /// Like [`OutputFile::finish_after`]; `before` is called before each change of names. If it
    /// fails, that call fails.
    ///
    /// # Errors
    /// As [`OutputFile::finish_after`].
    pub(in crate::ops) fn finish_by(
        self,
        verify: impl FnOnce(&mut File) -> io::Result<()>,
        before: &mut dyn FnMut(Naming, &Path) -> io::Result<()>,
    ) -> Result<Finished> {
        let Self { path, target, part } = self;
        let mut file = match target {
            Target::Stream(mut stream) => {
                stream.flush().at("write", &path)?;
                unfinished::gate().complete(&path);
                return Ok(Finished { path, file: None });
            }
            Target::New(file) => file,
        };
        file.file().sync_all().at("write", &path)?;
        file.file_mut().rewind().at("read", &path)?;
        verify(file.file_mut()).at("verify", &path)?;
        let metadata = file.file().metadata().at("access", &path)?;
        let name = || {
            let gate = unfinished::gate();
            file.name(&path)?;
            match part {
                true => gate.part(&path),
                false => gate.complete(&path),
            }
            Ok(())
        };
        match before(Naming::Link, &path).and_then(|()| name()) {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&path));
            }
            Err(cause) => return Err(cause).at("create", &path),
        }
        let finished = Finished {
            path,
            file: Some((metadata.dev(), metadata.ino())),
        };
        let folder = folder_of(finished.path());
        let synced = before(Naming::Sync, folder).and_then(|()| File::open(folder)?.sync_all());
        let Err(cause) = synced else {
            return Ok(finished);
        };
        if finished.remove().is_ok() {
            return Err(cause).at("sync", folder);
        }
        let message = format!(
            "{} is complete, but its folder can't be synced: {cause}; the file may be lost after \
             a power failure",
            finished.path().display()
        );
        Err(Error::new(ErrorKind::Io, message).with_source(cause))
    }
}

/// A change of names when an output is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Naming {
    /// The file gets its name.
    Link,
    /// Its folder is synced.
    Sync,
}

/// A complete output.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
    /// Device and inode; `None` for a stream.
    file: Option<(u64, u64)>,
}

impl Finished {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file again, unless another file is at its path by now.
    ///
    /// # Errors
    /// I/O errors.
    pub fn remove(&self) -> io::Result<()> {
        let Some(ours) = self.file else { return Ok(()) };
        let now = fs::symlink_metadata(&self.path)?;
        if (now.dev(), now.ino()) == ours {
            fs::remove_file(&self.path)?;
        }
        unfinished::removed(&self.path);
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::New(file) => file.file_mut().write(bytes),
            Target::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::New(file) => file.file_mut().flush(),
            Target::Stream(stream) => stream.flush(),
        }
    }
}

/// A private file (0600) in the folder of `path`, without a name yet.
///
/// # Errors
/// As [`OutputFile::create`] where `path` does not exist.
pub(in crate::ops) fn new_beside(path: &Path) -> Result<NewFile> {
    names_a_file(path)?;
    NewFile::in_folder(folder_of(path))
        .at("create", path)
        .map_err(in_folder)
}

/// "dir/" and "dir/.." are folder names, even if they don't exist.
fn names_a_file(path: &Path) -> Result<()> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} is not a file name", path.display()),
        ));
    }
    Ok(())
}

/// Adds a hint to an error of creating a file.
fn in_folder(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_hint("the folder must exist; create it first"),
        _ => error,
    }
}

/// Whether links in a path are followed: only below /dev and /proc, where /dev/stdout and /dev/fd
/// are links.
fn is_of_system(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

fn is_stream(metadata: &fs::Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_fifo() || kind.is_char_device()
}

/// Refuses an existing `path` unless it is a pipe or a device.
fn must_be_stream(path: &Path) -> Result<()> {
    let there = if is_of_system(path) {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    takes_secrets(&there.at("access", path)?, path)
}

/// Refuses a file that is not a pipe or device, and a pipe or device of another user: its owner can
/// read what is written to it.
fn takes_secrets(there: &fs::Metadata, path: &Path) -> Result<()> {
    if !is_stream(there) {
        return Err(exists(path));
    }
    let owner = there.uid();
    if owner == 0 || owner == rustix::process::geteuid().as_raw() || is_own_stream(path) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "{} belongs to another user, who could read what is written to it",
            path.display()
        ),
    )
    .with_hint("name a new file, or - for standard output"))
}

/// Whether a path leads to a stream that this process was started with, whoever owns it: a
/// terminal belongs to the user who called sudo.
fn is_own_stream(path: &Path) -> bool {
    let streams = [
        "/dev/stdout",
        "/dev/stderr",
        "/dev/fd",
        "/dev/tty",
        "/proc/self/fd",
    ];
    streams.iter().any(|stream| path.starts_with(stream))
}

/// Opens a pipe or a device at `path` for writing.
fn open_stream(path: &Path) -> Result<File> {
    must_be_stream(path)?;
    let mut flags = OFlags::NOCTTY;
    if !is_of_system(path) {
        flags |= OFlags::NOFOLLOW;
    }
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
        .at("open", path)?;
    // It may have been replaced since the check.
    takes_secrets(&file.metadata().at("access", path)?, path)?;
    Ok(file)
}

fn exists(path: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{} exists already", path.display()),
    )
    .with_hint("name a new file, or - for standard output; existing files are never overwritten")
}

/// Like [`exists`], where standard output is not allowed.
fn regular_exists(path: &Path) -> Error {
    exists(path).with_hint("name a new file; existing files are never overwritten")
}

/// Refuses `-`, which always means standard output.
fn is_no_stream(path: &Path) -> Result<()> {
    if path != Path::new("-") {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        "this can't be written to standard output (-)",
    )
    .with_hint("name a new file; use ./- for a file called -"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_is_private_and_has_its_name_only_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut out = OutputFile::create(&path).unwrap();
        out.write_all(b"secret").unwrap();
        assert!(!path.exists());
        out.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut out = OutputFile::create(&folder.path().join("out")).unwrap();
        out.write_all(b"secret").unwrap();
        drop(out);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn nothing_is_overwritten_and_no_link_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "mine").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        let before = names(folder.path());
        for name in ["file", "folder", "dangling", "link", "null"] {
            let refused = OutputFile::create(&at(name)).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{name}");
            assert!(refused.message().contains("exists already"), "{refused}");
        }
        for name in ["new/", ".."] {
            let refused = OutputFile::create(&at(name)).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{name}");
        }
        let refused = OutputFile::create(&at("missing/out")).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        assert_eq!(names(folder.path()), before);
        assert_eq!(fs::read(at("file")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut out = OutputFile::create(&path).unwrap();
        out.write_all(b"secret").unwrap();
        fs::write(&path, "theirs").unwrap();
        assert_eq!(out.finish().unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn pipes_and_devices_are_written_straight() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let mut out = OutputFile::create(&pipe).unwrap();
        out.write_all(b"secret").unwrap();
        out.finish().unwrap();
        assert_eq!(reader.join().unwrap(), b"secret");
        assert_eq!(names(folder.path()), ["pipe"]);

        let mut full = OutputFile::create(Path::new("/dev/full")).unwrap();
        assert!(full.write_all(b"secret").is_err());
    }
}
