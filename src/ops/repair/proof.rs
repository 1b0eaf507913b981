//! The second look after the commit: what was cured is gone.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Finding, Repair, counted};
use crate::metadata::authenticate::key_digest;
use crate::metadata::check;
use crate::metadata::residue::{Known, Scan};
use crate::ops::repair::Plan;
use crate::store::{Snapshot, WritableStore};

/// Checks the store again, under the lock of the commit.
///
/// # Errors
/// [`ErrorKind::Incomplete`] when a finding that was cured is still there, or a token that should
/// stay readable is not.
pub(super) fn prove(store: &WritableStore, plan: &Plan) -> Result<()> {
    let incomplete = |why: String| {
        Error::new(
            ErrorKind::Incomplete,
            format!("the repair is committed, but {why}"),
        )
        .committed()
        .with_hint("run boltkey check to see the current state")
    };
    let unreadable = |cause: Error| incomplete(format!("the file can't be read: {cause}"));
    let mut found = store.inspect().check().map_err(unreadable)?.findings;
    // Pages that have moved have other numbers.
    let mended: HashSet<Code> = plan
        .repaired
        .iter()
        .map(|cure| cure.code)
        .filter(|code| code.is_structure())
        .collect();
    found.retain(|f| f.code.repair() == Repair::Cured && mended.contains(&f.code));
    found.extend(check::check(store).map_err(unreadable)?);
    let cured: HashSet<(Code, &str)> = plan
        .repaired
        .iter()
        .map(|cure| (cure.code, cure.place.as_str()))
        .collect();
    let is_cured = |f: &&Finding| {
        f.code.is_structure() && mended.contains(&f.code) || cured.contains(&(f.code, &f.place))
    };
    if let Some(finding) = found.iter().find(is_cured) {
        return Err(incomplete(format!(
            "{} is still found: {}: {}",
            finding.code, finding.place, finding.message
        )));
    }
    let kept = plan.repaired.iter().filter_map(|cure| cure.keeps_plaintext);
    let mut kept: HashSet<[u8; 16]> = kept.collect();
    if kept.is_empty() {
        return Ok(());
    }
    for token in readable_copies(store).map_err(unreadable)? {
        kept.remove(&token);
    }
    match kept.len() as u64 {
        0 => Ok(()),
        lost => Err(incomplete(format!(
            "the file no longer shows the plaintext of {}",
            counted(lost, "hashed token")
        ))),
    }
}

/// The digests of the hashed tokens that unused bytes of the file show in plaintext.
fn readable_copies(store: &WritableStore) -> Result<Vec<[u8; 16]>> {
    let snapshot: &dyn Snapshot = store;
    let (known, _) = Known::load_beside(snapshot, store.inspect())?;
    let mut scan = Scan::new(&known);
    scan.feed_unused(store.inspect(), snapshot)?;
    let found = scan.finish().matching.into_iter();
    Ok(found
        .map(|(_, token)| key_digest(token.reveal().as_bytes()))
        .collect())
}
