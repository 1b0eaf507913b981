//! Copies a whole store to a new file: every bucket, key, value and sequence, and nothing else.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::store::device::{Device, Latch};
use crate::store::either_engine::Opened;
use crate::store::partial_reads::whole;
use crate::store::progress::Progress;
use crate::store::{ChangeSet, Engine, Model, Preview, ReadAt, Snapshot, bolt, redb};

/// Copies the content of `source`, with `changes` applied, to an empty file as a store of `engine`.
/// Messages show `path` for the new file. On success the file is complete, synced and verified.
///
/// # Errors
/// * [`ErrorKind::Corrupt`] when damage hides a part of `source`
/// * [`ErrorKind::Refused`] when `engine` does not support the content, and for changes to buckets
///   that do not exist
/// * [`ErrorKind::Io`] when `source` can't be read, or the file can't be written or verified
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

/// Creates a store of `engine` with `content` in an empty file. Messages show `path` for the file.
/// On success the file is complete, synced and verified.
///
/// # Errors
/// * [`ErrorKind::Refused`] when `engine` does not support the content
/// * [`ErrorKind::Io`] when the file can't be written or verified
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

/// Checks whether [`copy`] would accept `source`.
///
/// # Errors
/// Those of [`copy`] that are about `source`.
pub(super) fn could_copy(source: &Opened, engine: Engine) -> Result<()> {
    if let Opened::Bolt(bolt) = source {
        match engine {
            Engine::Bolt => bolt.could_copy()?,
            Engine::Redb => bolt.must_be_flat()?,
        }
    }
    content_checksum(source.snapshot()).map(drop)
}

/// Verifies that a new redb store has the content of `source`. The checksums of redb don't cover
/// errors made before the content reached the library.
///
/// # Errors
/// [`ErrorKind::Io`] when the content differs or can't be read.
fn same_content(source: &dyn Snapshot, device: &Arc<dyn Device>, path: &Path) -> Result<()> {
    let view = crate::store::device::View::new(Arc::clone(device)).map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("can't read {}: {cause}", path.display()),
        )
    })?;
    let view: Arc<dyn ReadAt> = Arc::new(view);
    let new = redb::Redb::open(view, path)?;
    if content_checksum(source)? == content_checksum(&new)? {
        return Ok(());
    }
    Err(does_not_read_back(path))
}

/// The error for a file with other content than was written.
pub(super) fn does_not_read_back(path: &Path) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("{} does not read back as it was written", path.display()),
    )
    .with_hint("the disk may be failing: choose a file on another disk")
}

/// The CRC-32 of all names, sequences, keys and values.
fn content_checksum(snapshot: &dyn Snapshot) -> Result<u32> {
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
