//! Which damage a commit may find, and what it mends.
//!
//! The trees alone say which pages are in use, so a commit needs neither the old freelist nor pages
//! that are missing at the end of the file. It writes both meta pages and the freelist anew. Nodes
//! that are readable but not as Bolt writes them are packed into new pages.

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Repair, Severity};
use crate::store::Mend;
use crate::store::bolt::codes::{Code, Report};
use crate::store::bolt::pages::PageFile;

/// Refuses to write to a file that is damaged or truncated, except for what `mend` cures.
///
/// # Errors
/// [`ErrorKind::Corrupt`] with a hint that names what helps.
pub(super) fn refuse_damage(file: &PageFile, report: &Report, mend: Mend) -> Result<()> {
    let curable = |code: Code| code.repair() == Repair::Cured;
    let is_error = |code: Code| code.severity() == Severity::Error;
    let hopeless = report.any(|code| is_error(code) && !curable(code));
    let is_harmed = report.has(Severity::Error) || report.has_code(Code::ShortPage);
    if !hopeless && (mend != Mend::Nothing || !is_harmed) {
        return Ok(());
    }
    let path = file.path().display();
    let why = if report.any(|code| is_error(code) && code != Code::Truncated) {
        "its structure is damaged"
    } else {
        "its end is missing"
    };
    let hint = if hopeless {
        "boltkey check lists the damage"
    } else {
        "boltkey repair cures it"
    };
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("{path} can't be changed: {why}"),
    )
    .with_hint(hint))
}
