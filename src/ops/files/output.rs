//! Files that hold secrets: new, private, complete, or not there at all.
//!
//! A regular file is made with mode 0600 in its folder and gets its name only when it is complete
//! and on disk; what stands there already is never replaced. Pipes and devices are written
//! straight.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::store::Device;
use crate::store::device::on_file;

/// An output that is being written. Dropped before [`OutputFile::finish`], it leaves nothing.
pub struct OutputFile {
    path: PathBuf,
    target: Target,
}

enum Target {
    /// Written beside its final place.
    New(NewFile),
    /// A pipe or device, or the stream that the caller gave.
    Stream(Box<dyn Write>),
}

impl OutputFile {
    /// Makes the output for `path`, private before the first byte is written.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when something stands at `path` already (a link included), or
    /// `path` names no file; [`ErrorKind::NotFound`] when its folder does not exist.
    pub fn create(path: &Path) -> Result<Self> {
        let target = match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Target::New(new_beside(path)?),
            Err(cause) => return Err(cause).at("look at", path),
            Ok(_) => Target::Stream(Box::new(open_stream(path)?)),
        };
        Ok(Self {
            path: path.to_path_buf(),
            target,
        })
    }

    /// What [`OutputFile::create`] would refuse, without making anything: for a dry run.
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
            Err(cause) => Err(cause).at("look at", path),
            Ok(_) => must_be_stream(path),
        }
    }

    /// The same for what has to stay: never a pipe or a device.
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

    /// The same, but never a pipe or a device: for what has to stay.
    ///
    /// # Errors
    /// As [`OutputFile::create`]; [`ErrorKind::Usage`] for `-`.
    pub fn create_regular(path: &Path) -> Result<Self> {
        is_no_stream(path)?;
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(cause) => Err(cause).at("look at", path),
            Ok(_) => Err(regular_exists(path)),
        }
    }

    /// The same for a database file: when root makes it, it belongs to its folder's owner, so
    /// that the server which runs as that user can open it.
    ///
    /// # Errors
    /// As [`OutputFile::create`], and when the owner can't be set.
    pub fn create_database(path: &Path) -> Result<Self> {
        Self::could_create_regular(path)?;
        Self::owned_by_folder(path, new_beside(path)?)
    }

    /// The same of a file that was made in that folder before, and belongs to nobody yet.
    ///
    /// # Errors
    /// When something stands at `path` already, and when the owner can't be set.
    pub(in crate::ops) fn database_of(path: &Path, file: NewFile) -> Result<Self> {
        Self::could_create_regular(path)?;
        Self::owned_by_folder(path, file)
    }

    fn owned_by_folder(path: &Path, file: NewFile) -> Result<Self> {
        if rustix::process::geteuid().is_root() {
            let folder = fs::metadata(folder_of(path)).at("look at", folder_of(path))?;
            std::os::unix::fs::fchown(file.file(), Some(folder.uid()), Some(folder.gid()))
                .at("set the owner of", path)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            target: Target::New(file),
        })
    }

    /// An output that goes to a stream, such as standard output; `name` is for messages.
    #[must_use]
    pub fn to_stream(stream: Box<dyn Write>, name: &str) -> Self {
        Self {
            path: PathBuf::from(name),
            target: Target::Stream(stream),
        }
    }

    /// The new file itself, for what writes anywhere in it. Not for pipes and devices.
    ///
    /// # Errors
    /// When the system gives no second descriptor.
    pub fn device(&self) -> io::Result<Box<dyn Device>> {
        match &self.target {
            Target::New(file) => Ok(on_file(file.file().try_clone()?)),
            Target::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The new file itself, by a second descriptor. Not for pipes and devices.
    ///
    /// # Errors
    /// When the system gives none.
    pub(in crate::ops) fn file(&self) -> io::Result<File> {
        match &self.target {
            Target::New(file) => file.file().try_clone(),
            Target::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// How long the new file is by now, in bytes; 0 for pipes and devices.
    ///
    /// # Errors
    /// As the system says.
    pub fn length(&self) -> io::Result<u64> {
        match &self.target {
            Target::New(file) => Ok(file.file().metadata()?.len()),
            Target::Stream(_) => Ok(0),
        }
    }

    /// Completes the output: everything is on disk, and only then has the file its name.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when something has appeared at the path meanwhile; otherwise as
    /// the system says. Nothing is left behind then, unless the message says so.
    pub fn finish(self) -> Result<Finished> {
        self.finish_after(|_| Ok(()))
    }

    /// The same, after `verify` has read the file, from its start, and is content with it.
    ///
    /// # Errors
    /// As [`OutputFile::finish`], and as `verify`.
    pub fn finish_after(
        self,
        verify: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Finished> {
        self.finish_by(verify, &mut |_, _| Ok(()))
    }

    /// The same; `before` is told of what is done to names, before it is, and where. An error of
    /// its own is that call's.
    ///
    /// # Errors
    /// As [`OutputFile::finish_after`].
    pub(in crate::ops) fn finish_by(
        self,
        verify: impl FnOnce(&mut File) -> io::Result<()>,
        before: &mut dyn FnMut(Naming, &Path) -> io::Result<()>,
    ) -> Result<Finished> {
        let Self { path, target } = self;
        let mut file = match target {
            Target::Stream(mut stream) => {
                stream.flush().at("write", &path)?;
                return Ok(Finished { path, file: None });
            }
            Target::New(file) => file,
        };
        file.file().sync_all().at("write", &path)?;
        file.file_mut().rewind().at("read", &path)?;
        verify(file.file_mut()).at("verify", &path)?;
        let metadata = file.file().metadata().at("look at", &path)?;
        match before(Naming::Link, &path).and_then(|()| file.name(&path)) {
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
            "{} is complete, but its folder can't be synced: {cause}; it may be gone after a \
             power failure",
            finished.path().display()
        );
        Err(Error::new(ErrorKind::Io, message).with_source(cause))
    }
}

/// What is done to names when an output is completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Naming {
    /// The file gets its name.
    Link,
    /// The names in its folder are made durable.
    Sync,
}

/// An output that is complete.
#[derive(Debug)]
pub struct Finished {
    path: PathBuf,
    /// Device and inode; none for a stream.
    file: Option<(u64, u64)>,
}

impl Finished {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file again, unless something else has come to stand at its path.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&self) -> io::Result<()> {
        let Some(ours) = self.file else { return Ok(()) };
        let now = fs::symlink_metadata(&self.path)?;
        if (now.dev(), now.ino()) == ours {
            fs::remove_file(&self.path)?;
        }
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
/// As [`OutputFile::create`] where nothing stands at `path`.
pub(in crate::ops) fn new_beside(path: &Path) -> Result<NewFile> {
    names_a_file(path)?;
    NewFile::in_folder(folder_of(path))
        .at("create", path)
        .map_err(in_folder)
}

/// "dir/" and "dir/.." name folders, whatever stands there.
fn names_a_file(path: &Path) -> Result<()> {
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} names no file", path.display()),
        ));
    }
    Ok(())
}

/// Adds to a failure to make something in a folder what helps.
fn in_folder(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => error.with_hint("the folder must exist; boltkey creates none"),
        _ => error,
    }
}

/// Whether links in a path are followed: only out of the system's own folders, where /dev/stdout
/// and /dev/fd are links.
fn is_of_system(path: &Path) -> bool {
    path.starts_with("/dev") || path.starts_with("/proc")
}

fn is_stream(metadata: &fs::Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_fifo() || kind.is_char_device()
}

/// Refuses what stands at `path` unless it is a pipe or a device.
fn must_be_stream(path: &Path) -> Result<()> {
    let there = if is_of_system(path) {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    takes_secrets(&there.at("look at", path)?, path)
}

/// Refuses what is no pipe or device, and those of another user: whoever owns one may read what is
/// written to it.
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

/// Opens what stands at `path` for writing if it is a pipe or a device.
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
    // It may have been exchanged between looking and opening.
    takes_secrets(&file.metadata().at("look at", path)?, path)?;
    Ok(file)
}

fn exists(path: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{} exists already", path.display()),
    )
    .with_hint("name a new file, or - for standard output; boltkey overwrites none")
}

/// The same where standard output is no way out.
fn regular_exists(path: &Path) -> Error {
    exists(path).with_hint("name a new file; boltkey overwrites none")
}

/// `-` is standard output everywhere, and no file of that name.
fn is_no_stream(path: &Path) -> Result<()> {
    if path != Path::new("-") {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Usage,
        "this can't go to standard output, which - stands for",
    )
    .with_hint("name a new file; ./- is one that is called -"))
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
