//! Reading the files of a backup, from a folder or an archive, and checking each of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use flate2::write::MultiGzDecoder;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::backup::folder::{names_in, read_text};
use crate::ops::files::checksums::ChecksumWriter;
use crate::ops::files::copy::CHUNK;
use crate::store::{GZIP_MAGIC, fill, most_unpacked, refuse_sparse};

/// Endings of the files whose content is needed. All others are only checked.
const KEPT: [&str; 8] = [
    ".manifest",
    ".boltkey.json",
    ".bolt",
    ".bolt.gz",
    ".redb",
    ".redb.gz",
    ".sqlite",
    ".sqlite.gz",
];

/// The files of a backup.
pub enum BackupFiles {
    /// In a folder.
    Folder(PathBuf),
    /// From an archive.
    Archive(BTreeMap<String, ArchivedFile>),
}

/// The result of reading a file to its end.
#[derive(Debug, Clone)]
pub struct FileCheck {
    /// Bytes.
    pub size: u64,
    /// SHA-256, in hex.
    pub sha256: String,
    /// Whether it starts with a gzip header.
    pub gzip: bool,
    /// Why it can't be decompressed, if it starts with a gzip header.
    pub damage: Option<String>,
}

/// One file of a backup that is an archive.
pub struct ArchivedFile {
    /// Length, checksum and damage, found while reading.
    pub check: FileCheck,
    /// Its content in a private temporary file, if it is needed later.
    pub file: Option<File>,
}

/// Counts the bytes written.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the content of a file with this name is needed.
pub fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|suffix| name.ends_with(suffix))
}

impl FileCheck {
    /// Reads `source` to its end and copies it. With `unpack`, it also tests decompression, but
    /// stops at more bytes than a file called `name` can hold.
    ///
    /// # Errors
    /// I/O errors of `source` or the copy.
    pub fn of(
        source: &mut dyn Read,
        name: &str,
        unpack: bool,
        mut copy: Option<&mut File>,
    ) -> io::Result<Self> {
        let mut buffer = Zeroizing::new(vec![0; CHUNK]);
        let mut summed = ChecksumWriter::new(io::sink());
        let mut unpacked: Option<MultiGzDecoder<Counted>> = None;
        let mut size = 0;
        let mut damage = None;
        let mut gzip = false;
        let mut first = true;
        loop {
            let length = fill(source, &mut buffer)?;
            if length == 0 {
                break;
            }
            let bytes = buffer.get(..length).unwrap_or_default();
            if std::mem::take(&mut first) && bytes.starts_with(&GZIP_MAGIC) {
                gzip = true;
                unpacked = unpack.then(|| MultiGzDecoder::new(Counted(0)));
            }
            size += length as u64;
            if let Some(packer) = &mut unpacked
                && packer.write_all(bytes).is_err()
            {
                damage = Some(String::from("its gzip stream is damaged"));
                unpacked = None;
            }
            let most = most_unpacked(size);
            if let Some(packer) = &unpacked
                && is_kept(name)
                && packer.get_ref().0 > most
            {
                damage = Some(format!(
                    "it unpacks to more than {} MiB, more than any database of its size",
                    most >> 20
                ));
                unpacked = None;
            }
            if let Some(copy) = &mut copy {
                copy.write_all(bytes)?;
            }
            summed.write_all(bytes)?;
        }
        if let Some(mut packer) = unpacked
            && packer.try_finish().is_err()
        {
            damage = Some(String::from("its gzip stream ends early or is damaged"));
        }
        let sum = summed.sum();
        Ok(Self {
            size: sum.size,
            sha256: sum.sha256,
            gzip,
            damage,
        })
    }
}

impl BackupFiles {
    /// The names of all files, ascending.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn names(&self) -> Result<Vec<String>> {
        match self {
            Self::Folder(folder) => names_in(folder),
            Self::Archive(files) => Ok(files.keys().cloned().collect()),
        }
    }

    /// Opens a file for reading, at its start; `None` if it does not exist.
    ///
    /// # Errors
    /// I/O errors; [`ErrorKind::NotAStore`] if it is not a regular file.
    pub fn open(&self, name: &str) -> Result<Option<File>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let metadata = match std::fs::metadata(&path) {
                    Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
                    metadata => metadata.at("access", &path)?,
                };
                if !metadata.is_file() {
                    return Err(Error::new(
                        ErrorKind::NotAStore,
                        format!("{} is not a regular file", path.display()),
                    ));
                }
                refuse_sparse(&path, &metadata)?;
                File::open(&path).map(Some).at("open", &path)
            }
            Self::Archive(files) => {
                let Some(ArchivedFile {
                    file: Some(file), ..
                }) = files.get(name)
                else {
                    return Ok(None);
                };
                let reading = "the unpacked archive";
                let mut file = file.try_clone().at("read", Path::new(reading))?;
                file.rewind().at("read", Path::new(reading))?;
                Ok(Some(file))
            }
        }
    }

    /// The text in a file that must be there.
    ///
    /// # Errors
    /// As [`BackupFiles::open`]; [`ErrorKind::NotFound`] when it does not exist.
    pub fn text(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        match self.open(name)? {
            Some(file) => read_text(&file, &path),
            None => Err(io::Error::from(io::ErrorKind::NotFound)).at("open", &path),
        }
    }

    /// Reads a file to its end; `None` if it does not exist. With `unpack`, decompression is tested
    /// too.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn check(&self, name: &str, unpack: bool) -> Result<Option<FileCheck>> {
        match self {
            Self::Folder(_) => match self.open(name)? {
                Some(mut file) => FileCheck::of(&mut file, name, unpack, None)
                    .map(Some)
                    .at("read", &self.path(name)),
                None => Ok(None),
            },
            Self::Archive(files) => Ok(files.get(name).map(|member| member.check.clone())),
        }
    }

    /// The path of a file, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Archive(_) => PathBuf::from(name),
        }
    }
}
