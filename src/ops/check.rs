//! `check`: the structure of the file and the sense of the metadata.

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::metadata;
use crate::ops::previous::PreviousState;
use crate::store::{Pages, Store};

/// What `check` found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Whether no finding is an error.
    pub ok: bool,
    /// Structure first, then metadata.
    pub findings: Vec<Finding>,
    /// How the pages are used.
    pub pages: Pages,
    /// The transaction before; its tokens are not counted where only the structure is checked and
    /// is sound.
    pub previous: PreviousState,
    /// Whether the records were looked at too.
    #[serde(skip)]
    pub with_metadata: bool,
}

/// Checks a store; with `structure_only`, the file's structure and nothing else.
///
/// # Errors
/// When the file can't be read; damage is in the findings.
pub fn check(store: &Store, structure_only: bool) -> Result<Checked> {
    let structure = store.inspect().check()?;
    let mut findings = structure.findings;
    if !structure_only {
        findings.extend(metadata::lost::find(store.snapshot(), store.inspect())?);
    }
    // What opening it told, such as that there are no locks.
    for notice in store.notices() {
        if findings.iter().all(|finding| finding.code != notice.code) {
            findings.push(notice.clone());
        }
    }
    let sound = findings.iter().all(|f| f.severity != Severity::Error);
    let previous = if structure_only && sound {
        PreviousState::uncounted(store.inspect())?
    } else {
        PreviousState::of(store.snapshot(), store.inspect(), sound)?
    };
    if !structure_only {
        for finding in metadata::check::check(store.snapshot())? {
            // Damage that hides records was reported with the structure already.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    Ok(Checked {
        ok: findings.iter().all(|f| f.severity != Severity::Error),
        findings,
        pages: structure.pages,
        previous,
        with_metadata: !structure_only,
    })
}
