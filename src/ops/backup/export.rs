//! `backup export`: the metadata of a stopped server, without any token.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::metadata::tsm;
use crate::ops::backup::checksum_manifest::ManifestEntry;
use crate::ops::backup::export_targets::{ExportTarget, FolderTarget, TarTarget};
use crate::ops::backup::manifest::{FileOf, Manifest, base};
use crate::ops::backup::pack::temporary;
use crate::ops::backup::summary::{Looked, NamedShard, look};
use crate::ops::backup::{Compression, checksum_manifest, folder, manifest, sql};
use crate::ops::convert::recoverable;
use crate::ops::files::disk::Disk;
use crate::ops::files::output::OutputFile;
use crate::store::{Engine, Progress, Store};

/// What to write.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file that belongs to the database; none where there is none.
    pub sqlite: Option<PathBuf>,
    /// How files are packed.
    pub compression: Compression,
    /// Whether to write what makes `influx restore --full` take it.
    pub influx_manifest: bool,
    /// When it began.
    pub now: jiff::Timestamp,
}

/// Where to.
pub enum Out<'a> {
    /// A folder, made if it is not there.
    Folder(&'a Path),
    /// One tar stream; the path is for messages.
    Stream(&'a mut dyn Write, &'a Path),
}

/// What was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The folder, or `-`.
    pub out: PathBuf,
    /// What the names of all files begin with.
    pub base: String,
    /// The files, in the order in which they came to stand there. Empty in a dry run.
    pub files: Vec<ManifestEntry>,
    /// Whether there is an SQLite file among them, or would be.
    pub sqlite: bool,
    /// What `influx restore --full` would do with it; none without its manifest.
    pub influx_manifest: Option<InfluxManifest>,
    /// Tokens of hashed authorizations that only unused parts of the source still show; the
    /// export has none of them.
    pub recoverable_left: u64,
    /// Always false: the database itself is only read.
    pub changed: bool,
}

/// What `influx restore --full` would do with an export.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InfluxManifest {
    /// The shards that the server loses whose metadata this is: an export holds no points.
    pub deletes_shards: Vec<NamedShard>,
}

/// Writes a backup of the metadata that `store` holds. Its lock is held until both files are
/// copied, so that they are of one moment.
///
/// # Errors
/// * [`ErrorKind::Refused`] when the folder holds an `influx backup` with shards and a manifest is
///   asked for
/// * [`ErrorKind::Corrupt`] when the store can't be read whole
/// * [`ErrorKind::Io`] when a file can't be written, or does not read back; nothing is left then
pub fn export(
    store: &Store,
    options: &Options,
    out: Out<'_>,
    disk: &dyn Disk,
    progress: &dyn Fn(u64),
) -> Result<(Exported, Vec<Finding>)> {
    let via = Via { disk, progress };
    match out {
        Out::Folder(folder) => to_folder(store, options, folder, &via),
        Out::Stream(stream, name) => to_stream(store, options, stream, name, &via),
    }
}

/// Does all of [`export`] but writing.
///
/// # Errors
/// As [`export`].
pub fn could_export(
    store: &Store,
    options: &Options,
    folder: Option<&Path>,
) -> Result<(Exported, Vec<Finding>)> {
    if let Some(folder) = folder {
        let is_there = is_folder(folder)?;
        if !is_there {
            OutputFile::could_create_regular(folder)?;
        } else if options.influx_manifest {
            no_shards_in(folder)?;
        }
    }
    store.could_copy_to(Engine::Bolt)?;
    let sql = options.sqlite.as_deref().map(sql::take).transpose()?;
    let (recoverable_left, findings) = recoverable(store)?;
    let shards = time_series(store, options)?;
    let looked = look(store.snapshot())?;
    store.release();
    if let Some(copy) = sql {
        drop(sql::single_file(copy)?);
    }
    let written = WrittenBackup {
        files: Vec::new(),
        looked,
        time_series: shards,
        recoverable_left,
        findings,
    };
    let out = folder.unwrap_or(Path::new("-"));
    Ok(told(out, base(options.now), written, options))
}

/// The metadata of points, if a manifest of them is asked for.
fn time_series(store: &Store, options: &Options) -> Result<Option<tsm::Data>> {
    if !options.influx_manifest {
        return Ok(None);
    }
    tsm::load(store.snapshot())
        .map(Option::unwrap_or_default)
        .map(Some)
}

fn told(
    out: &Path,
    base: String,
    written: WrittenBackup,
    options: &Options,
) -> (Exported, Vec<Finding>) {
    let influx_manifest = written.time_series.as_ref().map(|data| InfluxManifest {
        deletes_shards: NamedShard::all(&data.shards(), &written.looked.catalog),
    });
    let exported = Exported {
        out: out.to_path_buf(),
        base,
        files: written.files,
        sqlite: options.sqlite.is_some(),
        influx_manifest,
        recoverable_left: written.recoverable_left,
        changed: false,
    };
    (exported, written.findings)
}

/// How it is done, and who is told.
struct Via<'a> {
    disk: &'a dyn Disk,
    progress: &'a dyn Fn(u64),
}

/// Writes all files of an export to `sink`, in the order in which they may be seen.
///
/// The store is laid out anew in a private temporary file first: Bolt's first pages are known only
/// when the last ones are, so nothing can be packed on the way. Meanwhile another thread looks at
/// what the summary tells.
fn write(
    store: &Store,
    options: &Options,
    base: &str,
    sink: &mut dyn ExportTarget,
    scratch: Option<&Path>,
    via: &Via<'_>,
) -> Result<WrittenBackup> {
    let names = Names::new(base, options.compression);
    let compression = options.compression;
    let (parts, looked) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let left = recoverable(store)?;
            Ok::<_, Error>((left, look(store.snapshot())?))
        });
        let parts = || -> Result<_> {
            let sql = options.sqlite.as_deref().map(sql::take).transpose()?;
            let kv = temporary(scratch)?;
            let path = Path::new("a temporary copy of the store");
            let device = via.disk.private(kv.try_clone().at("write", path)?);
            store.copy_to(Engine::Bolt, device, path, &Progress::new(&|_| {}))?;
            Ok((kv, sql, time_series(store, options)?))
        };
        (parts(), looking.join())
    });
    // Both are copies of one moment. What follows takes its time, and needs no lock.
    store.release();
    let (mut kv, sql, time_series) = parts?;
    let ((recoverable_left, findings), looked) = match looked {
        Ok(looked) => looked?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    // First, since it may be refused.
    let sql = sql.map(sql::single_file).transpose()?;
    let sum = sink.put(&names.kv, &mut kv, compression, via.progress)?;
    let kv = ManifestEntry::new(names.kv.clone(), compression, sum);
    let sql = match sql {
        None => None,
        Some(mut content) => {
            let sum = sink.put(&names.sql, &mut content, compression, &|_| {})?;
            Some(ManifestEntry::new(names.sql.clone(), compression, sum))
        }
    };
    let mut files: Vec<ManifestEntry> = [Some(kv.clone()), sql.clone()]
        .into_iter()
        .flatten()
        .collect();
    if let Some(data) = &time_series {
        let text = manifest_text(data, &looked, &kv, sql.as_ref())?;
        let sum = sink.put_text(&names.manifest, &text)?;
        files.push(ManifestEntry::new(names.manifest, Compression::None, sum));
    }
    let created_at = options.now.to_string();
    let summary = &looked.summary;
    let checksums = checksum_manifest::NewChecksumManifest::new(
        &created_at,
        &kv,
        sql.as_ref(),
        summary,
        recoverable_left,
    )
    .text()?;
    let sum = sink.put_text(&names.checksums, &checksums)?;
    files.push(ManifestEntry::new(names.checksums, Compression::None, sum));
    Ok(WrittenBackup {
        files,
        looked,
        time_series,
        recoverable_left,
        findings,
    })
}

/// What was written, and seen on the way.
struct WrittenBackup {
    files: Vec<ManifestEntry>,
    looked: Looked,
    time_series: Option<tsm::Data>,
    recoverable_left: u64,
    findings: Vec<Finding>,
}

fn to_folder(
    store: &Store,
    options: &Options,
    path: &Path,
    via: &Via<'_>,
) -> Result<(Exported, Vec<Finding>)> {
    let made = !is_folder(path)?;
    let mut folder = FolderTarget::open(path, made, via.disk)?;
    if options.influx_manifest {
        no_shards_in(path)?;
    }
    let base = free_base(path, options.now)?;
    let written = write(store, options, &base, &mut folder, Some(path), via)?;
    folder.complete();
    Ok(told(path, base, written, options))
}

fn to_stream(
    store: &Store,
    options: &Options,
    stream: &mut dyn Write,
    name: &Path,
    via: &Via<'_>,
) -> Result<(Exported, Vec<Finding>)> {
    let base = base(options.now);
    let mut stream = TarTarget::new(stream, name, options.now, via.disk);
    let written = write(store, options, &base, &mut stream, None, via)?;
    stream.finish()?;
    Ok(told(Path::new("-"), base, written, options))
}

/// Names of the files of one export.
struct Names {
    kv: String,
    sql: String,
    manifest: String,
    checksums: String,
}

impl Names {
    fn new(base: &str, compression: Compression) -> Self {
        let suffix = compression.suffix();
        Self {
            kv: format!("{base}.bolt{suffix}"),
            sql: format!("{base}.sqlite{suffix}"),
            manifest: format!("{base}{}", manifest::SUFFIX),
            checksums: format!("{base}{}", checksum_manifest::SUFFIX),
        }
    }
}

/// A part as a manifest names it.
fn file_of(part: &ManifestEntry) -> FileOf {
    FileOf {
        name: part.file_name.clone(),
        size: part.size,
        compression: Some(part.compression),
    }
}

fn manifest_text(
    data: &tsm::Data,
    looked: &Looked,
    kv: &ManifestEntry,
    sql: Option<&ManifestEntry>,
) -> Result<Vec<u8>> {
    manifest::write(
        &file_of(kv),
        sql.map(file_of).as_ref(),
        &looked.catalog,
        data,
    )
}

/// Whether there is a folder at `path`.
fn is_folder(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Ok(true),
        Ok(_) => Err(Error::new(
            ErrorKind::Refused,
            format!("{} exists already and is no folder", path.display()),
        )
        .with_hint("name a folder, which is made if it is not there; - is one tar stream")),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause).at("look at", path),
    }
}

/// A base that no file of the folder has yet: of this second, or the next free one.
fn free_base(folder: &Path, now: jiff::Timestamp) -> Result<String> {
    const TRIES: i64 = 60;
    let names: Vec<String> = folder::names_in(folder)?;
    for second in 0..TRIES {
        let later = now.checked_add(jiff::SignedDuration::from_secs(second));
        let base = base(later.unwrap_or(now));
        if !names.iter().any(|name| name.starts_with(&base)) {
            return Ok(base);
        }
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("{} is full of backups of this minute", folder.display()),
    ))
}

/// Refuses a folder with a backup of points in it: the influx CLI reads all manifests of a folder
/// as one, and this one would take the shards of the others away.
fn no_shards_in(folder: &Path) -> Result<()> {
    for name in folder::names_in(folder)? {
        if !name.ends_with(manifest::SUFFIX) {
            continue;
        }
        let path = folder.join(&name);
        let text = folder::read_text(&File::open(&path).at("open", &path)?, &path)?;
        let manifest = Manifest::read(&text, &path.display().to_string())?;
        if manifest.shard_files().next().is_some() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} names shards: the influx CLI would take a manifest of metadata alone for \
                     a later backup of the same, restore it, and leave the shards out",
                    path.display()
                ),
            )
            .with_hint("export to another folder, or without --influx-manifest"));
        }
    }
    Ok(())
}
