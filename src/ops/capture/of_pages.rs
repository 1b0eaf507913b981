//! The plaintext tokens of a file that has lost both meta pages, so that it can't be opened: those of
//! records on its pages, as `salvage` finds them, and those of which only an index entry is left.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Catalog;
use crate::metadata::salvage::Surroundings;
use crate::metadata::tsm::Highest;
use crate::ops::auth::list::{Filters, Selection};
use crate::ops::capture::{Captured, TokenList, collect, plaintext};
use crate::ops::salvage::records;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::store::{DamagedFile, OpenOptions};

/// Whether `error`, of opening a database, may mean that its meta pages are lost.
#[must_use]
pub fn may_have_lost_metas(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotAStore | ErrorKind::Corrupt)
}

/// The tokens that pass the filters, ascending by ID; `None` if no record of InfluxDB can be found.
/// There may be more.
///
/// # Errors
/// As [`DamagedFile::open`]; [`ErrorKind::NoSuchRecord`] when a filter names something that does not
/// exist.
pub fn capture_pages(
    database: &Path,
    open: &OpenOptions,
    filters: Filters,
    now: &Timestamp,
) -> Result<Option<TokenList>> {
    let damaged = DamagedFile::open(database, open, &|_| {})?;
    let (found, _) = records(damaged.pages(), false)?;
    drop(damaged);
    if !found.has_any() {
        return Ok(None);
    }
    let rebuilt = found.rebuild(&Surroundings {
        utc: &now.utc,
        random_id: &|content| new_id::of_engine(content),
        random: new_id::random_number()?,
        highest: Highest::default(),
    })?;
    let catalog = Catalog::load(&rebuilt.content)?;
    let all = filters.is_empty();
    let selection = Selection::new(filters, &catalog)?;
    let (mut captured, _) = collect(&rebuilt.content, &catalog, &|record, catalog| {
        plaintext(record, catalog, &selection)
    })?;
    if all {
        for (id, token) in rebuilt.without_record {
            captured.push(&Captured::bare(id, token));
        }
    }
    captured.sort();
    captured.hidden = true;
    Ok(Some(captured))
}
