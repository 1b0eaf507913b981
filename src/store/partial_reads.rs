//! Refuses content that was read only in part.

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Severity};

/// The value that was read, if no finding is an error that may hide a part of it.
///
/// # Errors
/// [`ErrorKind::Corrupt`] with the first finding that is one.
pub(super) fn whole<T>((read, findings): (T, Vec<Finding>)) -> Result<T> {
    match findings
        .iter()
        .find(|finding| finding.severity == Severity::Error && finding.code.hides_records())
    {
        None => Ok(read),
        Some(finding) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the store is damaged at {}: {}; no copy was made, because it would be incomplete",
                finding.place, finding.message
            ),
        )
        .with_hint("run boltkey check to list all damage")),
    }
}
