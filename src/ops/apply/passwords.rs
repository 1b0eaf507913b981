//! Hashes of the passwords of a list.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::{Id, password};
use crate::ops::apply::entry::Password;
use crate::ops::apply::said::Said;
use crate::ops::apply::{Options, Work};
use crate::ops::user;
use crate::store::Snapshot;

/// The hash to store under `id` of `bucket`. None if the password or hash is stored already.
///
/// # Errors
/// When InfluxDB refuses the password.
pub(super) fn new_hash(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    id: Id,
    password: Option<&Password>,
    options: &Options<'_>,
) -> Result<Option<Zeroizing<String>>> {
    let Some(password) = password else {
        return Ok(None);
    };
    let old = snapshot.get(bucket, id.to_string().as_bytes())?;
    let old = old.and_then(|old| String::from_utf8(old).ok());
    let is_stored = old.is_some_and(|old| match password {
        Password::Text(text) => password::matches(&text.value, &old),
        Password::Hash(hash) => *hash.value == old,
    });
    match is_stored {
        true => Ok(None),
        false => hash_of(password, options).map(Some),
    }
}

/// The hash of a password in the list.
///
/// # Errors
/// When InfluxDB refuses the password.
pub(super) fn hash_of(password: &Password, options: &Options<'_>) -> Result<Zeroizing<String>> {
    match password {
        Password::Hash(hash) => Ok(hash.value.clone()),
        Password::Text(Said { value, place }) => {
            user::password::hash(value, options.strong_passwords)
                .map_err(|error| place.wrap(&error))
        }
    }
}

/// Stores the hash of a password.
pub(super) fn put_hash(work: &mut Work<'_>, bucket: &[u8], id: Id, hash: &str) {
    let key = id.to_string();
    let changes = &mut work.plan.changes;
    changes.put(bucket, key.as_bytes(), hash.as_bytes());
}
