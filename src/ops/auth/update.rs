//! `auth update`: another status or description, for one token or several. What a token may do
//! can't be changed, as in InfluxDB.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::json::Edit;
use crate::metadata::{Catalog, json, names};
use crate::ops::auth::affected_tokens::AffectedTokens;
use crate::ops::auth::changed_records::ChangedRecords;
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::record::Record;
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenLookup};
use crate::store::{ChangeSet, Committed, Snapshot, WritableStore};

/// Which tokens, and what is to change; none stays.
#[derive(Debug, Clone)]
pub struct Options {
    /// The authorizations.
    pub tokens: SelectedTokens,
    /// Whether they are to be active.
    pub active: Option<bool>,
    /// Their description.
    pub description: Option<String>,
}

/// A change that is worked out.
pub struct Plan {
    /// What is to be written; nothing if all is as wanted.
    pub changes: ChangeSet,
    /// The authorizations that change, as they are before.
    pub affected: AffectedTokens,
    /// How many of the selected ones are as wanted.
    pub same: usize,
    records: ChangedRecords,
}

/// Works out the new records.
///
/// # Errors
/// * [`crate::ErrorKind::UnknownSchema`], [`crate::ErrorKind::Corrupt`] for stores that are not edited
/// * the errors of [`SelectedTokens::ids`], and [`crate::ErrorKind::NoSuchRecord`] when one of the
///   authorizations does not exist
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    ExistingTokens::of(snapshot, &TokenLookup::default(), None)?;
    let mut changes = ChangeSet::default();
    let (mut records, mut changed) = (Vec::new(), BTreeSet::new());
    for id in options.tokens.ids(snapshot, &catalog)? {
        let old = Record::load(snapshot, id)?;
        match edited(&old, options.active, options.description.as_deref(), now)? {
            Some(record) => {
                let key = id.to_string();
                changes.put(names::AUTHORIZATIONS, key.as_bytes(), &record);
                changed.insert(id);
                records.push((id, record));
            }
            None => records.push((id, old.into_bytes())),
        }
    }
    Ok(Plan {
        affected: AffectedTokens::load(snapshot, &catalog, &changed)?,
        same: records.len() - changed.len(),
        records: ChangedRecords::new(snapshot, &changes, records)?,
        changes,
    })
}

/// The record with what is to change, and everything else byte for byte; none if nothing differs.
///
/// # Errors
/// [`crate::ErrorKind::Corrupt`] when the record can't be decoded.
pub(crate) fn edited(
    bytes: &Record,
    active: Option<bool>,
    description: Option<&str>,
    now: &Timestamp,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let old = bytes.decoded()?;
    // A status that is missing counts as active, an unknown word as inactive.
    let status = active.map(|active| match active {
        true => "active",
        false => "inactive",
    });
    let status = status.filter(|wanted| *wanted != old.shown_status());
    let description = description.filter(|wanted| *wanted != old.description);
    if status.is_none() && description.is_none() {
        return Ok(None);
    }
    let status = status.map(json::string);
    let description = description.map(json::string);
    let time = json::string(&now.rfc3339);
    let mut edits = vec![("updatedAt", Edit::Set(&time))];
    if let Some(status) = &status {
        edits.push(("status", Edit::Set(status)));
    }
    if let Some(description) = &description {
        edits.push(("description", Edit::Set(description)));
    }
    let room: usize = [&status, &description]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum();
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() + room + 256));
    bytes.object()?.edit(&edits, &mut out);
    Ok(Some(out))
}

impl Plan {
    /// Calls `use_it` with the selected authorizations after the change, ascending by ID.
    ///
    /// # Errors
    /// Only if a new record can't be decoded.
    pub fn show<T>(&self, use_it: impl FnOnce(&[AuthDetails<'_>]) -> T) -> Result<T> {
        self.records.show(use_it)
    }

    /// Makes it hold, and proves that the file shows it.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the change")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    const ID: &str = "0000000000000a01";

    fn updated(status: &str, active: Option<bool>, description: Option<&str>) -> Option<String> {
        let text = format!(
            r#"{{"id":"{ID}","token":"t",{status}"description":"d","more":[1.0],"orgID":"0000000000000001","updatedAt":"2021-01-01T00:00:00Z"}}"#
        );
        let mut model = Model::default();
        model.put(names::AUTHORIZATIONS, ID.as_bytes(), text.as_bytes());
        let bytes = Record::load(&model, ID.parse().unwrap()).unwrap();
        let now = Timestamp {
            time: jiff::Timestamp::UNIX_EPOCH,
            unix_millis: 0,
            rfc3339: "2026-02-03T04:05:06Z".into(),
            utc: String::new(),
        };
        let new = edited(&bytes, active, description, &now).unwrap()?;
        Some(String::from_utf8(new.to_vec()).unwrap())
    }

    #[test]
    fn only_what_differs_is_written() {
        let text = |status: &str, description: &str, end: &str| {
            Some(format!(
                r#"{{"id":"{ID}","token":"t",{status}"description":"{description}","more":[1.0],"orgID":"0000000000000001","updatedAt":"2026-02-03T04:05:06Z"{end}}}"#
            ))
        };
        let (on, off) = (r#""status":"active","#, r#""status":"inactive","#);
        assert_eq!(updated(on, Some(true), None), None);
        assert_eq!(updated("", Some(true), Some("d")), None);
        assert_eq!(updated(on, Some(false), None), text(off, "d", ""));
        assert_eq!(
            updated(off, Some(true), Some("e<")),
            text(on, "e\\u003c", "")
        );
        let missing = text("", "d", r#","status":"inactive""#);
        assert_eq!(updated("", Some(false), None), missing);
        assert_eq!(
            updated(r#""status":"odd","#, Some(true), None),
            text(on, "d", "")
        );
    }
}
