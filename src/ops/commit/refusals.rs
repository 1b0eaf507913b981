//! Why a store must not be changed: its schema is not known, its structure is damaged, or records
//! are lost or can't be decoded.

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Severity};
use crate::metadata::{Schema, lost_records, migration};
use crate::store::{Inspect, Snapshot};

/// The schema of a store, if it may be edited.
///
/// # Errors
/// [`ErrorKind::UnknownSchema`] for any schema that this version does not know.
pub fn known_schema(snapshot: &dyn Snapshot) -> Result<Schema> {
    let schema = Schema::load(snapshot)?;
    if schema.known {
        return Ok(schema);
    }
    // If its records can't be read, the schema is unknown.
    let damage = schema.findings.iter().cloned();
    let damage = damage.filter(|finding| finding.code.is_structure());
    all_decoded(&damage.collect::<Vec<_>>())?;
    let why = match schema.findings.first() {
        Some(finding) => format!("{}: {}", finding.place, finding.message),
        None => String::from("no migration is recorded as finished"),
    };
    let newest = migration::MIGRATIONS.len();
    Err(Error::new(
        ErrorKind::UnknownSchema,
        format!(
            "this version does not know the schema of the store; it knows schemas 1 to {newest} \
             without a gap ({why})"
        ),
    )
    .with_hint(
        "reading commands still work; boltkey check lists the problems, and if only migrations \
         are missing, starting influxd once adds them",
    ))
}

/// Refuses a store with records that must be kept but can't be decoded.
///
/// # Errors
/// [`ErrorKind::Corrupt`], naming the first of them.
pub fn all_decoded(skipped: &[Finding]) -> Result<()> {
    match skipped
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        None => Ok(()),
        Some(finding) => {
            let what = match finding.code.is_structure() {
                true => "damage",
                false => "records",
            };
            Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "{}: {}; a store with such {what} can't be changed",
                    finding.place, finding.message
                ),
            )
            .with_hint(finding.next_step()))
        }
    }
}

/// Refuses a store of which no complete copy can be made. Damage that a copy does not have, such as
/// a wrong freelist, is accepted. `could_copy` is `could_copy_to` of the store.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when records are hidden or lost.
pub fn can_be_copied(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    could_copy: impl FnOnce() -> Result<()>,
) -> Result<()> {
    nothing_lost(snapshot, inspect)?;
    could_copy()
}

/// Refuses a store with a damaged structure, as [`commit`](super::commit) does; for a dry run.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when the structure is damaged, or as [`nothing_lost`].
pub fn verify_structure(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<()> {
    all_decoded(&inspect.check()?.findings)?;
    nothing_lost(snapshot, inspect)
}

/// Refuses a store that has lost records which are still on pages outside all trees. Any commit
/// would reuse or wipe these pages.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when there are such pages.
pub fn nothing_lost(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<()> {
    let Some(finding) = lost_records::find(snapshot, inspect)? else {
        return Ok(());
    };
    let errors = inspect.check()?.findings;
    let damaged = errors.iter().any(|f| f.severity == Severity::Error);
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "can't be changed: {}{}: {}; writing would destroy them, so the file is not edited",
            if damaged {
                "its structure is damaged, and "
            } else {
                ""
            },
            finding.place,
            finding.message
        ),
    )
    .with_hint("boltkey check lists all damage"))
}
