//! The findings of a report by code, each with its meaning and its cure.

use serde::Serialize;

use crate::finding::{Code, Finding, Severity};
use crate::ops::status::Status;

/// Places that are listed for one code.
const MOST_PLACES: usize = 20;

/// All findings of one code.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FindingsOfCode {
    /// The kind of finding.
    pub code: Code,
    /// The worst severity.
    pub severity: Severity,
    /// What it means.
    pub meaning: &'static str,
    /// What helps.
    pub cure: &'static str,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub places: Vec<Place>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// Where it is.
    #[serde(rename = "where")]
    pub place: String,
    /// What was found.
    pub message: String,
    /// What to do about this one.
    pub hint: Option<String>,
}

/// The findings of `check` by code, errors first. `status` has those that `check` does not look for,
/// and the hints.
pub(super) fn by_code(of_check: Vec<Finding>, status: &Status) -> Vec<FindingsOfCode> {
    let mut groups: Vec<FindingsOfCode> = Vec::new();
    let codes: Vec<Code> = of_check.iter().map(|finding| finding.code).collect();
    let others = status.findings.iter();
    let others = others
        .filter(|finding| !codes.contains(&finding.code))
        .cloned();
    for finding in of_check.into_iter().chain(others) {
        let known = groups.iter().position(|group| group.code == finding.code);
        let place = known.unwrap_or_else(|| {
            groups.push(FindingsOfCode {
                code: finding.code,
                severity: finding.severity,
                meaning: finding.code.meaning(),
                cure: finding.code.cure(),
                count: 0,
                places: Vec::new(),
            });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(place) else {
            continue;
        };
        group.count += 1;
        group.severity = group.severity.max(finding.severity);
        if group.places.len() < MOST_PLACES {
            group.places.push(Place {
                place: finding.place,
                message: finding.message,
                hint: finding.hint,
            });
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.severity));
    groups
}
