//! A report as one JSON document.

use serde::Serialize;

use crate::cli::commands::report::document::{Document, Head};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::report::StoreReport;

/// Before each section but the first.
const SEPARATOR: &[u8] = b",\n";

/// The document: its format, the overview, and an object for each store that was read.
pub struct Json;

impl Document for Json {
    fn section(&self, store: &StoreReport, _: usize, _: bool) -> Result<Vec<u8>> {
        let mut text = SEPARATOR.to_vec();
        text.append(&mut to_json(store)?);
        Ok(text)
    }

    fn skipped_at_first(&self) -> usize {
        SEPARATOR.len()
    }

    fn begin(&self, head: &Head) -> Result<Vec<u8>> {
        let mut text = b"{\"format\":\"boltkey-report/1\",\"version\":".to_vec();
        text.append(&mut to_json(&head.version)?);
        text.extend_from_slice(b",\"made\":");
        text.append(&mut to_json(&head.made)?);
        text.extend_from_slice(b",\n\"overview\":[");
        for (at, row) in head.rows.iter().enumerate() {
            text.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
            text.append(&mut to_json(row)?);
        }
        text.extend_from_slice(b"],\n\"stores\":[");
        Ok(text)
    }

    fn end(&self) -> Vec<u8> {
        b"]}\n".to_vec()
    }
}

/// A value as JSON on one line.
///
/// # Errors
/// When a path in it is not UTF-8.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|cause| Error::new(ErrorKind::Io, format!("can't be told in JSON: {cause}")))
}
