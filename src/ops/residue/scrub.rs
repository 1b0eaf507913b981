//! `residue scrub`: overwriting what unused parts of a store's file still show.

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::Id;
use crate::metadata::residue::{Known, Residue, Scan};
use crate::ops::commit::{SideFiles, commit, known_schema, nothing_lost};
use crate::ops::residue::{embedded, leave_out};
use crate::secret::Token;
use crate::store;
use crate::store::{ChangeSet, CommitOutcome, Committed, Inspect, Snapshot, Wipe, WritableStore};

/// What unused parts of a file show.
pub struct Unused {
    /// The tokens, but for those that a live record shows as well.
    pub residue: Residue,
    /// Hashed tokens that live records show which are no authorizations.
    pub live: Vec<(Id, Token)>,
    /// How many distinct ones.
    pub tokens: u64,
    /// Whether there are any tokens at all, those of live records included.
    any: bool,
    /// Damage that may hide some.
    pub findings: Vec<Finding>,
}

impl Unused {
    /// Looks.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn look(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Self> {
        let (known, mut findings) = Known::load_beside(snapshot, inspect)?;
        let mut scan = Scan::new(&known);
        findings.extend(scan.feed_unused(inspect, snapshot)?);
        let mut residue = scan.finish();
        let any = residue.tokens() > 0;
        let live = embedded(snapshot, &known)?;
        leave_out(&live, &mut residue);
        let tokens = residue.tokens();
        Ok(Self {
            residue,
            live: live.matching,
            tokens,
            any,
            findings,
        })
    }

    /// Whether there is anything to be overwritten. Where an engine can't tell unused bytes from
    /// live ones, tokens are what counts. Looks through the file again where there are none.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn is_dirty(&self, inspect: &dyn Inspect) -> Result<bool> {
        Ok(self.any || (!inspect.shows_live_bytes() && holds_bytes(inspect)?))
    }
}

/// Whether any unused byte is not zero.
fn holds_bytes(inspect: &dyn Inspect) -> Result<bool> {
    let mut found = false;
    inspect.unused(&mut |unused| {
        if let store::Unused::Run { bytes, .. } = unused {
            found = found || bytes.iter().any(|byte| *byte != 0);
        }
    })?;
    Ok(found)
}

/// How many distinct tokens unused parts of the file show that the store does not hold in
/// plaintext; `wiped` if everything unused was just overwritten, so that whatever looks like a
/// token there is one.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn remaining(store: &WritableStore, wiped: bool) -> Result<u64> {
    let known = if wiped && !store.inspect().shows_live_bytes() {
        Known::default()
    } else {
        Known::load_beside(store, store.inspect())?.0
    };
    let mut scan = Scan::new(&known);
    scan.feed_unused(store.inspect(), store)?;
    Ok(scan.finish().tokens())
}

/// What is to be overwritten.
pub struct Plan {
    /// What there is.
    pub unused: Unused,
    dirty: bool,
    changes: ChangeSet,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        !self.dirty
    }

    /// How many distinct tokens there are, and how many of them are last copies.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        let matching = self.unused.residue.matching.len() as u64;
        (self.unused.tokens, matching)
    }
}

/// Looks at what there is to be overwritten.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`] for stores that are not edited
/// * otherwise when the file can't be read
pub fn plan(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Plan> {
    nothing_lost(snapshot, inspect)?;
    known_schema(snapshot)?;
    let mut changes = ChangeSet::default();
    changes.wipe = Wipe::Everything;
    let unused = Unused::look(snapshot, inspect)?;
    let dirty = unused.is_dirty(inspect)?;
    Ok(Plan {
        unused,
        dirty,
        changes,
    })
}

impl Plan {
    /// Overwrites, and proves that nothing is left. A proof that fails is a failure of
    /// [`Committed`].
    ///
    /// # Errors
    /// When nothing was overwritten.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        if self.nothing_to_do() {
            return Ok(Committed {
                outcome: CommitOutcome::Unchanged,
                failure: None,
            });
        }
        let mut committed = commit(store, &self.changes, side_files)?;
        if committed.outcome != CommitOutcome::Unknown && committed.failure.is_none() {
            committed.failure = prove(store).err();
        }
        Ok(committed)
    }
}

fn prove(store: &WritableStore) -> Result<()> {
    let incomplete = |why: String| Error::new(ErrorKind::Incomplete, why).committed();
    match remaining(store, true) {
        Ok(0) => Ok(()),
        Ok(left) => Err(incomplete(format!(
            "unused parts of {} were overwritten, and still show {left} tokens",
            store.description().path.display()
        ))
        .with_hint("boltkey residue scan tells how many; run boltkey residue scrub again")),
        Err(error) => Err(incomplete(format!(
            "unused parts of the file were overwritten, but it can't be read again: {error}"
        ))
        .with_hint("boltkey status tells what the file holds now")),
    }
}
