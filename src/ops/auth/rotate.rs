//! `auth rotate`: a new value for a token whose ID, permissions and description stay.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::json::Edit;
use crate::metadata::new_authorization::Kept;
use crate::metadata::{Authorization, Catalog, Id, authenticate, json, names};
use crate::ops::auth::record::{IndexKey, Record, own_index_keys};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::existing_tokens::ExistingTokens;
use crate::ops::token_plan::new_token::{
    Making, decide, hash_of, kept, lookup, must_be_free, secret,
};
use crate::ops::token_plan::{Secret, TokenPlan, TokenPlanParts};
use crate::store::{ChangeSet, Snapshot};

/// Which token, and its new value.
pub struct Options {
    /// The authorization.
    pub id: Id,
    /// The new value.
    pub making: Making,
}

/// Works out the new record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such authorization
/// * [`ErrorKind::Refused`] when the value is in use, or is none, or would not be accepted
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<TokenPlan> {
    let Options { id, making } = options;
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let bytes = Record::load(snapshot, *id)?;
    bytes.decoded()?;
    let secret = secret(&making.value)?;
    let existing = ExistingTokens::of(snapshot, &lookup(&making.value, &secret), None)?;
    let (hashed, storage_reason) = decide(schema, making, &existing)?;
    must_be_free(existing.in_use(0))?;
    if !making.allow_unusable {
        must_be_of_use(&secret)
            .map_err(|error| error.with_hint("--allow-unusable takes it all the same"))?;
    }
    let hash = hash_of(&secret, hashed);
    let kept = kept(&secret, hash.as_deref());
    let mut changes = ChangeSet::default();
    let (record, gone) = give(snapshot, &bytes, kept, now, &mut changes)?;
    TokenPlan::new(
        snapshot,
        TokenPlanParts {
            changes,
            secret,
            id: *id,
            record,
            storage_reason,
            login_had_power: None,
            schema,
            replaced: Some(bytes.fingerprint()),
            holds_hashes: existing.hashes,
            gone,
        },
    )
}

/// Gives a record another value. Returns it as it will be, and the index keys that lead nowhere
/// afterwards.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when it can't be edited safely; else as [`Snapshot::get`].
pub(crate) fn give(
    snapshot: &dyn Snapshot,
    bytes: &Record,
    kept: Kept<'_>,
    now: &Timestamp,
    changes: &mut ChangeSet,
) -> Result<(Zeroizing<Vec<u8>>, Vec<IndexKey>)> {
    let old = bytes.decoded()?;
    let record = edited(bytes, &old, kept, &now.rfc3339)?;
    let key = old.id.to_string();
    let gone = own_index_keys(snapshot, &old)?;
    for (bucket, key) in &gone {
        changes.remove(bucket, key);
    }
    let (index, entry) = kept.index();
    changes.put(index, entry, key.as_bytes());
    changes.put(names::AUTHORIZATIONS, key.as_bytes(), &record);
    Ok((record, gone))
}

/// Refuses a value that no server would accept. That of a hash can't be told.
///
/// # Errors
/// [`ErrorKind::Refused`], and why.
pub(crate) fn must_be_of_use(secret: &Secret) -> Result<()> {
    let mut reasons = Vec::new();
    let useful = match secret {
        Secret::Token(token) => authenticate::can_be_sent(token.reveal(), &mut reasons),
        Secret::Hash(hash) => {
            reasons.push("its hash has not the length of its kind".into());
            hash.is_complete()
        }
    };
    if useful {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "a server would refuse the new token: {}",
            reasons.join("; ")
        ),
    ))
}

/// The record with the new value in the place of the old one; the rest stays byte for byte.
fn edited(
    bytes: &Record,
    old: &Authorization<'_>,
    kept: Kept<'_>,
    now: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    let (name, other, value) = match kept {
        Kept::Plaintext(token) => ("token", "hashedToken", token.reveal()),
        Kept::Hash(hash) => ("hashedToken", "token", hash),
    };
    // Enough for every escape, so that no copy of the token is left behind.
    let room = value.len() * 6 + 64;
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    json::push_string(value, &mut text);
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let object = bytes.object()?;
    // The 2.7 and older releases write an empty token where there is none.
    let edits = match (object.get(name), object.get(other)) {
        (None, Some(_)) => vec![(other, Edit::Become(name, text))],
        (_, None) => vec![(name, Edit::Set(text))],
        (Some(_), Some(_)) => vec![(name, Edit::Set(text)), (other, Edit::Remove)],
    };
    let time = json::string(now);
    let edits = [&edits[..], &[("updatedAt", Edit::Set(&time))]].concat();
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() + room + 128));
    object.edit(&edits, &mut out);
    // What is written must be what was meant, whatever names stand twice in the old record.
    let right = serde_json::from_slice::<Authorization<'_>>(&out).is_ok_and(|new| {
        let (token, hash) = match kept {
            Kept::Plaintext(token) => (token.reveal(), ""),
            Kept::Hash(hash) => ("", hash),
        };
        new.id == old.id
            && new.token == token
            && new.hashed_token == hash
            && new.permissions == old.permissions
    });
    if right {
        return Ok(out);
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "the record of authorization {} can't be edited safely",
            old.id
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Token;
    use crate::store::Model;

    const ID: &str = "0000000000000a01";

    fn rotated(fields: &str, kept: Kept<'_>) -> String {
        let text = format!(
            r#"{{"id":"{ID}",{fields}"x":1.50,"orgID":"0000000000000001","updatedAt":"2021-01-01T00:00:00Z"}}"#
        );
        let mut model = Model::default();
        model.put(names::AUTHORIZATIONS, ID.as_bytes(), text.as_bytes());
        let bytes = Record::load(&model, ID.parse().unwrap()).unwrap();
        let old = bytes.decoded().unwrap();
        let new = edited(&bytes, &old, kept, "2026-02-03T04:05:06Z").unwrap();
        String::from_utf8(new.to_vec()).unwrap()
    }

    #[test]
    fn only_the_value_and_the_time_change() {
        let token = Token::new("t<".into());
        let rest = r#""x":1.50,"orgID":"0000000000000001","updatedAt":"2026-02-03T04:05:06Z""#;
        for (fields, raw, hashed) in [
            (
                r#""token":"o","#,
                format!(r#"{{"id":"{ID}","token":"t\u003c",{rest}}}"#),
                format!(r#"{{"id":"{ID}","hashedToken":"h",{rest}}}"#),
            ),
            (
                r#""hashedToken":"o","#,
                format!(r#"{{"id":"{ID}","token":"t\u003c",{rest}}}"#),
                format!(r#"{{"id":"{ID}","hashedToken":"h",{rest}}}"#),
            ),
            (
                r#""token":"","hashedToken":"o","#,
                format!(r#"{{"id":"{ID}","token":"t\u003c",{rest}}}"#),
                format!(r#"{{"id":"{ID}","hashedToken":"h",{rest}}}"#),
            ),
            (
                "",
                format!(r#"{{"id":"{ID}",{rest},"token":"t\u003c"}}"#),
                format!(r#"{{"id":"{ID}",{rest},"hashedToken":"h"}}"#),
            ),
        ] {
            assert_eq!(rotated(fields, Kept::Plaintext(&token)), raw);
            assert_eq!(rotated(fields, Kept::Hash("h")), hashed);
        }
    }
}
