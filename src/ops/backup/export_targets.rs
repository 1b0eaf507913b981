//! Where an export goes: a folder, or one tar stream.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::error::{ErrorKind, IoContext, Result};
use crate::ops::backup::Compression;
use crate::ops::backup::compression::{pack, temporary};
use crate::ops::files::checksums::{Checksum, ChecksumWriter, reads_back};
use crate::ops::files::disk::{Disk, SequentialFile, Step};
use crate::ops::files::secret_output::{Finished, OutputFile};
use crate::store::unfinished::{self, gate};

/// Receives the files of an export one by one.
pub trait ExportTarget {
    /// Writes `content` with the given compression.
    ///
    /// # Errors
    /// When it can't be written or verified.
    fn put(
        &mut self,
        name: &str,
        content: &mut File,
        compression: Compression,
        progress: &dyn Fn(u64),
    ) -> Result<Checksum>;

    /// Writes `text` without compression.
    ///
    /// # Errors
    /// As [`ExportTarget::put`].
    fn put_text(&mut self, name: &str, text: &[u8]) -> Result<Checksum>;
}

/// A folder and the files this run has written to it. They are removed on drop unless the export is
/// complete.
pub struct FolderTarget<'a> {
    path: &'a Path,
    created: bool,
    written: Vec<Finished>,
    complete: bool,
    disk: &'a dyn Disk,
}

impl<'a> FolderTarget<'a> {
    /// Opens the folder at `path`; creates it first if `create` is set.
    ///
    /// # Errors
    /// I/O errors.
    pub fn open(path: &'a Path, create: bool, disk: &'a dyn Disk) -> Result<Self> {
        if create {
            let mut builder = DirBuilder::new();
            let mut make = || {
                let gate = gate();
                builder.mode(0o700).create(path)?;
                gate.part(path);
                Ok(())
            };
            let created = disk.before(Step::Make(path)).and_then(|()| make());
            let created = created.at("create", path);
            created.map_err(|error| match error.kind() {
                ErrorKind::NotFound => error.with_hint("its parent folder must exist"),
                _ => error,
            })?;
        }
        Ok(Self {
            path,
            created: create,
            written: Vec::new(),
            complete: false,
            disk,
        })
    }

    /// Marks the export as complete; its files stay.
    pub fn complete(mut self) {
        gate().complete(self.path);
        self.complete = true;
    }

    /// Writes and verifies a file; only then it gets its name.
    fn write(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut SequentialFile, &Path) -> Result<Checksum>,
    ) -> Result<Checksum> {
        let path = self.path.join(name);
        let out = OutputFile::create_regular(&path)?.into_part();
        let mut front = SequentialFile::new(self.disk.device(out.file().at("write", &path)?));
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
        // In reverse order: the last file makes an export look complete.
        for finished in self.written.iter().rev() {
            let _ = finished.remove();
        }
        if self.created {
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
    /// A tar stream to `stream`, called `name` in messages. Its entries have the time `time`.
    pub fn new(
        stream: &'a mut dyn Write,
        name: &'a Path,
        time: jiff::Timestamp,
        disk: &'a dyn Disk,
    ) -> Self {
        unfinished::streams();
        Self {
            tar: tar::Builder::new(stream),
            name,
            modified: u64::try_from(time.as_second()).unwrap_or(0),
            disk,
        }
    }

    /// Writes the end of the archive.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> Result<()> {
        let Self { tar, name, .. } = self;
        let ended = tar.into_inner().and_then(|stream| stream.flush());
        ended.at("write", name)?;
        gate().complete(name);
        Ok(())
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
        // A tar header contains the length of the file, so compress it first.
        let packed = temporary(None)?;
        let path = Path::new("a temporary file");
        let mut packed = SequentialFile::new(self.disk.device(packed));
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
    // Writing to a sink can't fail.
    let _ = summed.write_all(text);
    summed.sum()
}
