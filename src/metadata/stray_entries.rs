//! Entries of the token index on pages that no tree uses. A token may have neither a record nor an entry
//! in the index, and still be there.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::metadata::salvage::is_generated_token;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Id, names};
use crate::secret::Token;
use crate::store::{Inspect, StaleElement};

/// Finds the entries that lead to an ID for which `is_wanted`. Leaves do not carry the name of their
/// bucket: a leaf with a generated token is of the token index, and so are its other entries.
///
/// # Errors
/// When the file can't be read.
pub(super) fn find(
    inspect: &dyn Inspect,
    is_wanted: &dyn Fn(Id) -> bool,
) -> Result<HashMap<Id, Token>> {
    let mut pages = HashSet::new();
    inspect.orphans(&mut |element| {
        if entry(&element).is_some() && is_generated_token(element.key) {
            pages.insert(element.page);
        }
    })?;
    let mut found = HashMap::new();
    if pages.is_empty() {
        return Ok(found);
    }
    inspect.orphans(&mut |element| {
        if let Some((text, id)) = entry(&element)
            && pages.contains(&element.page)
            && is_wanted(id)
        {
            found
                .entry(id)
                .or_insert_with(|| Token::new(text.to_owned()));
        }
    })?;
    Ok(found)
}

/// The token and the ID, if this can be an entry of the index of plaintext tokens.
fn entry<'a>(element: &StaleElement<'a>) -> Option<(&'a str, Id)> {
    let is_index = element
        .bucket
        .is_none_or(|bucket| bucket == names::AUTHORIZATION_INDEX);
    let is_hash = element.key.starts_with(PREFIX.as_bytes());
    let id = Id::from_bytes(element.value).ok()?;
    let text = std::str::from_utf8(element.key).ok()?;
    (is_index && !is_hash).then_some((text, id))
}
