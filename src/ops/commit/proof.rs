//! A change of single pairs, proved by reading each of them again.

use crate::error::{Error, ErrorKind, Result};
use crate::ops::commit::{SideFiles, commit};
use crate::store::{ChangeSet, CommitOutcome, Committed, Snapshot, WritableStore};

/// Makes `changes` hold and reads every single edit again, under the same lock. `what` begins the
/// message of a proof that fails, as in "the deletion"; the change holds by then.
///
/// # Errors
/// When the change was certainly not made.
pub(crate) fn commit_and_prove(
    store: &mut WritableStore,
    changes: &ChangeSet,
    side_files: &SideFiles<'_>,
    what: &str,
) -> Result<Committed> {
    let mut committed = commit(store, changes, side_files)?;
    if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
        committed.failure = prove(store, changes, what).err();
    }
    Ok(committed)
}

fn prove(store: &WritableStore, changes: &ChangeSet, what: &str) -> Result<()> {
    let incomplete = |why: String| {
        Error::new(
            ErrorKind::Incomplete,
            format!("{what} is committed, but {why}"),
        )
        .committed()
        .with_hint("boltkey check and boltkey status tell what the store holds now")
    };
    for (bucket, change) in changes.buckets() {
        for (key, edit) in &change.edits {
            let found = store
                .get(bucket, key)
                .map_err(|cause| incomplete(format!("it can't be read back: {cause}")))?
                .map(zeroize::Zeroizing::new);
            if found != *edit {
                return Err(incomplete("the file does not show it as it should".into()));
            }
        }
    }
    Ok(())
}
