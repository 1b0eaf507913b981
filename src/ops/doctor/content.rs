//! The structure of the file, and its records: what `check` finds.

use crate::finding::{Finding, Severity, counted};
use crate::ops::check::Checked;
use crate::ops::doctor::cures::Cures;
use crate::ops::doctor::{Check, Verdict};

/// At most this many findings of one code are checks of their own.
const MOST_OF_A_CODE: usize = 5;

/// The pages of the file.
pub(super) fn structure(found: &Checked, cures: &Cures) -> Check {
    let pages = &found.pages;
    let message = format!(
        "{} of {} bytes, {} free",
        counted(pages.allocated, "page"),
        pages.page_size,
        pages.free
    );
    let findings = found.findings.iter();
    let of_structure = findings.filter(|finding| finding.code.is_structure());
    group("structure", message, of_structure, cures)
}

/// The records. What the files around the database say is told elsewhere.
pub(super) fn metadata(found: &Checked, cures: &Cures) -> Check {
    let findings = found.findings.iter();
    let of_records: Vec<&Finding> = findings
        .filter(|finding| !finding.code.is_structure())
        .collect();
    let number = |severity| {
        let of = of_records.iter().filter(|f| f.severity == severity);
        of.count() as u64
    };
    let message = match (number(Severity::Error), number(Severity::Warning)) {
        (0, 0) => String::from("records and indexes agree"),
        (errors, warnings) => format!(
            "{}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
    };
    group("metadata", message, of_records.into_iter(), cures)
}

/// One check for each finding, the worst first; of many of one code, the first ones.
fn group<'f>(
    id: &str,
    message: String,
    findings: impl Iterator<Item = &'f Finding>,
    cures: &Cures,
) -> Check {
    let mut findings: Vec<&Finding> = findings.filter(|f| f.severity > Severity::Info).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut checks: Vec<Check> = Vec::new();
    let mut told: Vec<(crate::finding::Code, usize)> = Vec::new();
    for finding in findings {
        let at = match told.iter().position(|(code, _)| *code == finding.code) {
            Some(at) => at,
            None => {
                told.push((finding.code, 0));
                told.len() - 1
            }
        };
        if let Some((_, number)) = told.get_mut(at) {
            *number += 1;
            if *number <= MOST_OF_A_CODE {
                checks.push(of_finding(finding, cures));
            }
        }
    }
    let more = told.iter().filter_map(|(code, number)| {
        let more = number
            .checked_sub(MOST_OF_A_CODE)
            .filter(|more| *more > 0)?;
        Some(format!("{more} more of {code}"))
    });
    let more: Vec<String> = more.collect();
    let message = match more.is_empty() {
        true => message,
        false => format!("{message} ({})", more.join(", ")),
    };
    Check::group(id, message, checks)
}

/// One finding as a check.
fn of_finding(finding: &Finding, cures: &Cures) -> Check {
    let (hint, command) = cures.of_finding(finding);
    with_command(finding, &hint, Some(command))
}

/// A finding as a check with this hint and command.
pub(super) fn with_command(finding: &Finding, hint: &str, command: Option<String>) -> Check {
    let message = format!("{}: {}", finding.place, finding.message);
    let result = match finding.severity {
        Severity::Error => Verdict::Fail,
        Severity::Warning => Verdict::Warn,
        Severity::Info => return Check::ok(finding.code.name(), message),
    };
    Check::found(finding.code.name(), result, message, hint, command)
}
