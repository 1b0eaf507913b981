//! `backup export`: backs up the metadata of a stopped server. No token is needed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::metadata::tsm;
use crate::ops::backup::checksum_manifest::ManifestEntry;
use crate::ops::backup::compression::temporary;
use crate::ops::backup::export_targets::{ExportTarget, FolderTarget, TarTarget};
use crate::ops::backup::influx_manifest::{FileOf, Manifest, base};
use crate::ops::backup::summary::{NamedShard, StoreFacts, look};
use crate::ops::backup::{Compression, checksum_manifest, folder, influx_manifest, sql};
use crate::ops::convert::recoverable;
use crate::ops::files::disk::Disk;
use crate::ops::files::secret_output::OutputFile;
use crate::store::{Engine, Progress, Store};

/// Options of an export.
#[derive(Debug, Clone)]
pub struct Options {
    /// The SQLite file of the database, if there is one.
    pub sqlite: Option<PathBuf>,
    /// Compression of the files.
    pub compression: Compression,
    /// Whether to write a manifest that `influx restore --full` accepts.
    pub influx_manifest: bool,
    /// Start time.
    pub now: jiff::Timestamp,
}

/// Destination of an export.
pub enum Out<'a> {
    /// A folder, created if it does not exist.
    Folder(&'a Path),
    /// One tar stream; the path is for messages.
    Stream(&'a mut dyn Write, &'a Path),
}

/// The report of an export.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    /// The folder, or `-`.
    pub out: PathBuf,
    /// The common start of all file names.
    pub base: String,
    /// The files, in the order of writing. Empty in a dry run.
    pub files: Vec<ManifestEntry>,
    /// Whether the SQLite file is (or would be) included.
    pub sqlite: bool,
    /// What `influx restore --full` would do with it; `None` without its manifest.
    pub influx_manifest: Option<InfluxManifest>,
    /// Tokens of hashed authorizations whose plaintext is only in free pages of the source. The
    /// export contains none of them.
    pub recoverable_left: u64,
    /// Always false: the database itself is only read.
    pub changed: bool,
}

/// What `influx restore --full` would do with an export.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InfluxManifest {
    /// The shards that a restore would delete from the server this metadata comes from: an export
    /// contains no points.
    pub deletes_shards: Vec<NamedShard>,
}

/// Writes a backup of the metadata in `store`. The lock is held until both files are copied, so that
/// they belong to the same point in time.
///
/// # Errors
/// * [`ErrorKind::Refused`] when a manifest is asked for and the folder holds an `influx backup`
///   with shards
/// * [`ErrorKind::Corrupt`] when the store can't be read completely
/// * [`ErrorKind::Io`] when a file can't be written or verified; nothing is left then
pub fn export(
    store: &Store,
    options: &Options,
    out: Out<'_>,
    disk: &dyn Disk,
    progress: &dyn Fn(u64),
) -> Result<(Exported, Vec<Finding>)> {
    let context = ExportContext { disk, progress };
    match out {
        Out::Folder(folder) => to_folder(store, options, folder, &context),
        Out::Stream(stream, name) => to_stream(store, options, stream, name, &context),
    }
}

/// Does everything that [`export`] does except writing.
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
    let facts = look(store.snapshot(), store.inspect())?;
    store.release();
    if let Some(copy) = sql {
        drop(sql::single_file(copy)?);
    }
    let written = WrittenBackup {
        files: Vec::new(),
        facts,
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
        deletes_shards: NamedShard::all(&data.shards(), &written.facts.catalog),
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

/// The disk and the progress callback.
struct ExportContext<'a> {
    disk: &'a dyn Disk,
    progress: &'a dyn Fn(u64),
}

/// Writes all files of an export to `sink`. The manifests come last.
///
/// The store is rewritten to a private temporary file first. Bolt's first pages are known only
/// after the last ones, so a direct stream is not possible. Meanwhile another thread computes the
/// summary.
fn write(
    store: &Store,
    options: &Options,
    base: &str,
    sink: &mut dyn ExportTarget,
    scratch: Option<&Path>,
    context: &ExportContext<'_>,
) -> Result<WrittenBackup> {
    let names = Names::new(base, options.compression);
    let compression = options.compression;
    let (parts, facts) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let left = recoverable(store)?;
            Ok::<_, Error>((left, look(store.snapshot(), store.inspect())?))
        });
        let parts = || -> Result<_> {
            let sql = options.sqlite.as_deref().map(sql::take).transpose()?;
            let kv = temporary(scratch)?;
            let path = Path::new("a temporary copy of the store");
            let device = context.disk.private(kv.try_clone().at("write", path)?);
            store.copy_to(Engine::Bolt, device, path, &Progress::new(&|_| {}))?;
            Ok((kv, sql, time_series(store, options)?))
        };
        (parts(), looking.join())
    });
    // Both are copies of the same point in time. The rest takes long and needs no lock.
    store.release();
    let (mut kv, sql, time_series) = parts?;
    let ((recoverable_left, findings), facts) = match facts {
        Ok(facts) => facts?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    // First, since it may be refused.
    let sql = sql.map(sql::single_file).transpose()?;
    let sum = sink.put(&names.kv, &mut kv, compression, context.progress)?;
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
        let text = manifest_text(data, &facts, &kv, sql.as_ref())?;
        let sum = sink.put_text(&names.manifest, &text)?;
        files.push(ManifestEntry::new(names.manifest, Compression::None, sum));
    }
    let created_at = options.now.to_string();
    let summary = &facts.summary;
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
        facts,
        time_series,
        recoverable_left,
        findings,
    })
}

/// Checksums and facts collected while writing.
struct WrittenBackup {
    files: Vec<ManifestEntry>,
    facts: StoreFacts,
    time_series: Option<tsm::Data>,
    recoverable_left: u64,
    findings: Vec<Finding>,
}

fn to_folder(
    store: &Store,
    options: &Options,
    path: &Path,
    context: &ExportContext<'_>,
) -> Result<(Exported, Vec<Finding>)> {
    let create = !is_folder(path)?;
    let mut folder = FolderTarget::open(path, create, context.disk)?;
    if options.influx_manifest {
        no_shards_in(path)?;
    }
    let base = free_base(path, options.now)?;
    let written = write(store, options, &base, &mut folder, Some(path), context)?;
    folder.complete();
    Ok(told(path, base, written, options))
}

fn to_stream(
    store: &Store,
    options: &Options,
    stream: &mut dyn Write,
    name: &Path,
    context: &ExportContext<'_>,
) -> Result<(Exported, Vec<Finding>)> {
    let base = base(options.now);
    let mut stream = TarTarget::new(stream, name, options.now, context.disk);
    let written = write(store, options, &base, &mut stream, None, context)?;
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
            manifest: format!("{base}{}", influx_manifest::SUFFIX),
            checksums: format!("{base}{}", checksum_manifest::SUFFIX),
        }
    }
}

/// A file as a manifest lists it.
fn file_of(part: &ManifestEntry) -> FileOf {
    FileOf {
        name: part.file_name.clone(),
        size: part.size,
        compression: Some(part.compression),
    }
}

fn manifest_text(
    data: &tsm::Data,
    facts: &StoreFacts,
    kv: &ManifestEntry,
    sql: Option<&ManifestEntry>,
) -> Result<Vec<u8>> {
    influx_manifest::write(
        &file_of(kv),
        sql.map(file_of).as_ref(),
        &facts.catalog,
        data,
    )
}

/// Whether `path` is a folder.
fn is_folder(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => Ok(true),
        Ok(_) => Err(Error::new(
            ErrorKind::Refused,
            format!("{} exists already and is not a folder", path.display()),
        )
        .with_hint("name a folder (it is created if it does not exist), or - for one tar stream")),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause).at("access", path),
    }
}

/// A base name that no file in the folder uses: this second, or the next free one.
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
        format!(
            "{} already holds a backup for every second of this minute",
            folder.display()
        ),
    ))
}

/// Refuses a folder that holds a backup with shards. The influx CLI reads all manifests of a folder
/// as one backup, and this one would hide the shards of the others.
fn no_shards_in(folder: &Path) -> Result<()> {
    for name in folder::names_in(folder)? {
        if !name.ends_with(influx_manifest::SUFFIX) {
            continue;
        }
        let path = folder.join(&name);
        let text = folder::read_text(&File::open(&path).at("open", &path)?, &path)?;
        let manifest = Manifest::read(&text, &path.display().to_string())?;
        if manifest.shard_files().next().is_some() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} names shards: the influx CLI would take a manifest without shards for a \
                     later version of the same backup, and would not restore the shards",
                    path.display()
                ),
            )
            .with_hint("export to another folder, or leave out --influx-manifest"));
        }
    }
    Ok(())
}
