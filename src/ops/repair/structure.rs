//! The structure of the file: what is cured with every commit, what needs all nodes written anew,
//! and what is refused.

use std::collections::BTreeSet;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Finding, Repair, Severity};
use crate::ops::commit::nothing_lost;
use crate::ops::previous::PreviousState;
use crate::ops::repair::planned_cures::Cure;
use crate::store::{Inspect, Mend, Snapshot};

/// What is done about the structure.
pub(super) struct Structure {
    pub(super) mend: Mend,
    pub(super) cures: Vec<Cure>,
    /// Findings that are not cured.
    pub(super) others: Vec<Finding>,
}

/// Plans the repair of the structure.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when pages of the trees are damaged, when records are lost, or when there
/// is damage that `only` leaves out.
pub(super) fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    only: &BTreeSet<Code>,
) -> Result<Structure> {
    let findings = inspect.check()?.findings;
    let hopeless = |f: &&Finding| f.severity == Severity::Error && f.code.repair() != Repair::Cured;
    if let Some(finding) = findings.iter().find(hopeless) {
        return Err(damaged(snapshot, inspect, finding)?);
    }
    nothing_lost(snapshot, inspect)?;
    let wanted = |code: Code| only.is_empty() || only.contains(&code);
    let curable = |code: Code| code.repair() == Repair::Cured;
    let mend = findings
        .iter()
        .filter(|f| curable(f.code) && wanted(f.code))
        .map(|f| mend_of(f.code))
        .max()
        .unwrap_or_default();
    let stops = |f: &&Finding| {
        f.severity == Severity::Error || matches!(f.code, Code::Truncated | Code::ShortPage)
    };
    if mend == Mend::Nothing
        && let Some(finding) = findings.iter().find(stops)
    {
        return Err(left_out(finding));
    }
    let (cured, others): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|f| curable(f.code) && mend_of(f.code) <= mend);
    let cures = cured.into_iter().map(|finding| {
        let (action, after) = action(finding.code);
        Cure::new(finding.code, finding.place, action, finding.message, after)
    });
    Ok(Structure {
        mend,
        cures: cures.collect(),
        others,
    })
}

/// How much has to be written anew.
fn mend_of(code: Code) -> Mend {
    match code {
        Code::TreeUneven
        | Code::EmptyLeaf
        | Code::SingleChild
        | Code::ExcessPages
        | Code::ExcessShared
        | Code::Packing
        | Code::Slack
        | Code::ShortPage
        | Code::BucketTrailing
        | Code::InlineHeader
        | Code::InlineNested => Mend::Trees,
        _ => Mend::Frame,
    }
}

/// What is done, and what is there after.
fn action(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::OlderMeta
        | Code::MetaChecksumZero
        | Code::MetaHeader
        | Code::OtherMetaPageSize
        | Code::OtherMeta => (
            "writes both meta pages again",
            "both meta pages lead to the same intact tree",
        ),
        Code::Truncated => ("extends the file", "the file has its full length"),
        Code::Unclean => ("closes the store properly", "the store is closed"),
        _ if mend_of(code) == Mend::Trees => (
            "writes all records to new pages",
            "every page is as Bolt writes it",
        ),
        _ => (
            "writes the freelist again",
            "the freelist lists exactly the pages that are not in use",
        ),
    }
}

/// The error for damaged pages of a tree.
fn damaged(snapshot: &dyn Snapshot, inspect: &dyn Inspect, finding: &Finding) -> Result<Error> {
    let error = Error::new(
        ErrorKind::Corrupt,
        format!(
            "can't be repaired in place: {}: {}",
            finding.place, finding.message
        ),
    );
    // No order of writing its meta pages is safe from a power failure.
    if finding.code == Code::MetaPageSize {
        return Ok(error.with_hint(finding.code.cure()));
    }
    let before = PreviousState::of(snapshot, inspect, false)?;
    Ok(error.with_hint(if before.readable {
        "the previous transaction is complete: boltkey compact --previous --out FILE writes it to a \
         new file; boltkey salvage --out FILE makes a new store of every record that is left"
    } else {
        "boltkey salvage --out FILE makes a new store of every record that is left"
    }))
}

/// The error for damage that `--only` leaves out: no commit is possible without curing it.
fn left_out(finding: &Finding) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "its structure must be repaired too: {}: {}",
            finding.place, finding.message
        ),
    )
    .with_hint(format!(
        "add --only {}, or leave out --only to repair everything",
        finding.code
    ))
}
