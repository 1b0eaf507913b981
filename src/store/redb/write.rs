//! Commits one transaction to a redb store, through the device that holds the lock.
//!
//! The library writes to the file as soon as it opens it, but only to bytes that its last commit
//! does not use, and to the flag in the header that the store is open. The write of one byte of the
//! header commits a change; [`OnDevice`] detects that write.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ::redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend,
    TableError,
};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::change::{BucketChange, PairAction, no_such_bucket, valid_key};
use crate::store::redb::backend::{OnDevice, Rehearsal};
use crate::store::redb::guard::{drop_quietly, failed, guarded};
use crate::store::redb::names::{REWRITTEN, table_of};
use crate::store::redb::scrub::{has_room, overwrite, scrub};
use crate::store::redb::{Redb, SEQUENCE_TABLE, Table, open_on, table};
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Device, Mend, Preview, ProtectedBytes, Snapshot, Wipe,
};

/// See [`crate::store::Commit::commit`].
pub(super) fn commit(
    store: &Redb,
    device: &Arc<dyn Device>,
    changes: &ChangeSet,
    protected: &ProtectedBytes,
) -> Result<Committed> {
    let path = &store.path;
    let everything = changes.wipe == Wipe::Everything;
    if everything {
        has_room(&**device, path)?;
    }
    // Any transaction repairs a store that was not closed properly.
    if changes.mend == Mend::Nothing && !changes_anything(store, changes)? {
        if !everything {
            return Ok(Committed {
                outcome: CommitOutcome::Unchanged,
                failure: None,
            });
        }
        return Ok(match scrub(device, path) {
            Ok(()) => Committed {
                outcome: CommitOutcome::Changed,
                failure: None,
            },
            Err(cause) => not_scrubbed(&cause, path),
        });
    }
    if !protected.is_empty() {
        rehearse(store, changes, protected)?;
    }
    let backend = OnDevice::new(Arc::clone(device));
    let done = guarded(path, || {
        transact(backend.clone(), path, changes, Some(&backend))
    });
    Ok(match done {
        Ok(End::Closed) => Committed {
            outcome: CommitOutcome::Changed,
            failure: None,
        },
        Ok(End::NotScrubbed(cause)) => not_scrubbed(&cause, path),
        Ok(End::NotClosed(cause)) => Committed {
            outcome: CommitOutcome::Changed,
            failure: incomplete(format!(
                "the change to {} is committed, but the store could not be closed: {cause}; the \
                 next command that changes the store repairs it",
                path.display()
            )),
        },
        Ok(End::Unknown) => Committed {
            outcome: CommitOutcome::Unknown,
            failure: incomplete(format!(
                "the write that commits the change to {} failed; the change may or may not be \
                 committed, and the store is intact in both cases",
                path.display()
            )),
        },
        Err(error) => return Err(error),
    })
}

/// The content is right, but the unused bytes of the file could not be overwritten.
fn not_scrubbed(cause: &Error, path: &Path) -> Committed {
    Committed {
        outcome: CommitOutcome::Changed,
        failure: incomplete(format!(
            "the store {} is intact and has the right content, but unused parts of the file may \
             still show old records: {cause}",
            path.display()
        )),
    }
}

fn incomplete(message: String) -> Option<Error> {
    Some(
        Error::new(ErrorKind::Incomplete, message)
            .with_hint("run boltkey status to see the current content of the file"),
    )
}

/// The result of a transaction that did not fail before its commit.
enum End {
    /// It is committed, and the store was closed.
    Closed,
    /// It is committed, but the unused bytes could not be overwritten after it.
    NotScrubbed(Error),
    /// It is committed, but closing the store failed.
    NotClosed(String),
    /// The write that commits failed: it is committed or not.
    Unknown,
}

/// Opens the store, commits the changes, overwrites the unused bytes if the changes want that, and
/// closes the store.
fn transact(
    backend: impl StorageBackend,
    path: &Path,
    changes: &ChangeSet,
    switch: Option<&OnDevice>,
) -> Result<End> {
    let mut database = open_on(backend, path)?;
    match guarded(path, || change(&database, path, changes, switch)) {
        Ok(()) => {
            if changes.wipe == Wipe::Everything
                && let Some(backend) = switch
                && let Err(cause) = guarded(path, || overwrite(&mut database, backend, path))
            {
                drop_quietly(path, database);
                return Ok(End::NotScrubbed(cause));
            }
            let closed = guarded(path, || {
                let closed = database.close();
                closed.map_err(|cause| failed(path, "close", cause))
            });
            Ok(match closed {
                Ok(()) => End::Closed,
                Err(error) => End::NotClosed(error.to_string()),
            })
        }
        Err(error) => {
            // Checked before the database is dropped, since dropping it tries to write again.
            let unknown = switch.is_some_and(OnDevice::has_switched);
            drop_quietly(path, database);
            if unknown {
                Ok(End::Unknown)
            } else {
                Err(error)
            }
        }
    }
}

fn change(
    database: &Database,
    path: &Path,
    changes: &ChangeSet,
    switch: Option<&OnDevice>,
) -> Result<()> {
    let mut transaction = database
        .begin_write()
        .map_err(|cause| failed(path, "change", cause))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|cause| failed(path, "change", cause))?;
    transaction.set_two_phase_commit(true);
    let before = database
        .begin_read()
        .map_err(|cause| failed(path, "read", cause))?;
    for (name, change) in changes.buckets() {
        let old = table(&before, name).map_err(|cause| failed(path, "read", cause))?;
        let anew = match &old {
            // Of few pairs, or with protected bytes, it is better to change as little as possible.
            Some(old) if changes.wipe == Wipe::Everything => is_rewritten(old, change, path)?,
            _ => false,
        };
        match old {
            Some(old) if anew => rewrite_bucket(&transaction, &old, name, change, path)?,
            old => change_bucket(&transaction, old, name, change, path)?,
        }
    }
    drop(before);
    if let Some(switch) = switch {
        switch.commits();
    }
    transaction
        .commit()
        .map_err(|cause| failed(path, "change", cause))
}

/// Whether a table of many pairs is written anew: a transform changes it everywhere, and nothing
/// else does.
fn is_rewritten(old: &BucketTable, change: &BucketChange, path: &Path) -> Result<bool> {
    const MANY: u64 = 1000;
    let pairs = old.len().map_err(|cause| failed(path, "read", cause))?;
    Ok(pairs >= MANY
        && change.transform.is_some()
        && !change.delete
        && change.edits.is_empty()
        && change.additions.is_none())
}

/// Writes the transformed pairs to a new table, in the order of their keys, and gives it the name of
/// the old one. That takes a fraction of the time of changing each pair in its place.
fn rewrite_bucket(
    transaction: &::redb::WriteTransaction,
    old: &BucketTable,
    name: &[u8],
    change: &BucketChange,
    path: &Path,
) -> Result<()> {
    let failed = |cause: ::redb::Error| failed(path, "change", cause);
    let Some(transform) = &change.transform else {
        return Ok(());
    };
    let table_name = table_of(name);
    let mut new = transaction
        .open_table(Table::new(REWRITTEN))
        .map_err(|cause| failed(cause.into()))?;
    let mut buffer = Zeroizing::new(Vec::new());
    for pair in old.iter().map_err(|cause| failed(cause.into()))? {
        let (key, value) = pair.map_err(|cause| failed(cause.into()))?;
        let (key, value) = (key.value(), value.value());
        buffer.clear();
        let value = match transform.apply(key, value, &mut buffer)? {
            PairAction::Keep => value,
            PairAction::Replace => buffer.as_slice(),
            PairAction::Remove => continue,
        };
        new.insert(key, value)
            .map_err(|cause| failed(cause.into()))?;
    }
    drop(new);
    transaction
        .delete_table(Table::new(&table_name))
        .map_err(|cause| failed(cause.into()))?;
    transaction
        .rename_table(Table::new(REWRITTEN), Table::new(&table_name))
        .map_err(|cause| failed(cause.into()))
}

/// The table of a bucket, as it is before the change.
type BucketTable = ::redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

fn change_bucket(
    transaction: &::redb::WriteTransaction,
    old: Option<BucketTable>,
    name: &[u8],
    change: &BucketChange,
    path: &Path,
) -> Result<()> {
    if name.is_empty() {
        return Err(no_such_bucket(name));
    }
    let table_name = table_of(name);
    let definition = Table::new(&table_name);
    let failed = |cause: ::redb::Error| failed(path, "change", cause);
    if change.delete {
        if old.is_some() {
            transaction
                .delete_table(definition)
                .map_err(|cause| failed(cause.into()))?;
            let mut sequences = transaction
                .open_table(SEQUENCE_TABLE)
                .map_err(|cause| failed(cause.into()))?;
            sequences
                .remove(name)
                .map_err(|cause| failed(cause.into()))?;
        }
        return Ok(());
    }
    if old.is_none() && !change.create {
        return Err(no_such_bucket(name));
    }
    let mut table = match transaction.open_table(definition) {
        Ok(table) => table,
        Err(TableError::Storage(cause)) => return Err(failed(cause.into())),
        Err(_) => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "the name {table_name:?} belongs to a table that was not created by boltkey"
                ),
            ));
        }
    };
    if let (Some(transform), Some(old)) = (&change.transform, &old) {
        let mut new = Zeroizing::new(Vec::new());
        for pair in old.iter().map_err(|cause| failed(cause.into()))? {
            let (key, value) = pair.map_err(|cause| failed(cause.into()))?;
            let (key, value) = (key.value(), value.value());
            if change.edit_of(key).is_some() {
                continue;
            }
            new.clear();
            match transform.apply(key, value, &mut new)? {
                PairAction::Keep => {}
                PairAction::Replace => {
                    table
                        .insert(key, new.as_slice())
                        .map_err(|cause| failed(cause.into()))?;
                }
                PairAction::Remove => {
                    table.remove(key).map_err(|cause| failed(cause.into()))?;
                }
            }
        }
    }
    let mut edits = change.in_order();
    while let Some((key, edit)) = edits.peek() {
        match edit {
            Some(value) => {
                valid_key(key)?;
                table
                    .insert(key, value)
                    .map_err(|cause| failed(cause.into()))?;
            }
            None => {
                table.remove(key).map_err(|cause| failed(cause.into()))?;
            }
        }
        edits.advance();
    }
    Ok(())
}

/// Whether the changes differ from the current content.
fn changes_anything(store: &Redb, changes: &ChangeSet) -> Result<bool> {
    let (buckets, _) = store.buckets()?;
    let preview = Preview::new(store, changes);
    for (name, change) in changes.buckets() {
        let exists = buckets.iter().any(|bucket| bucket.name == name);
        if change.delete {
            if exists {
                return Ok(true);
            }
            continue;
        }
        if !exists {
            return Ok(true);
        }
        let mut edits = change.in_order();
        while let Some((key, edit)) = edits.peek() {
            if store
                .get(name, key)?
                .map(Zeroizing::new)
                .as_ref()
                .map(|now| now.as_slice())
                != edit
            {
                return Ok(true);
            }
            edits.advance();
        }
        if change.transform.is_some() {
            let mut differs = false;
            store.scan(name, &mut |key, value| {
                differs = match preview.get(name, key) {
                    Ok(Some(new)) => new != value,
                    _ => true,
                };
                if differs {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if differs {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Commits the change in memory, to find out which bytes of the file it would overwrite. The library
/// can't be told which pages it must not use.
///
/// # Errors
/// [`ErrorKind::Refused`] when it would overwrite protected bytes; else as [`transact`].
fn rehearse(store: &Redb, changes: &ChangeSet, protected: &ProtectedBytes) -> Result<()> {
    let rehearsal = Rehearsal::new(Arc::clone(&store.source));
    guarded(&store.path, || {
        transact(rehearsal.clone(), &store.path, changes, None).map(|_| ())
    })?;
    if !rehearsal.touches(protected) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "unused parts of {} have the last copies of some tokens, and this change would overwrite \
             some of them",
            store.path.display()
        ),
    )
    .with_hint(
        "save them with boltkey residue recover --out FILE; then change a copy without unused parts, \
         made with boltkey compact --out FILE",
    ))
}
