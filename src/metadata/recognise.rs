//! Whether a store has InfluxDB's buckets, or damage hides them.

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::{Id, lost_records, names};
use crate::store::{Inspect, Snapshot, StaleElement, Unused};

/// What a store is.
pub enum Recognised {
    /// It has InfluxDB's buckets.
    Metadata,
    /// None of them can be read, because of this damage.
    Damaged(Finding),
    /// It is of another program, or empty.
    Other,
}

/// Looks for InfluxDB's buckets. If there are none, records of InfluxDB in unused parts of the file
/// show that they were there: InfluxDB never deletes a bucket with records.
///
/// # Errors
/// When the file can't be read.
pub fn recognise(snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<Recognised> {
    let (buckets, damage) = snapshot.buckets()?;
    let is_ours = |name: &[u8]| names::ALL.contains(&name);
    if buckets.iter().any(|bucket| is_ours(&bucket.name)) {
        return Ok(Recognised::Metadata);
    }
    if let Some(first) = damage.into_iter().next() {
        return Ok(Recognised::Damaged(first));
    }
    if let Some(lost) = lost_records::find(snapshot, inspect)? {
        return Ok(Recognised::Damaged(lost));
    }
    // The records of another program that has buckets are not ours.
    if !buckets.is_empty() {
        return Ok(Recognised::Other);
    }
    let mut page = None;
    inspect.unused(&mut |unused| {
        if let Unused::Element(element) = unused
            && page.is_none()
            && is_record(&element)
        {
            page = Some(element.page);
        }
    })?;
    Ok(match page {
        None => Recognised::Other,
        Some(page) => Recognised::Damaged(Finding::new(
            Code::LostRecords,
            format!("page {page}"),
            "the root has no buckets, but unused pages hold records of InfluxDB",
        )),
    })
}

/// Whether an element is a JSON record under its own ID.
fn is_record(element: &StaleElement<'_>) -> bool {
    #[derive(serde::Deserialize)]
    struct Record {
        id: Id,
    }
    let record = || serde_json::from_slice::<Record>(element.value).ok();
    element.value.first() == Some(&b'{')
        && Id::from_bytes(element.key).is_ok_and(|key| record().is_some_and(|r| r.id == key))
}
