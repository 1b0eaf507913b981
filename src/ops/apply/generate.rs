//! `generate` of a token in a list: the first run makes the file, and later the file is the value.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::metadata::Id;
use crate::ops::apply::place::Place;
use crate::ops::apply::secret_files::Secrets;
use crate::ops::token_plan::Value;

/// The value of a token with `generate`: the content of the file, or a new value and the path of the
/// file to make for it.
///
/// # Errors
/// When the file exists but can't be read or contains no token.
pub(super) fn value(path: &Path, secrets: &mut dyn Secrets) -> Result<(Value, Option<PathBuf>)> {
    Ok(match secrets.token_if_there(path)? {
        Some(token) => (Value::Chosen(token), None),
        None => (Value::Generated, Some(secrets.full_path(path))),
    })
}

/// The error for a token that an earlier run made and whose file is gone. A new value would end the
/// old one, which somebody still uses.
pub(super) fn file_is_gone(place: &Place, id: Id) -> Error {
    let why = format!(
        "the store has this token ({id}), but its file is missing; no new token is generated"
    );
    place.refused(why).with_hint(format!(
        "restore the file, or replace the value: boltkey auth rotate {id} --token-out FILE"
    ))
}
