//! `residue scrub`: overwrites the unused parts of a store's file.

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::Id;
use crate::metadata::residue::{Known, Residue, Scan};
use crate::ops::commit::{SideFiles, commit, known_schema, nothing_lost};
use crate::ops::residue::missing::HashedTokens;
use crate::ops::residue::{embedded, leave_out};
use crate::secret::Token;
use crate::store::{ChangeSet, CommitOutcome, Committed, Inspect, Snapshot, Wipe, WritableStore};

/// The tokens in unused parts of a file.
pub struct Unused {
    /// The tokens, except those that a live record contains too.
    pub residue: Residue,
    /// Hashed tokens in live records other than authorizations.
    pub live: Vec<(Id, Token)>,
    /// Number of distinct tokens.
    pub tokens: u64,
    /// Whether there are any tokens, including those of live records.
    any: bool,
    /// Whether any byte that was searched is not zero.
    nonzero: bool,
    /// Damage that may hide tokens.
    pub findings: Vec<Finding>,
}

impl Unused {
    /// Searches the unused parts of a file.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn look(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Self> {
        let (known, findings) = Known::load_beside(snapshot, inspect)?;
        Self::look_for(&known, findings, snapshot, inspect)
    }

    /// As [`Self::look`], for the tokens that the store has. `findings` are those of reading them.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn look_for(
        known: &Known,
        mut findings: Vec<Finding>,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<Self> {
        let mut scan = Scan::new(known);
        findings.extend(scan.feed_unused(inspect, snapshot)?);
        let nonzero = scan.met_nonzero_bytes();
        let mut residue = scan.finish();
        let any = residue.tokens() > 0;
        let live = embedded(snapshot, known)?;
        leave_out(&live, &mut residue);
        let tokens = residue.tokens();
        Ok(Self {
            residue,
            live: live.matching,
            tokens,
            any,
            nonzero,
            findings,
        })
    }

    /// Whether there is anything to overwrite. If the engine can't distinguish unused bytes from
    /// live ones, only tokens count.
    pub fn is_dirty(&self, inspect: &dyn Inspect) -> bool {
        self.any || (!inspect.shows_live_bytes() && self.nonzero)
    }
}

/// Counts distinct tokens in unused parts of the file that the store does not hold in plaintext.
/// `wiped` says that everything unused was just overwritten, so that every text with the form of a
/// token counts.
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

/// A planned scrub.
pub struct Plan {
    /// The tokens found.
    pub unused: Unused,
    /// The hashed tokens of the store, and those that were found nowhere in the file.
    pub hashed: HashedTokens,
    dirty: bool,
    changes: ChangeSet,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn nothing_to_do(&self) -> bool {
        !self.dirty
    }

    /// The number of distinct tokens, and how many of them are last copies.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        let matching = self.unused.residue.matching.len() as u64;
        (self.unused.tokens, matching)
    }
}

/// Plans a scrub.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`] for stores that can't be edited
/// * otherwise when the file can't be read
pub fn plan(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Plan> {
    nothing_lost(snapshot, inspect)?;
    known_schema(snapshot)?;
    let mut changes = ChangeSet::default();
    changes.wipe = Wipe::Everything;
    let unused = Unused::look(snapshot, inspect)?;
    let dirty = unused.is_dirty(inspect);
    let found = unused.residue.matching.iter().chain(&unused.live);
    let hashed = HashedTokens::of(snapshot, inspect, found.map(|(id, _)| *id))?;
    Ok(Plan {
        unused,
        hashed,
        dirty,
        changes,
    })
}

impl Plan {
    /// Overwrites the unused parts and verifies that no token is left. A failed verification is a
    /// failure in [`Committed`].
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
            "unused parts of {} were overwritten, but still contain {left} tokens",
            store.description().path.display()
        ))
        .with_hint("run boltkey residue scrub again; boltkey residue scan counts what is left")),
        Err(error) => Err(incomplete(format!(
            "unused parts of the file were overwritten, but it can't be read again: {error}"
        ))
        .with_hint("run boltkey status to see the current state")),
    }
}
