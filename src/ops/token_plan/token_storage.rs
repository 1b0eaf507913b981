//! How a new token is stored: in plaintext, or only as its hash.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Release;
use crate::metadata::migration::HASHING;

/// The requested storage of a new token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StorageChoice {
    /// As influxd is configured, otherwise like the store's other tokens.
    #[default]
    Auto,
    /// Only its hash.
    Hashed,
    /// In plaintext.
    Plaintext,
}

/// Why a token is stored in this form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageReason {
    /// Releases of this schema don't support hashed tokens.
    Schema,
    /// It was requested.
    Asked,
    /// influxd's setting `use-hashed-tokens` says so.
    Setting,
    /// The store already has hashed tokens, or has none.
    Store,
    /// The store is new, and this release stores tokens in this form in new stores.
    NewStore(Release),
}

/// Decides whether a token is stored as a hash, and why. `setting` is influxd's
/// `use-hashed-tokens`, if it is set; `hashes` says whether the store has a hashed token.
///
/// # Errors
/// [`ErrorKind::Refused`] when a hash is requested that releases of this schema can't read.
pub fn decide(
    schema: u64,
    wanted: StorageChoice,
    setting: Option<bool>,
    hashes: bool,
) -> Result<(bool, StorageReason)> {
    match (wanted, setting) {
        (StorageChoice::Hashed, _) if schema < HASHING => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the store has schema {schema}, and the releases with that schema (2.7 and \
                 older) don't support hashed tokens"
            ),
        )
        .with_hint(NO_HASHES)),
        _ if schema < HASHING => Ok((false, StorageReason::Schema)),
        (StorageChoice::Hashed, _) => Ok((true, StorageReason::Asked)),
        (StorageChoice::Plaintext, _) => Ok((false, StorageReason::Asked)),
        (StorageChoice::Auto, Some(setting)) => Ok((setting, StorageReason::Setting)),
        (StorageChoice::Auto, None) => Ok((hashes, StorageReason::Store)),
    }
}

/// The hint if the schema is too old for a requested hash.
const NO_HASHES: &str = "boltkey hash migrates a store of schema 20 to the schema with hashed \
                         tokens";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides() {
        use StorageChoice::{Auto, Hashed, Plaintext};
        use StorageReason::{Asked, Schema, Setting, Store};
        for (schema, wanted, setting, hashes, expected) in [
            (20, Auto, Some(true), true, (false, Schema)),
            (20, Plaintext, None, true, (false, Schema)),
            (21, Plaintext, Some(true), true, (false, Asked)),
            (21, Hashed, Some(false), false, (true, Asked)),
            (21, Auto, Some(false), true, (false, Setting)),
            (21, Auto, Some(true), false, (true, Setting)),
            (21, Auto, None, true, (true, Store)),
            (21, Auto, None, false, (false, Store)),
        ] {
            assert_eq!(decide(schema, wanted, setting, hashes).unwrap(), expected);
        }
        let error = decide(20, Hashed, None, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}
