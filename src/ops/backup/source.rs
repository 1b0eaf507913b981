//! Reading a backup: of which kind it is, and which files it should have.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::ops::backup::backup_files::BackupFiles;
use crate::ops::backup::checksum_manifest::ChecksumManifest;
use crate::ops::backup::compression::{is_gzip, temporary};
use crate::ops::backup::file_states::{Expected, FileState, Role, file_states};
use crate::ops::backup::folder::no_backup;
use crate::ops::backup::influx_manifest::{Manifest, ShardFile};
use crate::ops::backup::{checksum_manifest, influx_manifest, tar_reader};
use crate::ops::files::copy::copy;
use crate::store::{OpenOptions, Store, fill, open_regular, refuse_sparse};

/// Where to read a backup from.
pub enum From<'a> {
    /// A folder or a file.
    Path(&'a Path),
    /// A stream, read once; the path is for messages.
    Stream(&'a mut dyn Read, &'a Path),
}

/// The kind of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Written by `influx backup` or `backup export --influx-manifest`.
    Influx,
    /// Written by `backup export`.
    Boltkey,
    /// One database file.
    Database,
}

impl Kind {
    /// Whether `influx restore` accepts it as it is.
    #[must_use]
    pub fn has_manifest(self) -> bool {
        self == Self::Influx
    }
}

/// A backup.
pub struct Backup {
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// The common start of its file names; `None` for a bare file.
    pub base: Option<String>,
    /// The metadata store.
    pub kv: Expected,
    /// The SQLite file.
    pub sql: Option<Expected>,
    /// Its shards.
    pub shards: Vec<ShardFile>,
    content: SourceContent,
}

enum SourceContent {
    Files(BackupFiles),
    /// A file that may be in use, so it is locked during reading.
    Path(PathBuf),
    /// A private copy of a stream.
    Copied(File),
}

impl Backup {
    /// Opens a backup of any kind. Files that must be unpacked go to private temporary files in
    /// `scratch`, or in the system's folder for temporary files.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] when it is not a backup, or its manifest is damaged; otherwise I/O
    /// errors.
    pub fn open(from: From<'_>, scratch: Option<&Path>) -> Result<Self> {
        match from {
            From::Stream(stream, name) => Self::of_stream(stream, name, scratch),
            From::Path(path) => {
                let there = fs::metadata(path).at("open", path).map_err(|error| {
                    error.with_hint(
                        "name a folder, an archive or a database file, or - for \
                                     standard input",
                    )
                })?;
                if there.is_dir() {
                    return Self::of_files(BackupFiles::Folder(path.to_path_buf()), path);
                }
                if !there.is_file() {
                    return Err(no_backup(path, "it is not a regular file")
                        .with_hint("use - to read a stream from standard input"));
                }
                refuse_sparse(path, &there)?;
                let mut file = File::open(path).at("open", path)?;
                let mut start = [0; tar_reader::START];
                let length = fill(&mut file, &mut start).at("read", path)?;
                if tar_reader::is_tar(start.get(..length).unwrap_or_default()) {
                    file.rewind().at("read", path)?;
                    let files = tar_reader::read(&mut file, path, scratch)?;
                    return Self::of_files(BackupFiles::Archive(files), path);
                }
                Ok(Self::bare(path, SourceContent::Path(path.to_path_buf())))
            }
        }
    }

    fn of_stream(stream: &mut dyn Read, name: &Path, scratch: Option<&Path>) -> Result<Self> {
        let mut start = [0; tar_reader::START];
        let length = fill(stream, &mut start).at("read", name)?;
        let start = start.get(..length).unwrap_or_default();
        let mut whole = start.chain(stream);
        if tar_reader::is_tar(start) {
            let files = tar_reader::read(&mut whole, name, scratch)?;
            return Self::of_files(BackupFiles::Archive(files), name);
        }
        let mut file = temporary(scratch)?;
        copy(&mut whole, &mut file, &mut |_| {}).at("read", name)?;
        file.flush().and_then(|()| file.rewind()).at("read", name)?;
        Ok(Self::bare(name, SourceContent::Copied(file)))
    }

    fn bare(path: &Path, content: SourceContent) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            path: path.to_path_buf(),
            kind: Kind::Database,
            base: None,
            kv: Expected {
                name: name.to_string_lossy().into_owned(),
                role: Role::Kv,
                size: None,
                sha256: None,
                compression: None,
            },
            sql: None,
            shards: Vec::new(),
            content,
        }
    }

    fn of_files(files: BackupFiles, path: &Path) -> Result<Self> {
        let names = files.names()?;
        let mut merged: Option<Manifest> = None;
        let mut last_manifest = None;
        for name in names
            .iter()
            .filter(|name| name.ends_with(influx_manifest::SUFFIX))
        {
            let text = files.text(name)?;
            let read = Manifest::read(&text, &files.path(name).display().to_string())?;
            match &mut merged {
                None => merged = Some(read),
                Some(earlier) => earlier.overlay(read),
            }
            last_manifest = name.strip_suffix(influx_manifest::SUFFIX);
        }
        let last_checksums = names
            .iter()
            .filter_map(|name| name.strip_suffix(checksum_manifest::SUFFIX))
            .next_back();
        let checksums = match last_checksums {
            // A checksum manifest of an earlier backup does not apply.
            Some(base) if last_manifest.is_none_or(|last| last <= base) => {
                let name = format!("{base}{}", checksum_manifest::SUFFIX);
                let text = files.text(&name)?;
                Some(ChecksumManifest::read(
                    &text,
                    &files.path(&name).display().to_string(),
                )?)
            }
            _ => None,
        };
        let base = last_manifest.max(last_checksums).map(str::to_owned);
        // Only the newest backup counts, and it may have no manifest.
        let merged =
            merged.filter(|_| last_manifest.is_some_and(|last| base.as_deref() == Some(last)));
        let (kind, kv, sql, shards) = match (merged, checksums) {
            (Some(manifest), checksums) => {
                let parts = checksums
                    .iter()
                    .flat_map(|checksums| [Some(&checksums.kv), checksums.sql.as_ref()]);
                let parts: Vec<_> = parts.flatten().collect();
                let shards = manifest.shard_files().cloned().collect();
                let expected = |file: influx_manifest::FileOf, role| Expected {
                    role,
                    size: Some(file.size),
                    sha256: parts
                        .iter()
                        .find(|part| part.file_name == file.name)
                        .map(|part| part.sha256.clone()),
                    compression: file.compression,
                    name: file.name,
                };
                (
                    Kind::Influx,
                    expected(manifest.kv, Role::Kv),
                    manifest.sql.map(|sql| expected(sql, Role::Sql)),
                    shards,
                )
            }
            (None, Some(checksums)) => {
                let expected = |part: checksum_manifest::ManifestEntry, role| Expected {
                    name: part.file_name,
                    role,
                    size: Some(part.size),
                    sha256: Some(part.sha256),
                    compression: Some(part.compression),
                };
                (
                    Kind::Boltkey,
                    expected(checksums.kv, Role::Kv),
                    checksums.sql.map(|sql| expected(sql, Role::Sql)),
                    Vec::new(),
                )
            }
            (None, None) => return Err(nothing_in(path, &names)),
        };
        if sql.is_none() {
            no_sqlite_of(base.as_deref(), &names, &files)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            kind,
            base,
            kv,
            sql,
            shards,
            content: SourceContent::Files(files),
        })
    }

    /// Opens the metadata store for reading.
    ///
    /// # Errors
    /// As [`Store::open`]; [`ErrorKind::NotAStore`] when its file is missing.
    pub fn store(&self, options: &OpenOptions) -> Result<Store> {
        match &self.content {
            SourceContent::Path(path) => Store::open(path, options),
            SourceContent::Copied(file) => {
                let file = file.try_clone().at("read", &self.path)?;
                Store::of_file(file, &self.path)
            }
            SourceContent::Files(files) => {
                let (file, path) = file_of(files, &self.kv.name)?;
                Store::of_file(file, &path)
            }
        }
    }

    /// Opens the file of the metadata store if it is a gzip stream, with its path for messages.
    ///
    /// # Errors
    /// I/O errors; [`ErrorKind::NotAStore`] when it is missing.
    pub fn packed(&self) -> Result<Option<(File, PathBuf)>> {
        let (mut file, path) = match &self.content {
            SourceContent::Path(path) => (File::open(path).at("open", path)?, path.clone()),
            SourceContent::Copied(file) => {
                (file.try_clone().at("read", &self.path)?, self.path.clone())
            }
            SourceContent::Files(files) => file_of(files, &self.kv.name)?,
        };
        let packed = is_gzip(&mut file).at("read", &path)?;
        Ok(packed.then_some((file, path)))
    }

    /// Opens the SQLite file at its start, compressed or not; `None` if the backup has none.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] when it is missing.
    pub fn sqlite(&self) -> Result<Option<(File, PathBuf)>> {
        let (Some(sql), SourceContent::Files(files)) = (&self.sql, &self.content) else {
            return Ok(None);
        };
        file_of(files, &sql.name).map(Some)
    }

    /// Reads the files of these roles to their ends and compares them with the manifest. With
    /// `unpack`, decompression is tested too.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn check(&self, roles: &[Role], unpack: bool) -> Result<(Vec<FileState>, Vec<Finding>)> {
        let SourceContent::Files(files) = &self.content else {
            return Ok((Vec::new(), Vec::new()));
        };
        let shards = self.shards.iter().map(|shard| Expected {
            name: shard.file.name.clone(),
            role: Role::Shard,
            size: Some(shard.file.size),
            sha256: None,
            compression: shard.file.compression,
        });
        let stores = [Some(self.kv.clone()), self.sql.clone()];
        let expected = stores.into_iter().flatten().chain(shards);
        file_states(
            files,
            expected.filter(|file| roles.contains(&file.role)),
            unpack,
        )
    }
}

/// Whether a file is an archive of a backup.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let Ok(mut file) = open_regular(path) else {
        return false;
    };
    let mut start = [0; tar_reader::START];
    let length = fill(&mut file, &mut start).unwrap_or(0);
    tar_reader::is_tar(start.get(..length).unwrap_or_default())
}

/// Refuses a backup with an SQLite file that no manifest names: it would be restored without that
/// file.
fn no_sqlite_of(base: Option<&str>, names: &[String], files: &BackupFiles) -> Result<()> {
    let base = base.unwrap_or_default();
    let forgotten = names.iter().find(|name| {
        let rest = name.strip_prefix(base);
        rest.is_some_and(|rest| [".sqlite", ".sqlite.gz"].contains(&rest))
    });
    let Some(name) = forgotten else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} belongs to this backup, but neither {base}{} nor {base}{} names it: they may be \
             damaged",
            files.path(name).display(),
            influx_manifest::SUFFIX,
            checksum_manifest::SUFFIX
        ),
    )
    .with_hint("to restore the backup without its SQLite file, move that file away"))
}

/// Opens a file that must exist, with its path for messages.
fn file_of(files: &BackupFiles, name: &str) -> Result<(File, PathBuf)> {
    let path = files.path(name);
    match files.open(name)? {
        Some(file) => Ok((file, path)),
        None => Err(missing(&path)),
    }
}

fn missing(path: &Path) -> Error {
    Error::new(
        ErrorKind::NotAStore,
        format!("{} of the backup is missing", path.display()),
    )
    .with_hint("run boltkey backup inspect to see which files are left")
}

fn nothing_in(path: &Path, names: &[String]) -> Error {
    let store = names.iter().find(|name| {
        [".bolt", ".bolt.gz", ".redb", ".redb.gz"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    });
    let error = no_backup(
        path,
        "it has neither a .manifest, which influx backup writes last, nor a .boltkey.json, which \
         boltkey backup export writes",
    );
    match store {
        Some(name) => error.with_hint(format!(
            "a backup may have been interrupted; you can also name the file {name} itself"
        )),
        None => {
            error.with_hint("name the folder that influx backup or boltkey backup export wrote to")
        }
    }
}
