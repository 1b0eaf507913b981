//! Where an export goes: a folder, or one tar stream.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::{ErrorKind, IoContext, Result};
use crate::ops::backup::Compression;
use crate::ops::backup::pack::{pack, temporary};
use crate::ops::files::checksums::{Checksum, ChecksumWriter, reads_back};
use crate::ops::files::disk::{Disk, Front, Step};
use crate::ops::files::output::{Finished, OutputFile};

/// Takes the files of an export, one after the other.
pub trait ExportTarget {
    /// Takes what `content` holds, packed as asked.
    ///
    /// # Errors
    /// When it can't be written, or does not read back.
    fn put(
        &mut self,
        name: &str,
        content: &mut File,
        compression: Compression,
        progress: &dyn Fn(u64),
    ) -> Result<Checksum>;

    /// Takes a text as it is.
    ///
    /// # Errors
    /// As [`ExportTarget::put`].
    fn put_text(&mut self, name: &str, text: &[u8]) -> Result<Checksum>;
}

/// A folder, with what this run has put into it. Unless it is complete, all of it goes again.
pub struct FolderTarget<'a> {
    path: &'a Path,
    made: bool,
    written: Vec<Finished>,
    complete: bool,
    disk: &'a dyn Disk,
}

impl<'a> FolderTarget<'a> {
    /// The folder at `path`, which is made if it is to be `made`.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(path: &'a Path, made: bool, disk: &'a dyn Disk) -> Result<Self> {
        if made {
            let mut builder = DirBuilder::new();
            let made = disk.before(Step::Make(path));
            let created = made.and_then(|()| builder.mode(0o700).create(path));
            let created = created.at("create", path);
            created.map_err(|error| match error.kind() {
                ErrorKind::NotFound => {
                    error.with_hint("the folder that it is to stand in must exist")
                }
                _ => error,
            })?;
        }
        Ok(Self {
            path,
            made,
            written: Vec::new(),
            complete: false,
            disk,
        })
    }

    /// All is there, and stays.
    pub fn complete(mut self) {
        self.complete = true;
    }

    /// Writes a file, which has its name when it is complete and was read back.
    fn write(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Front, &Path) -> Result<Checksum>,
    ) -> Result<Checksum> {
        let path = self.path.join(name);
        let out = OutputFile::create_regular(&path)?;
        let mut front = Front::new(self.disk.device(out.file().at("write", &path)?));
        let sum = write(&mut front, &path)?;
        front.sync().at("write", &path)?;
        reads_back(&mut front, &sum).at("verify", &path)?;
        let named = out.finish_by(|_| Ok(()), &mut |naming, path| {
            self.disk.before(naming.at(path))
        });
        self.written.push(named?);
        Ok(sum)
    }
}

impl ExportTarget for FolderTarget<'_> {
    fn put(
        &mut self,
        name: &str,
        content: &mut File,
        compression: Compression,
        progress: &dyn Fn(u64),
    ) -> Result<Checksum> {
        self.write(name, |out, path| {
            pack(content, compression, out, path, &mut |done| progress(done))
        })
    }

    fn put_text(&mut self, name: &str, text: &[u8]) -> Result<Checksum> {
        self.write(name, |out, path| {
            out.write_all(text).at("write", path)?;
            Ok(checksum_of(text))
        })
    }
}

impl Drop for FolderTarget<'_> {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        // The last first: it is what makes an export look complete.
        for finished in self.written.iter().rev() {
            let _ = finished.remove();
        }
        if self.made {
            let _ = fs::remove_dir(self.path);
        }
    }
}

/// A tar stream.
pub struct TarTarget<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    /// For messages.
    name: &'a Path,
    modified: u64,
    disk: &'a dyn Disk,
}

impl<'a> TarTarget<'a> {
    /// Writes to `stream`, which is `name` in messages; its files are of `time`.
    pub fn new(
        stream: &'a mut dyn Write,
        name: &'a Path,
        time: jiff::Timestamp,
        disk: &'a dyn Disk,
    ) -> Self {
        Self {
            tar: tar::Builder::new(stream),
            name,
            modified: u64::try_from(time.as_second()).unwrap_or(0),
            disk,
        }
    }

    /// Writes the end.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> Result<()> {
        let Self { tar, name, .. } = self;
        let ended = tar.into_inner().and_then(|stream| stream.flush());
        ended.at("write", name)
    }

    fn append(&mut self, file: &str, content: &mut dyn io::Read, size: u64) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.modified);
        header.set_entry_type(tar::EntryType::Regular);
        let appended = self.tar.append_data(&mut header, file, content);
        appended.at("write", self.name)
    }
}

impl ExportTarget for TarTarget<'_> {
    fn put(
        &mut self,
        name: &str,
        content: &mut File,
        compression: Compression,
        progress: &dyn Fn(u64),
    ) -> Result<Checksum> {
        // A tar tells how long a file is before it comes.
        let packed = temporary(None)?;
        let path = Path::new("a temporary file");
        let mut packed = Front::new(self.disk.device(packed));
        let sum = pack(content, compression, &mut packed, path, &mut |done| {
            progress(done);
        })?;
        packed.rewind();
        reads_back(&mut packed, &sum).at("verify", path)?;
        packed.rewind();
        self.append(name, &mut packed, sum.size)?;
        Ok(sum)
    }

    fn put_text(&mut self, name: &str, mut text: &[u8]) -> Result<Checksum> {
        let sum = checksum_of(text);
        let size = text.len() as u64;
        self.append(name, &mut text, size)?;
        Ok(sum)
    }
}

fn checksum_of(text: &[u8]) -> Checksum {
    let mut summed = ChecksumWriter::new(io::sink());
    // A sink takes everything.
    let _ = summed.write_all(text);
    summed.sum()
}
