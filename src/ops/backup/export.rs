//! `backup export`: the metadata of a stopped server, without any token.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::{self, FileOf, Manifest, base};
use super::parts::{Sum, pack, reads_back, temporary};
use super::sheet::{self, Part};
use super::summary::{Looked, NamedShard, look};
use super::{Compression, source, sql};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::metadata::tsm;
use crate::ops::convert::recoverable;
use crate::ops::output::{Finished, OutputFile};
use crate::store::device::on_file;
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
    pub files: Vec<Part>,
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

/// Writes a backup of the metadata that `store` holds. Its lock is held until this is done, so
/// that both files are of one moment.
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
    progress: &dyn Fn(u64),
) -> Result<(Exported, Vec<Finding>)> {
    match out {
        Out::Folder(folder) => to_folder(store, options, folder, progress),
        Out::Stream(stream, name) => to_stream(store, options, stream, name, progress),
    }
    .map_err(Error::nothing_changed)
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
    let could = || {
        if let Some(folder) = folder {
            let is_there = is_folder(folder)?;
            if !is_there {
                OutputFile::could_create_regular(folder)?;
            } else if options.influx_manifest {
                no_shards_in(folder)?;
            }
        }
        store.could_copy_to(Engine::Bolt)?;
        if let Some(path) = &options.sqlite {
            drop(sql::copy(path)?);
        }
        let looked = look(store.snapshot())?;
        let (left, findings) = recoverable(store)?;
        let base = base(options.now);
        let out = folder.unwrap_or(Path::new("-"));
        Ok((
            told(out, base, Vec::new(), options, store, &looked, left)?,
            findings,
        ))
    };
    could().map_err(Error::nothing_changed)
}

fn told(
    out: &Path,
    base: String,
    files: Vec<Part>,
    options: &Options,
    store: &Store,
    looked: &Looked,
    recoverable_left: u64,
) -> Result<Exported> {
    let influx_manifest = if options.influx_manifest {
        let shards = tsm::load(store.snapshot())?.unwrap_or_default().shards();
        Some(InfluxManifest {
            deletes_shards: NamedShard::all(&shards, &looked.catalog),
        })
    } else {
        None
    };
    Ok(Exported {
        out: out.to_path_buf(),
        base,
        files,
        sqlite: options.sqlite.is_some(),
        influx_manifest,
        recoverable_left,
        changed: false,
    })
}

/// The contents of both stores, in files without a name.
struct Contents {
    kv: File,
    sql: Option<File>,
    looked: Looked,
    recoverable_left: u64,
    findings: Vec<Finding>,
}

/// Lays the store out anew and copies the SQLite file, both to private temporary files: Bolt's
/// first pages are known only when the last ones are, so nothing can be packed on the way.
fn contents(store: &Store, options: &Options, folder: Option<&Path>) -> Result<Contents> {
    let sql = options.sqlite.as_deref().map(sql::copy).transpose()?;
    let kv = temporary(folder)?;
    let path = &store.description().path;
    let device = on_file(kv.try_clone().at("copy", path)?);
    // To look for tokens in unused parts takes about as long as copying what is in use.
    let (copied, left) = std::thread::scope(|scope| {
        let left = scope.spawn(|| recoverable(store));
        let out = Path::new("the temporary copy");
        let copied = store.copy_to(Engine::Bolt, device, out, &Progress::new(&|_| {}));
        (copied, left.join())
    });
    copied?;
    let (recoverable_left, findings) = match left {
        Ok(left) => left?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    Ok(Contents {
        kv,
        sql,
        looked: look(store.snapshot())?,
        recoverable_left,
        findings,
    })
}

/// Names of the files of one export.
struct Names {
    kv: String,
    sql: String,
    manifest: String,
    sheet: String,
}

impl Names {
    fn new(base: &str, compression: Compression) -> Self {
        let suffix = compression.suffix();
        Self {
            kv: format!("{base}.bolt{suffix}"),
            sql: format!("{base}.sqlite{suffix}"),
            manifest: format!("{base}{}", manifest::SUFFIX),
            sheet: format!("{base}{}", sheet::SUFFIX),
        }
    }
}

/// A part as a manifest names it.
fn file_of(part: &Part) -> FileOf {
    FileOf {
        name: part.file_name.clone(),
        size: part.size,
        compression: Some(part.compression),
    }
}

fn manifest_text(store: &Store, looked: &Looked, kv: &Part, sql: Option<&Part>) -> Result<Vec<u8>> {
    let data = tsm::load(store.snapshot())?.unwrap_or_default();
    manifest::write(
        &file_of(kv),
        sql.map(file_of).as_ref(),
        &looked.catalog,
        &data,
    )
}

/// A folder, with what this run has put into it. Unless it is complete, all of it goes again.
struct Folder<'a> {
    path: &'a Path,
    made: bool,
    written: Vec<Finished>,
    complete: bool,
}

impl<'a> Folder<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let made = !is_folder(path)?;
        if made {
            DirBuilder::new()
                .mode(0o700)
                .create(path)
                .at("create", path)
                .map_err(|error| match error.kind() {
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
        })
    }

    /// Writes a file, which has its name when it is complete and was read back.
    fn put(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut OutputFile, &Path) -> Result<Sum>,
    ) -> Result<Sum> {
        let path = self.path.join(name);
        let mut out = OutputFile::create_regular(&path)?;
        let sum = write(&mut out, &path)?;
        self.written
            .push(out.finish_after(|file| reads_back(file, &sum))?);
        Ok(sum)
    }

    fn put_text(&mut self, name: &str, text: &[u8]) -> Result<Sum> {
        self.put(name, |out, path| {
            out.write_all(text).at("write", path)?;
            Ok(sum_of_text(text))
        })
    }
}

impl Drop for Folder<'_> {
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

fn sum_of_text(text: &[u8]) -> Sum {
    let mut summed = super::parts::Summed::new(std::io::sink());
    // A sink takes everything.
    let _ = summed.write_all(text);
    summed.sum()
}

fn to_folder(
    store: &Store,
    options: &Options,
    path: &Path,
    progress: &dyn Fn(u64),
) -> Result<(Exported, Vec<Finding>)> {
    let mut folder = Folder::open(path)?;
    if options.influx_manifest {
        no_shards_in(path)?;
    }
    let base = free_base(path, options.now)?;
    let names = Names::new(&base, options.compression);
    let mut contents = contents(store, options, Some(path))?;
    let compression = options.compression;
    let mut put = |name: &str, content: &mut File, progress: &dyn Fn(u64)| -> Result<Part> {
        let sum = folder.put(name, |out, path| {
            pack(content, compression, out, path, &mut |done| progress(done))
        })?;
        Ok(Part::new(name.to_owned(), compression, sum))
    };
    let kv = put(&names.kv, &mut contents.kv, progress)?;
    let sql = match &mut contents.sql {
        Some(content) => Some(put(&names.sql, content, &|_| {})?),
        None => None,
    };
    let mut files: Vec<Part> = [Some(kv.clone()), sql.clone()]
        .into_iter()
        .flatten()
        .collect();
    if options.influx_manifest {
        let text = manifest_text(store, &contents.looked, &kv, sql.as_ref())?;
        let sum = folder.put_text(&names.manifest, &text)?;
        files.push(Part::new(names.manifest, Compression::None, sum));
    }
    let sheet = sheet::Written::new(
        &options.now.to_string(),
        &kv,
        sql.as_ref(),
        &contents.looked.summary,
        contents.recoverable_left,
    )
    .text()?;
    let sum = folder.put_text(&names.sheet, &sheet)?;
    files.push(Part::new(names.sheet, Compression::None, sum));
    let Contents {
        looked,
        recoverable_left,
        findings,
        ..
    } = contents;
    let told = told(path, base, files, options, store, &looked, recoverable_left)?;
    folder.complete = true;
    Ok((told, findings))
}

fn to_stream(
    store: &Store,
    options: &Options,
    stream: &mut dyn Write,
    name: &Path,
    progress: &dyn Fn(u64),
) -> Result<(Exported, Vec<Finding>)> {
    let base = base(options.now);
    let names = Names::new(&base, options.compression);
    let mut contents = contents(store, options, None)?;
    let mut tar = tar::Builder::new(stream);
    let mtime = u64::try_from(options.now.as_second()).unwrap_or(0);
    let mut append = |file: &str, content: &mut dyn std::io::Read, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(mtime);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, file, content)
            .at("write", name)
    };
    let compression = options.compression;
    let mut put = |file: &str, content: &mut File, progress: &dyn Fn(u64)| -> Result<Part> {
        // A tar tells how long a file is before it comes.
        let mut packed = temporary(None)?;
        let path = Path::new("a temporary file");
        let sum = pack(content, compression, &mut packed, path, &mut |done| {
            progress(done)
        })?;
        reads_back(&mut packed, &sum).at("verify", path)?;
        std::io::Seek::rewind(&mut packed).at("read", path)?;
        append(file, &mut packed, sum.size)?;
        Ok(Part::new(file.to_owned(), compression, sum))
    };
    let kv = put(&names.kv, &mut contents.kv, progress)?;
    let sql = match &mut contents.sql {
        Some(content) => Some(put(&names.sql, content, &|_| {})?),
        None => None,
    };
    let mut files: Vec<Part> = [Some(kv.clone()), sql.clone()]
        .into_iter()
        .flatten()
        .collect();
    let mut texts = Vec::new();
    if options.influx_manifest {
        let text = manifest_text(store, &contents.looked, &kv, sql.as_ref())?;
        texts.push((names.manifest, text));
    }
    let created_at = options.now.to_string();
    let sheet = sheet::Written::new(
        &created_at,
        &kv,
        sql.as_ref(),
        &contents.looked.summary,
        contents.recoverable_left,
    );
    texts.push((names.sheet, sheet.text()?));
    for (file, text) in texts {
        append(&file, &mut text.as_slice(), text.len() as u64)?;
        files.push(Part::new(file, Compression::None, sum_of_text(&text)));
    }
    let stream = tar.into_inner().at("write", name)?;
    stream.flush().at("write", name)?;
    let Contents {
        looked,
        recoverable_left,
        findings,
        ..
    } = contents;
    let out = Path::new("-");
    let told = told(out, base, files, options, store, &looked, recoverable_left)?;
    Ok((told, findings))
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
    let names: Vec<String> = source::names_in(folder)?;
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
    for name in source::names_in(folder)? {
        if !name.ends_with(manifest::SUFFIX) {
            continue;
        }
        let path = folder.join(&name);
        let text = source::read_text(&File::open(&path).at("open", &path)?, &path)?;
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
