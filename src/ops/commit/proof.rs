//! A change of single records, verified by reading each of them again. The pages are verified below
//! this, in `store::bolt::write`; `hash` and `residue scrub` have proofs of their own.

use crate::error::{Error, ErrorKind, Result};
use crate::ops::commit::{SideFiles, commit};
use crate::store::{ChangeSet, CommitOutcome, Committed, Snapshot, WritableStore};

/// Commits `changes` and reads every edited record again under the same lock. `what` names the
/// change in the error message, as in "the deletion"; the change is committed by then.
///
/// # Errors
/// When the change was certainly not committed.
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
        .with_hint("run boltkey check and boltkey status to see the current state")
    };
    for (bucket, change) in changes.buckets() {
        for (key, edit) in &change.edits {
            let found = store
                .get(bucket, key)
                .map_err(|cause| incomplete(format!("it can't be read back: {cause}")))?
                .map(zeroize::Zeroizing::new);
            if found != *edit {
                return Err(incomplete("the file does not contain the new value".into()));
            }
        }
    }
    Ok(())
}
