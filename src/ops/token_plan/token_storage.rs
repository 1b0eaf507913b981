//! How a new token is kept: in plaintext, or only as its hash.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::migration::HASHING;

/// How a new token is to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StorageChoice {
    /// As influxd is set up, else as the store's other tokens.
    #[default]
    Auto,
    /// Only its hash.
    Hashed,
    /// As it is.
    Plaintext,
}

/// Why a token is kept the way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageReason {
    /// Releases of this schema know no hashed tokens.
    Schema,
    /// It was asked for.
    Asked,
    /// An explicit `use-hashed-tokens` says so.
    Setting,
    /// The store holds hashed tokens already, or none.
    Store,
    /// The store is new, and InfluxDB 2.9 makes such with hashes.
    NewStore,
}

/// Decides whether a token is kept as a hash, and why. `setting` is an explicit
/// `use-hashed-tokens`; `hashes` tells whether the store holds one.
///
/// # Errors
/// [`ErrorKind::Refused`] when a hash is wanted that releases of this schema can't read.
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
                "the store has schema {schema}, whose releases (2.7 and older) know no hashed \
                 tokens"
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

/// What to do where a hash is wanted and the schema is too old for one.
const NO_HASHES: &str = "boltkey hash brings a store of schema 20 to the one that knows hashed \
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
