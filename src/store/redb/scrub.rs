//! Overwrites the unused bytes of a redb file.
//!
//! The library does not tell which bytes it uses, so they can't be overwritten directly. Instead a
//! table of zeros is filled until it has taken every free page and the file has to grow. Then old
//! bytes are left only inside pages in use. These pages are rewritten before, because a page that
//! changed more than once in one transaction has old bytes after its end.
//!
//! Each step is one or more transactions of the library. None of them changes the content of a
//! bucket. An interrupted run leaves at most the table of zeros, which the next run removes.

use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, Durability, ReadableTable, StorageBackend, TableDefinition, TableError, TableHandle,
    WriteTransaction,
};

use crate::error::{Error, ErrorKind, Result};
use crate::store::Device;
use crate::store::redb::backend::OnDevice;
use crate::store::redb::guard::{drop_quietly, failed, guarded};
use crate::store::redb::names::{FILLER, REWRITTEN, SEQUENCES, bucket_of};
use crate::store::redb::{SEQUENCE_TABLE, SequenceTable, Table, open_on};

type FillerTable = TableDefinition<'static, u64, &'static [u8]>;

const FILLER_TABLE: FillerTable = TableDefinition::new(FILLER);

/// The bytes of a page that are not available for the one value that fills it.
const OVERHEAD: usize = 64;

/// How many more pages are filled after the file has grown. The library may have allocated and freed
/// pages in one step without writing to them.
const MORE: u64 = 64;

/// How many empty transactions are made so that the library frees the pages of the last ones.
const EMPTY_COMMITS: usize = 3;

/// Checks that the file system has room for a scrub, during which the file may grow to three times
/// its size.
///
/// # Errors
/// [`ErrorKind::Refused`] when it has not; [`ErrorKind::Io`] when the system can't tell.
pub(super) fn has_room(device: &dyn Device, path: &Path) -> Result<()> {
    let unread = |cause| failed(path, "read", ::redb::Error::Io(cause));
    let needed = device.length().map_err(unread)?.saturating_mul(2);
    match device.free_space().map_err(unread)? {
        Some(free) if free < needed => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "overwriting the unused parts of {} needs {needed} bytes of free space, and there are \
                 {free}",
                path.display()
            ),
        )
        .with_hint("free some space, or work on a copy of the file on another disk")),
        _ => Ok(()),
    }
}

/// Overwrites all unused bytes of the file. It can be run again at any time.
///
/// # Errors
/// [`ErrorKind::Io`] when the device fails, or unused bytes are left. The content of the buckets does
/// not change.
pub(super) fn scrub(device: &Arc<dyn Device>, path: &Path) -> Result<()> {
    guarded(path, || {
        let backend = OnDevice::new(Arc::clone(device));
        let mut database = open_on(backend.clone(), path)?;
        let done = overwrite(&mut database, &backend, path);
        match done {
            Ok(()) => database
                .close()
                .map_err(|cause| failed(path, "close", cause)),
            Err(error) => {
                drop_quietly(path, database);
                Err(error)
            }
        }
    })
}

/// Overwrites all unused bytes of an open store, as [`scrub`] does.
///
/// # Errors
/// As [`scrub`].
pub(super) fn overwrite(database: &mut Database, backend: &OnDevice, path: &Path) -> Result<()> {
    let fail = |cause: ::redb::Error| failed(path, "scrub", cause);
    transaction(database, path, |transaction| {
        transaction
            .delete_table(FILLER_TABLE)
            .map_err(|cause| fail(cause.into()))?;
        rewrite_all(transaction).map_err(fail)
    })?;
    for _ in 0..EMPTY_COMMITS {
        transaction(database, path, |_| Ok(()))?;
    }
    transaction(database, path, |transaction| {
        fill(transaction, backend, path)
    })?;
    transaction(database, path, |transaction| {
        transaction
            .delete_table(FILLER_TABLE)
            .map(|_| ())
            .map_err(|cause| fail(cause.into()))
    })?;
    // It goes on by itself as long as the file gets shorter.
    database.compact().map_err(|cause| fail(cause.into()))?;
    Ok(())
}

/// Commits one transaction and syncs it to disk.
fn transaction(
    database: &Database,
    path: &Path,
    work: impl FnOnce(&WriteTransaction) -> Result<()>,
) -> Result<()> {
    let fail = |cause: ::redb::Error| failed(path, "scrub", cause);
    let mut transaction = database.begin_write().map_err(|cause| fail(cause.into()))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|cause| fail(cause.into()))?;
    // None of these transactions changes the content, so the one before it is as good: checksums tell
    // whether a transaction is complete, and one sync for each is enough.
    transaction.set_two_phase_commit(false);
    work(&transaction)?;
    transaction.commit().map_err(|cause| fail(cause.into()))
}

/// Rewrites every table of boltkey in order, so that its pages have no old bytes.
fn rewrite_all(transaction: &WriteTransaction) -> Result<(), ::redb::Error> {
    let tables = transaction.list_tables()?;
    let names: Vec<String> = tables.map(|handle| handle.name().to_owned()).collect();
    for name in names {
        let done = if name == SEQUENCES {
            rewrite(transaction, SEQUENCE_TABLE, SequenceTable::new(REWRITTEN))
        } else if bucket_of(&name).is_some() {
            rewrite(transaction, Table::new(&name), Table::new(REWRITTEN))
        } else {
            continue;
        };
        match done {
            // Not a table of boltkey: other types of keys or values.
            Err(
                TableError::TableTypeMismatch { .. }
                | TableError::TableIsMultimap(_)
                | TableError::TypeDefinitionChanged { .. },
            )
            | Ok(()) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
    Ok(())
}

fn rewrite<V: ::redb::Value + 'static>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, &'static [u8], V>,
    new_definition: TableDefinition<'_, &'static [u8], V>,
) -> Result<(), TableError> {
    let old = transaction.open_table(definition)?;
    let mut new = transaction.open_table(new_definition)?;
    for pair in old.iter()? {
        let (key, value) = pair?;
        new.insert(key.value(), value.value())?;
    }
    drop((old, new));
    transaction.delete_table(definition)?;
    transaction.rename_table(new_definition, definition)
}

/// Fills every free page with zeros, one by one, until the file has to grow.
fn fill(transaction: &WriteTransaction, backend: &OnDevice, path: &Path) -> Result<()> {
    let fail = |cause: ::redb::Error| failed(path, "scrub", cause);
    let length = || {
        backend
            .len()
            .map_err(|cause| fail(::redb::Error::Io(cause)))
    };
    let mut header = [0; crate::store::redb::HEADER];
    backend
        .read(0, &mut header)
        .map_err(|cause| fail(::redb::Error::Io(cause)))?;
    let [.., a, b, c, d] = header;
    let page_size = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(0);
    // Fills exactly one page.
    let nothing = vec![0; page_size.clamp(512, 1 << 20) - OVERHEAD];
    let before = length()?;
    let mut table = transaction
        .open_table(FILLER_TABLE)
        .map_err(|cause| fail(cause.into()))?;
    let most = before / nothing.len() as u64 + 2;
    let mut left = None;
    for number in 0..=most + MORE {
        table
            .insert(number, nothing.as_slice())
            .map_err(|cause| fail(cause.into()))?;
        match &mut left {
            Some(0) => return Ok(()),
            Some(left) => *left -= 1,
            None if length()? > before => left = Some(MORE),
            None => {}
        }
    }
    Err(Error::new(
        ErrorKind::Io,
        format!(
            "some unused parts of {} could not be overwritten",
            path.display()
        ),
    ))
}
