//! redb stores, read and written with the `redb` crate.
//!
//! A bucket is a table of the same name, with bytes as keys and values. The library writes to a
//! file when it opens it, so for reading a [`backend::Overlay`] keeps all writes in memory. A store
//! is opened only if all checksums are right, so damage is an error when a store is opened, and
//! never a wrong record.
//!
//! | module | knows |
//! | --- | --- |
//! | [`names`] | names of buckets and tables |
//! | [`backend`] | the storage that the library reads and writes |
//! | [`guard`] | its panics and errors |
//! | [`node`] | the layout of a node |
//! | [`page_lengths`] | the limit for the lengths of pages |
//! | [`pages`] | the structure check and the bytes of the file |
//! | [`mod@write`] | one transaction on the device that holds the lock |
//! | [`mod@create`] | writing a new store |
//! | [`scrub`] | overwriting unused bytes |

mod backend;
mod create;
mod guard;
mod names;
mod node;
mod page_lengths;
mod pages;
mod scrub;
mod write;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::redb::{
    Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, TableHandle,
};

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Finding};
use crate::store::{
    Bucket, ChangeSet, Committed, Device, Inspect, Pages, ProtectedBytes, ReadAt, Snapshot,
    StructureCheck, Unused, Visitor,
};
use backend::{Overlay, RECOVERY_REQUIRED};
use guard::{drop_quietly, failed, guarded};
use names::{SEQUENCES, bucket_of, table_of};

pub use create::create;

/// The first bytes of every redb file.
pub(super) const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// The length in bytes of the part of the header that is read here: magic, state, page size.
const HEADER: usize = 16;

/// The size of the page cache of the library in bytes.
const CACHE: usize = 16 << 20;

type Table<'n> = TableDefinition<'n, &'static [u8], &'static [u8]>;
type SequenceTable = TableDefinition<'static, &'static [u8], u64>;

const SEQUENCE_TABLE: SequenceTable = TableDefinition::new(SEQUENCES);

/// An open redb store, for reading.
pub struct Redb {
    source: Arc<dyn ReadAt>,
    path: PathBuf,
    page_size: u64,
    notices: Vec<Finding>,
    /// `None` only in the destructor.
    database: Option<Database>,
}

impl Redb {
    /// Sets the path that messages show.
    pub(super) fn set_display_path(&mut self, path: &Path) {
        self.path = path.to_path_buf();
    }

    /// Opens a store for reading. Writes nothing, even if the store needs a repair. `path` is for
    /// messages only.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is damaged or shorter than its header;
    /// [`ErrorKind::NotAStore`] when another version of redb wrote it; [`ErrorKind::Io`] when it
    /// can't be read.
    pub fn open(source: Arc<dyn ReadAt>, path: &Path) -> Result<Self> {
        let mut header = [0; HEADER];
        if source.size() < HEADER as u64 {
            // The library would create a new store in an empty file.
            return Err(Error::new(
                ErrorKind::NotAStore,
                format!(
                    "{} is a damaged redb store: it ends within its header",
                    path.display()
                ),
            )
            .with_hint(guard::RESTORE));
        }
        source
            .read_exact_at(&mut header, 0)
            .map_err(|cause| failed(path, "read", ::redb::Error::Io(cause)))?;
        let [_, _, _, _, _, _, _, _, _, state, _, _, page_size @ ..] = header;
        let mut notices = Vec::new();
        if state & RECOVERY_REQUIRED != 0 {
            notices.push(
                Finding::new(Code::Unclean,
                    path.display().to_string(),
                    "the store was not closed properly, because a process was killed or failed while it \
                     changed the store; it is repaired in memory for reading, and the file stays as it is",
                )
                .with_hint("the next command that changes the store repairs the file"),
            );
        }
        let database = guarded(path, || open_on(Overlay::new(Arc::clone(&source)), path))?;
        Ok(Self {
            source,
            path: path.to_path_buf(),
            page_size: u64::from(u32::from_le_bytes(page_size)),
            notices,
            database: Some(database),
        })
    }

    /// Bytes per page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Findings about opening.
    #[must_use]
    pub fn notices(&self) -> Vec<Finding> {
        self.notices.clone()
    }

    /// Commits `changes` through `device`, which holds the lock. After that this value is out of
    /// date: open the file again.
    ///
    /// # Errors
    /// Only when the change was not committed, as [`crate::store::Commit::commit`].
    pub(super) fn commit(
        &self,
        device: &Arc<dyn Device>,
        changes: &ChangeSet,
        protected: &ProtectedBytes,
    ) -> Result<Committed> {
        write::commit(self, device, changes, protected)
    }

    /// Calls `work` with a read transaction.
    fn read<T>(&self, work: impl FnOnce(&::redb::ReadTransaction) -> Result<T>) -> Result<T> {
        let Some(database) = &self.database else {
            return Err(Error::new(ErrorKind::Io, "the store is closed"));
        };
        guarded(&self.path, || {
            let transaction = database
                .begin_read()
                .map_err(|cause| failed(&self.path, "read", cause))?;
            work(&transaction)
        })
    }

    fn failed(&self, cause: impl Into<::redb::Error>) -> Error {
        failed(&self.path, "read", cause)
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        drop_quietly(&self.path, self.database.take());
    }
}

/// Opens an existing store on a backend. Verifies all checksums first.
fn open_on(backend: impl StorageBackend, path: &Path) -> Result<Database> {
    Builder::new()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backend)
        .map_err(|cause| failed(path, "open", cause))
}

/// The table of a bucket, opened for reading.
type OpenTable = ::redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Opens the table of `bucket`; `None` if there is no such table, or its keys or values are not
/// bytes.
fn table(
    transaction: &::redb::ReadTransaction,
    bucket: &[u8],
) -> Result<Option<OpenTable>, TableError> {
    if bucket.is_empty() {
        return Ok(None);
    }
    let name = table_of(bucket);
    match transaction.open_table(Table::new(&name)) {
        Ok(table) => Ok(Some(table)),
        Err(
            TableError::TableDoesNotExist(_)
            | TableError::TableTypeMismatch { .. }
            | TableError::TableIsMultimap(_)
            | TableError::TypeDefinitionChanged { .. },
        ) => Ok(None),
        Err(cause) => Err(cause),
    }
}

impl Snapshot for Redb {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        self.read(|transaction| {
            let sequences = match transaction.open_table(SEQUENCE_TABLE) {
                Ok(table) => Some(table),
                Err(TableError::TableDoesNotExist(_)) => None,
                Err(cause) => return Err(self.failed(cause)),
            };
            let mut list = Vec::new();
            for handle in transaction
                .list_tables()
                .map_err(|cause| self.failed(cause))?
            {
                let Some(name) = bucket_of(handle.name()) else {
                    continue;
                };
                if table(transaction, &name)
                    .map_err(|cause| self.failed(cause))?
                    .is_none()
                {
                    continue;
                }
                let sequence = match &sequences {
                    Some(table) => table
                        .get(name.as_slice())
                        .map_err(|cause| self.failed(cause))?,
                    None => None,
                };
                let sequence = sequence.map_or(0, |sequence| sequence.value());
                list.push(Bucket { name, sequence });
            }
            list.sort_by(|a, b| a.name.cmp(&b.name));
            Ok((list, Vec::new()))
        })
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|transaction| {
            let found = table(transaction, bucket).map_err(|cause| self.failed(cause))?;
            let Some(table) = found else { return Ok(None) };
            let value = table.get(key).map_err(|cause| self.failed(cause))?;
            Ok(value.map(|value| value.value().to_vec()))
        })
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.read(|transaction| {
            let found = table(transaction, bucket).map_err(|cause| self.failed(cause))?;
            let Some(table) = found else {
                return Ok(Vec::new());
            };
            for pair in table.iter().map_err(|cause| self.failed(cause))? {
                let (key, value) = pair.map_err(|cause| self.failed(cause))?;
                if visit(key.value(), value.value()) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(Vec::new())
        })
    }
}

impl Inspect for Redb {
    fn check(&self) -> Result<StructureCheck> {
        pages::check(self)
    }

    fn unused(&self, visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        pages::shown(self, visit)
    }

    fn shows_live_bytes(&self) -> bool {
        true
    }
}
