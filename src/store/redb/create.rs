//! Writes a new redb store with the content of another store.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ::redb::{Builder, Durability};

use crate::error::{Error, Result};
use crate::store::partial_reads::whole;
use crate::store::progress::Progress;
use crate::store::redb::backend::OnDevice;
use crate::store::redb::guard::{failed, guarded};
use crate::store::redb::names::table_of;
use crate::store::redb::{CACHE, SEQUENCE_TABLE, Table};
use crate::store::{Device, Snapshot};

/// Writes all buckets, pairs and sequences of `source` to an empty device, and syncs it. Messages
/// show `path`.
///
/// # Errors
/// [`crate::ErrorKind::Corrupt`] when damage hides a part of `source`; [`crate::ErrorKind::Io`] when
/// `source` can't be read or the device fails.
pub fn create(
    source: &dyn Snapshot,
    device: &Arc<dyn Device>,
    path: &Path,
    progress: &Progress<'_>,
) -> Result<()> {
    guarded(path, || {
        let fail = |cause: ::redb::Error| failed(path, "write", cause);
        let backend = OnDevice::new(Arc::clone(device));
        let mut database = Builder::new()
            .set_cache_size(CACHE)
            .create_with_backend(backend.clone())
            .map_err(|cause| fail(cause.into()))?;
        let mut transaction = database.begin_write().map_err(|cause| fail(cause.into()))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|cause| fail(cause.into()))?;
        // Otherwise the library would close the incomplete store properly.
        let give_up = |_: &Error| backend.give_up();
        let buckets = source.buckets().and_then(whole).inspect_err(give_up)?;
        for bucket in buckets {
            let name = table_of(&bucket.name);
            let mut table = transaction
                .open_table(Table::new(&name))
                .map_err(|cause| fail(cause.into()))?;
            let mut stopped = None;
            let scanned = source.scan(
                &bucket.name,
                &mut |key, value| match table.insert(key, value) {
                    Ok(_) => {
                        progress.add(key.len() + value.len());
                        ControlFlow::Continue(())
                    }
                    Err(cause) => {
                        stopped = Some(fail(cause.into()));
                        ControlFlow::Break(())
                    }
                },
            );
            if let Some(error) = stopped {
                return Err(error);
            }
            let scanned = scanned.and_then(|findings| whole(((), findings)));
            scanned.inspect_err(give_up)?;
            if bucket.sequence != 0 {
                transaction
                    .open_table(SEQUENCE_TABLE)
                    .map_err(|cause| fail(cause.into()))?
                    .insert(bucket.name.as_slice(), bucket.sequence)
                    .map_err(|cause| fail(cause.into()))?;
            }
        }
        transaction.commit().map_err(|cause| fail(cause.into()))?;
        // Remove the free pages that writing has left.
        while database.compact().map_err(|cause| fail(cause.into()))? {}
        database.close().map_err(|cause| fail(cause.into()))
    })
}
