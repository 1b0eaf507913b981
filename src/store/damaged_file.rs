//! Opening a damaged Bolt file: the same lock and the same limits as for any store.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::store::bolt::salvage::DamagedBolt;
use crate::store::file::{DiskFile, MemoryFile, ReadAt};
use crate::store::lock::lock_shared;
use crate::store::open::{OpenOptions, Purpose, cant_unpack, open_file, read_start, recognise};
use crate::store::sparse::refuse_sparse;
use crate::store::{gzip, redb};

/// A damaged Bolt file that is open for reading. It holds the shared lock until it is dropped.
pub struct DamagedFile {
    pages: DamagedBolt,
    notices: Vec<Finding>,
    _lock: File,
}

impl DamagedFile {
    /// Opens the file at `path`, or a gzipped copy, and looks at all of its pages. Writes nothing.
    /// `progress` is called with the number of bytes read so far.
    ///
    /// # Errors
    /// * [`ErrorKind::NotFound`], [`ErrorKind::PermissionDenied`], [`ErrorKind::Io`] from the system
    /// * [`ErrorKind::NotAStore`] when nothing in it looks like a Bolt file
    /// * [`ErrorKind::Corrupt`] for a file that is far longer than what it has on disk
    /// * [`ErrorKind::Refused`] for a redb store
    /// * [`ErrorKind::Locked`] when another process has locked it
    pub fn open(path: &Path, options: &OpenOptions, progress: &dyn Fn(u64)) -> Result<Self> {
        let mut file = open_file(path, Purpose::Reading)?;
        let notices = lock_shared(&file, path, &options.lock)?;
        let lock = file.try_clone().at("read", path)?;
        let metadata = file.metadata().at("read", path)?;
        refuse_sparse(path, &metadata)?;
        let size = metadata.len();
        let mut start = [0; 16];
        let start = read_start(&mut file, &mut start).at("read", path)?;
        recognise(path, size, start)?;
        refuse_redb(path, start)?;
        let source: Box<dyn ReadAt> = if start.starts_with(&gzip::MAGIC) {
            let content = gzip::unpack(&mut file).map_err(|cause| cant_unpack(path, &cause))?;
            let start = content.get(..16).unwrap_or(&content);
            recognise(path, content.len() as u64, start)?;
            refuse_redb(path, start)?;
            Box::new(MemoryFile::new(content))
        } else {
            Box::new(DiskFile::new(file, size))
        };
        Ok(Self {
            pages: DamagedBolt::open(source, path, progress)?,
            notices: notices.into_iter().collect(),
            _lock: lock,
        })
    }

    /// Its pages.
    #[must_use]
    pub fn pages(&self) -> &DamagedBolt {
        &self.pages
    }

    /// Findings about opening: the file system has no locks.
    #[must_use]
    pub fn notices(&self) -> &[Finding] {
        &self.notices
    }
}

fn refuse_redb(path: &Path, start: &[u8]) -> Result<()> {
    if !start.starts_with(&redb::MAGIC) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "{} is a redb store; only Bolt files can be salvaged",
            path.display()
        ),
    )
    .with_hint(
        "boltkey check says whether it is damaged; boltkey convert --out FILE makes a Bolt file of \
         it if it can be read, else restore a backup with boltkey backup restore",
    ))
}
