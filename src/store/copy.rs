//! A whole store into a new file: every bucket, key, value and sequence, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Severity};
use crate::store::device::{Device, Latch};
use crate::store::opened::Opened;
use crate::store::{ChangeSet, Engine, Model, Preview, ReadAt, Snapshot, bolt, redb};

/// Told how many bytes of keys and values have been copied, now and then.
pub struct Progress<'a> {
    done: AtomicU64,
    tell: &'a (dyn Fn(u64) + Sync),
}

/// Bytes between two reports.
const STEP: u64 = 1 << 20;

impl<'a> Progress<'a> {
    /// Reports to `tell`.
    #[must_use]
    pub fn new(tell: &'a (dyn Fn(u64) + Sync)) -> Self {
        Self {
            done: AtomicU64::new(0),
            tell,
        }
    }

    /// Adds what was copied.
    pub(super) fn add(&self, bytes: usize) {
        let bytes = bytes as u64;
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        if before / STEP != (before + bytes) / STEP {
            (self.tell)(before + bytes);
        }
    }
}

/// Copies everything that `source` holds, with `changes` made, into an empty file, as a store of
/// `engine`; `path` is that file's, for messages. The file is complete, on disk, and was read back.
///
/// # Errors
/// * [`ErrorKind::Corrupt`] when `source` can't be read whole
/// * [`ErrorKind::Refused`] when `engine` can't hold what is in it, and for changes to what is not
///   there
/// * [`ErrorKind::Io`] when the file can't be written, or does not read back
pub(super) fn copy(
    source: &Opened,
    changes: &ChangeSet,
    engine: Engine,
    device: Box<dyn Device>,
    path: &Path,
    progress: &Progress<'_>,
) -> Result<()> {
    let device: &Arc<dyn Device> = &(Arc::new(Latch::new(device)) as _);
    let changed = Preview::new(source.snapshot(), changes);
    match (source, engine) {
        (Opened::Bolt(source), Engine::Bolt) => source.copy_to(changes, device, path, progress),
        (Opened::Redb(_), Engine::Bolt) => {
            bolt::create(&changed, bolt::USUAL_PAGE_SIZE, device, path, progress)
        }
        (source, Engine::Redb) => {
            if let Opened::Bolt(bolt) = source {
                bolt.must_be_flat()?;
            }
            redb::create(&changed, device, path, progress)?;
            same_content(&changed, device, path)
        }
    }
}

/// Makes a store of `engine` with what `content` holds, in an empty file; `path` is that file's, for
/// messages. The file is complete, on disk, and was read back.
///
/// # Errors
/// * [`ErrorKind::Refused`] when `engine` can't hold the content
/// * [`ErrorKind::Io`] when the file can't be written, or does not read back
pub fn create_from(
    content: &Model,
    engine: Engine,
    device: Box<dyn Device>,
    path: &Path,
    progress: &Progress<'_>,
) -> Result<()> {
    let device: Arc<dyn Device> = Arc::new(Latch::new(device));
    match engine {
        Engine::Bolt => bolt::create(content, bolt::USUAL_PAGE_SIZE, &device, path, progress),
        Engine::Redb => {
            redb::create(content, &device, path, progress)?;
            same_content(content, &device, path)
        }
    }
}

/// What [`copy`] would refuse of `source`.
///
/// # Errors
/// As [`copy`] where the new file is not concerned.
pub(super) fn could_copy(source: &Opened, engine: Engine) -> Result<()> {
    if let (Opened::Bolt(bolt), Engine::Redb) = (source, engine) {
        bolt.must_be_flat()?;
    }
    sum(source.snapshot()).map(drop)
}

/// Whether a new store holds what it should: the library that wrote it has checksums of its own,
/// but it has not seen the source.
fn same_content(source: &dyn Snapshot, device: &Arc<dyn Device>, path: &Path) -> Result<()> {
    let view = crate::store::device::View::new(Arc::clone(device)).map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("can't read {}: {cause}", path.display()),
        )
    })?;
    let view: Arc<dyn ReadAt> = Arc::new(view);
    let new = redb::Redb::open(view, path)?;
    if sum(source)? == sum(&new)? {
        return Ok(());
    }
    Err(does_not_read_back(path))
}

pub(super) fn does_not_read_back(path: &Path) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("{} does not read back as it was written", path.display()),
    )
    .with_hint("the disk may be failing: name a file on another one")
}

/// A checksum over names, sequences, keys and values.
fn sum(snapshot: &dyn Snapshot) -> Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    for bucket in whole(snapshot.buckets()?)? {
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        add(&bucket.name);
        add(&bucket.sequence.to_le_bytes());
        let findings = snapshot.scan(&bucket.name, &mut |key, value| {
            add(key);
            add(value);
            std::ops::ControlFlow::Continue(())
        })?;
        whole(((), findings))?;
    }
    Ok(hasher.finalize())
}

/// What was read, if nothing had to be skipped.
///
/// # Errors
/// [`ErrorKind::Corrupt`], naming the first that had to be.
pub(super) fn whole<T>((read, findings): (T, Vec<Finding>)) -> Result<T> {
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        None => Ok(read),
        Some(finding) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the store is damaged at {}: {}; a copy would lack what is lost there, so none \
                 was made",
                finding.place, finding.message
            ),
        )
        .with_hint("boltkey check lists all damage")),
    }
}
