//! The transaction of the other meta page: normally the one before the current transaction.

use crate::error::{ErrorKind, Result};
use crate::finding::Severity;
use crate::store::bolt::Bolt;
use crate::store::bolt::check::examine;
use crate::store::bolt::codes::{Code, Report};
use crate::store::bolt::freelist::Freelist;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::meta::Metas;
use crate::store::bolt::read::content_of;

/// The file as the other meta describes it, or why it can't be read so. Its whole tree and freelist
/// are validated; pages shared with a valid current tree are not checked again.
///
/// # Errors
/// When the system can't read the file.
pub(super) fn previous(bolt: &Bolt) -> Result<Result<Bolt, String>> {
    let metas = &bolt.metas;
    let Some(other) = metas.other else {
        let flaws = metas.slots.iter().filter_map(|slot| slot.as_ref().err());
        let flaw = flaws.map(ToString::to_string).next().unwrap_or_default();
        return Ok(Err(format!("the other meta page {flaw}")));
    };
    if metas.passed_over().is_some() {
        let why = "the older of the two transactions is already in use";
        return Ok(Err(String::from(why)));
    }
    let swapped = Metas {
        slots: metas.slots.clone(),
        current: other,
        other: Some(metas.current),
    };
    let before = Bolt::by(bolt.file.clone(), swapped);
    let examined = examine(bolt)?;
    let sound = !examined.report.has(Severity::Error)
        && examined.pages.leaked == 0
        && matches!(examined.list, Freelist::Stored(_));
    let damage = if !sound {
        let report = examine(&before)?.report.clone();
        first(report, |severity, code| {
            severity == Severity::Error && code.hides_records()
        })
    } else if examined.other.is_none() {
        let report = examined.report.clone();
        first(report, |_, code| code == Code::OtherMeta)
            .or_else(|| Some(String::from("it is damaged")))
    } else {
        None
    };
    Ok(match damage {
        None => Ok(before),
        Some(why) => Err(why),
    })
}

/// The first finding of a report that `wanted` accepts, as text.
fn first(report: Report, wanted: impl Fn(Severity, Code) -> bool) -> Option<String> {
    let mut findings = report.into_findings().into_iter();
    let found = findings.find(|finding| wanted(finding.severity, finding.code))?;
    Some(format!("{}: {}", found.place, found.message))
}

/// Whether both metas lead to the same content of a top-level bucket that has pages of its own.
/// False where damage hides it.
///
/// # Errors
/// When the file can't be read.
pub(super) fn is_unchanged(bolt: &Bolt, bucket: &[u8]) -> Result<bool> {
    let Some(other) = bolt.metas.other else {
        return Ok(false);
    };
    if other.root == bolt.metas.current.root {
        return Ok(true);
    }
    let root = |root: PageId| match content_of(bolt, root, bucket) {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        found => found,
    };
    let now = root(bolt.metas.current.root)?;
    Ok(now.is_some() && now == root(other.root)?)
}

/// See [`crate::store::Inspect::replaced_since_previous`].
///
/// # Errors
/// When the file can't be read.
pub(super) fn replaced(bolt: &Bolt, bucket: &[u8], visit: &mut dyn FnMut(&[u8])) -> Result<bool> {
    let Ok(before) = previous(bolt)? else {
        return Ok(false);
    };
    before.keys_outside(bucket, &bolt.reachability()?.heads, visit)?;
    Ok(true)
}
