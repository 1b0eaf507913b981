//! Files that hold secrets: new, private, complete, or not there at all.
//!
//! A regular file is written under a temporary name in the same folder, created exclusively with
//! mode 0600, and moved to its own name only when it is complete and on disk; what stands there
//! already is never replaced. Pipes and devices are written straight.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::Device;
use crate::store::device::on_file;

/// An output that is being written. Dropped before [`OutputFile::finish`], it leaves nothing.
pub struct OutputFile {
    path: PathBuf,
    target: Target,
}

enum Target {
    /// Written beside its final place.
    New(NamedTempFile),
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
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Target::New(temporary_beside(path)?)
            }
            Err(cause) => return Err(cause).at("look at", path),
            Ok(_) => Target::Stream(Box::new(open_stream(path)?)),
        };
        Ok(Self {
            path: path.to_path_buf(),
            target,
        })
    }

    /// The same, but never a pipe or a device: for what has to stay.
    ///
    /// # Errors
    /// As [`OutputFile::create`].
    pub fn create_regular(path: &Path) -> Result<Self> {
        match fs::symlink_metadata(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(cause) => Err(cause).at("look at", path),
            Ok(_) => Err(exists(path)),
        }
    }

    /// The same for a database file: when root makes it, it belongs to its folder's owner, so
    /// that the server which runs as that user can open it.
    ///
    /// # Errors
    /// As [`OutputFile::create`], and when the owner can't be set.
    pub fn create_database(path: &Path) -> Result<Self> {
        let output = Self::create_regular(path)?;
        if let (Target::New(file), true) = (&output.target, rustix::process::geteuid().is_root()) {
            let folder = fs::metadata(folder_of(path)).at("look at", folder_of(path))?;
            std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()))
                .at("set the owner of", path)?;
        }
        Ok(output)
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
            Target::New(file) => Ok(on_file(file.as_file().try_clone()?)),
            Target::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// How long the new file is by now, in bytes; 0 for pipes and devices.
    ///
    /// # Errors
    /// As the system says.
    pub fn length(&self) -> io::Result<u64> {
        match &self.target {
            Target::New(file) => Ok(file.as_file().metadata()?.len()),
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
        let Self { path, target } = self;
        let mut file = match target {
            Target::Stream(mut stream) => {
                stream.flush().at("write", &path)?;
                return Ok(Finished { path, file: None });
            }
            Target::New(file) => file,
        };
        file.as_file().sync_all().at("write", &path)?;
        file.as_file_mut().rewind().at("read", &path)?;
        verify(file.as_file_mut()).at("verify", &path)?;
        let metadata = file.as_file().metadata().at("look at", &path)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(exists(&path));
            }
            Err(failed) => return Err(failed.error).at("create", &path),
        }
        let folder = folder_of(&path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| {
                Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} is written, but its folder can't be synced: {cause}; it may be gone \
                         after a power failure",
                        path.display()
                    ),
                )
                .with_source(cause)
            })?;
        Ok(Finished {
            path,
            file: Some((metadata.dev(), metadata.ino())),
        })
    }
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
            Target::New(file) => file.write(bytes),
            Target::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::New(file) => file.flush(),
            Target::Stream(stream) => stream.flush(),
        }
    }
}

/// A private file (0600, made exclusively) in the folder of `path`.
fn temporary_beside(path: &Path) -> Result<NamedTempFile> {
    // "dir/" and "dir/.." name folders, whatever stands there.
    if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} names no file; nothing was changed", path.display()),
        ));
    }
    tempfile::Builder::new()
        .prefix(OsStr::new(".boltkey-"))
        .suffix(".tmp")
        .tempfile_in(folder_of(path))
        // The text of tempfile names the temporary file, which tells the user nothing.
        .map_err(|cause| io::Error::from(cause.kind()))
        .at("create", path)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => error.with_hint("the folder must exist; boltkey creates none"),
            _ => error,
        })
}

/// Opens what stands at `path` for writing if it is a pipe or a device. Links are followed only
/// out of the system's own folders, where /dev/stdout and /dev/fd are links.
fn open_stream(path: &Path) -> Result<File> {
    let of_system = path.starts_with("/dev") || path.starts_with("/proc");
    let is_stream = |metadata: &fs::Metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device()
    };
    let before = if of_system {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    if !is_stream(&before.at("look at", path)?) {
        return Err(exists(path));
    }
    let mut flags = OFlags::NOCTTY;
    if !of_system {
        flags |= OFlags::NOFOLLOW;
    }
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
        .at("open", path)?;
    // It may have been exchanged between looking and opening.
    if is_stream(&file.metadata().at("look at", path)?) {
        Ok(file)
    } else {
        Err(exists(path))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{} exists already; nothing was changed", path.display()),
    )
    .with_hint("name a new file, or - for standard output; boltkey overwrites none")
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
        let [temporary] = &names(folder.path())[..] else {
            panic!("more than the temporary file");
        };
        let mode = folder.path().join(temporary).metadata().unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600);
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
