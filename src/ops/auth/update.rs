//! `auth update`: another status or description. What a token may do can't be changed, as in
//! InfluxDB.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::Edit;
use crate::metadata::{Authorization, Catalog, Id, json, names};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::auth::record::Record;
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenLookup};
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// What is to change; none stays.
#[derive(Debug, Clone)]
pub struct Options {
    /// The authorization.
    pub id: Id,
    /// Whether it is to be active.
    pub active: Option<bool>,
    /// Its description.
    pub description: Option<String>,
}

/// A change that is worked out.
pub struct Plan {
    /// What is to be written; nothing if all is as wanted.
    pub changes: ChangeSet,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
}

/// Works out the new record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such authorization
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    ExistingTokens::of(snapshot, &TokenLookup::default(), None)?;
    let bytes = Record::load(snapshot, options.id)?;
    let record = edited(&bytes, options, now)?;
    let mut changes = ChangeSet::default();
    if let Some(record) = &record {
        let key = options.id.to_string();
        changes.put(names::AUTHORIZATIONS, key.as_bytes(), record);
    }
    let preview = Preview::new(snapshot, &changes);
    let lister = Lister::of_one(&preview, catalog, options.id, false)?;
    Ok(Plan {
        record: record.unwrap_or_else(|| bytes.into_bytes()),
        lister,
        changes,
    })
}

/// The record with what is to change, and everything else byte for byte; none if nothing differs.
fn edited(
    bytes: &Record,
    options: &Options,
    now: &Timestamp,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let old = bytes.decoded()?;
    // A status that is missing counts as active, an unknown word as inactive.
    let status = options.active.map(|active| match active {
        true => "active",
        false => "inactive",
    });
    let status = status.filter(|wanted| *wanted != old.shown_status());
    let description = options.description.as_deref();
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
    /// Hands the authorization as it is to be to `use_it`.
    ///
    /// # Errors
    /// Never, as long as the record that was just made can be decoded.
    pub fn show<T>(&self, use_it: impl FnOnce(&AuthDetails<'_>) -> T) -> Result<T> {
        let record: Authorization<'_> = serde_json::from_slice(&self.record)
            .map_err(|_| Error::new(ErrorKind::Refused, "the new record can't be decoded"))?;
        Ok(use_it(&self.lister.entry(&record)))
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
        let options = Options {
            id: ID.parse().unwrap(),
            active,
            description: description.map(str::to_owned),
        };
        let new = edited(&bytes, &options, &now).unwrap()?;
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
