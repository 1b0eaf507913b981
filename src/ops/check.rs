//! `check`: file structure and metadata consistency.

use serde::Serialize;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::metadata;
use crate::ops::previous::PreviousState;
use crate::store::{Pages, Store};

/// The report of `check`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Checked {
    /// Whether there is no finding of severity error.
    pub ok: bool,
    /// Structure findings first, then metadata findings.
    pub findings: Vec<Finding>,
    /// Page usage.
    pub pages: Pages,
    /// The previous transaction. Its tokens are not counted if only the structure is checked and no
    /// problem is found.
    pub previous: PreviousState,
    /// Whether the records were checked too.
    #[serde(skip)]
    pub with_metadata: bool,
}

/// Checks a store. With `structure_only`, only the file structure is checked.
///
/// # Errors
/// When the file can't be read; damage is in the findings.
pub fn check(store: &Store, structure_only: bool) -> Result<Checked> {
    let structure = store.inspect().check()?;
    let mut findings = structure.findings;
    if !structure_only {
        findings.extend(metadata::lost_records::find(
            store.snapshot(),
            store.inspect(),
        )?);
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
            // Damage that hides records was already reported with the structure.
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
