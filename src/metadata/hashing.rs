//! What hashing makes of a store's tokens, record by record, as influxd 2.8 and later do it at
//! their start.
//!
//! Source: `authorization/storage.go` in influxdata/influxdb: the record loses `token` and gains
//! `hashedToken` in its place, the hash becomes a key of the second index, and the first index
//! loses the token.

use std::borrow::Cow;
use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256, Sha512};

use super::json::{Edit, Object};
use super::{Id, TokenHash, Variant, names};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Additions;
use crate::store::change::{Fate, Transform};

/// How a record keeps its token, with the texts themselves.
pub struct Kept<'a> {
    /// Empty when there is none.
    pub token: Cow<'a, str>,
    /// Empty when there is none.
    pub hash: Cow<'a, str>,
}

impl<'a> Kept<'a> {
    /// Reads the two fields of a record's JSON. `None` when it is no object, or one of them no
    /// string.
    #[must_use]
    pub fn of(record: &Object<'a>) -> Option<Self> {
        let text = |name| match record.get(name) {
            None | Some(b"null") => Some(Cow::Borrowed("")),
            Some(quoted) => match serde_json::from_slice(quoted) {
                Ok(plain) => Some(Cow::Borrowed(plain)),
                Err(_) => serde_json::from_slice(quoted).ok().map(Cow::Owned),
            },
        };
        Some(Self {
            token: text("token")?,
            hash: text("hashedToken")?,
        })
    }

    /// Whether both are there and the hash is not the token's: nobody can tell which of the two
    /// the record's owner has.
    #[must_use]
    pub fn disagree(&self) -> bool {
        !self.token.is_empty()
            && !self.hash.is_empty()
            && !TokenHash::parse(&self.hash).is_ok_and(|hash| hash.matches(self.token.as_bytes()))
    }
}

/// The change to [`names::AUTHORIZATIONS`]: every token becomes its hash. Of a record with both,
/// the hash stays.
pub struct HashTokens(pub Variant);

impl Transform for HashTokens {
    fn apply(&self, key: &[u8], value: &[u8], value_out: &mut Vec<u8>) -> Result<Fate> {
        let record = Object::parse(value);
        let kept = record.as_ref().and_then(Kept::of);
        let (Some(record), Some(kept)) = (record, kept) else {
            return Err(not_hashed(key, "it can't be decoded"));
        };
        if kept.token.is_empty() {
            return Ok(Fate::Keep);
        }
        if kept.disagree() {
            return Err(not_hashed(key, "its token and its hash disagree"));
        }
        if kept.hash.is_empty() {
            let hash = TokenHash::of(self.0, kept.token.as_bytes()).to_phc();
            // A hash needs no escapes.
            let quoted = format!("\"{hash}\"");
            let edits = [
                ("token", Edit::Become("hashedToken", &quoted)),
                ("hashedToken", Edit::Remove),
            ];
            record.edit(&edits, value_out);
        } else {
            record.edit(&[("token", Edit::Remove)], value_out);
        }
        Ok(Fate::Replace)
    }
}

fn not_hashed(key: &[u8], why: &str) -> Error {
    let bucket = String::from_utf8_lossy(names::AUTHORIZATIONS);
    let key = String::from_utf8_lossy(key);
    Error::new(ErrorKind::Refused, format!("{bucket}/{key}: {why}"))
}

/// The change to [`names::AUTHORIZATION_INDEX`]: nothing stays. Once every token is hashed its
/// entries lead nowhere, and show tokens.
pub struct DropAll;

impl Transform for DropAll {
    fn apply(&self, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<Fate> {
        Ok(Fate::Remove)
    }
}

/// A token's digest: 32 bytes for SHA-256, 64 for SHA-512.
pub trait Hash<const N: usize> {
    /// The function.
    const VARIANT: Variant;

    /// The digest of a token's bytes.
    fn digest(token: &[u8]) -> [u8; N];
}

/// SHA-256.
pub struct By256;

/// SHA-512.
pub struct By512;

impl Hash<32> for By256 {
    const VARIANT: Variant = Variant::Sha256;

    fn digest(token: &[u8]) -> [u8; 32] {
        Sha256::digest(token).into()
    }
}

impl Hash<64> for By512 {
    const VARIANT: Variant = Variant::Sha512;

    fn digest(token: &[u8]) -> [u8; 64] {
        Sha512::digest(token).into()
    }
}

/// The new entries of [`names::AUTHORIZATION_HASHED_INDEX`]. Digests and numbers only, since there
/// may be a million.
pub struct NewEntries<const N: usize> {
    variant: Variant,
    /// Ascending by the text of their keys.
    entries: Vec<([u8; N], Id)>,
}

impl<const N: usize> NewEntries<N> {
    /// Sorts them.
    #[must_use]
    pub fn new(variant: Variant, mut entries: Vec<([u8; N], Id)>) -> Self {
        entries.sort_unstable_by(|(a, _), (b, _)| by_text(a, b));
        Self { variant, entries }
    }

    /// Whose token has this digest.
    #[must_use]
    pub fn owner_of(&self, digest: &[u8]) -> Option<Id> {
        let digest: &[u8; N] = digest.try_into().ok()?;
        let at = self
            .entries
            .binary_search_by(|(entry, _)| by_text(entry, digest));
        self.entries.get(at.ok()?).map(|(_, id)| *id)
    }

    /// Two authorizations that hold the same token, if there are any.
    #[must_use]
    pub fn twice(&self) -> Option<(Id, Id)> {
        self.entries.windows(2).find_map(|pair| match pair {
            [(a, first), (b, second)] if a == b => Some((*first, *second)),
            _ => None,
        })
    }
}

impl<const N: usize> Additions for NewEntries<N> {
    fn count(&self) -> usize {
        self.entries.len()
    }

    fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>) {
        let Some((digest, id)) = self.entries.get(number) else {
            return;
        };
        key_out.push(b'$');
        key_out.extend_from_slice(self.variant.identifier().as_bytes());
        key_out.push(b'$');
        let start = key_out.len();
        key_out.resize(start + N.div_ceil(3) * 4, b'=');
        // The space is what the digest needs.
        let space = key_out.get_mut(start..).unwrap_or_default();
        let _ = URL_SAFE.encode_slice(digest, space);
        value_out.extend_from_slice(id.to_string().as_bytes());
    }
}

/// Compares digests as their base64 texts compare: the URL-safe alphabet is not in the order of
/// its bytes.
fn by_text<const N: usize>(a: &[u8; N], b: &[u8; N]) -> Ordering {
    let Some(first) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return Ordering::Equal;
    };
    // Three bytes make four letters; what stands before them is equal.
    let group = first / 3 * 3;
    let letters = |digest: &[u8; N]| {
        let byte = |n: usize| u32::from(digest.get(group + n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        [18, 12, 6, 0].map(|shift| rank(bits >> shift & 63))
    };
    letters(a).cmp(&letters(b))
}

/// Where the letter for six bits stands among all letters: `-`, digits, capitals, `_`, small.
fn rank(bits: u32) -> u32 {
    match bits {
        0..=25 => bits + 11,
        26..=51 => bits + 12,
        52..=61 => bits - 51,
        62 => 0,
        _ => 37,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "my-super-secret-admin-token";
    const PHC: &str = "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=";

    fn hashed(record: &str) -> Result<Option<String>> {
        let mut out = Vec::new();
        match HashTokens(Variant::Sha256).apply(b"0a", record.as_bytes(), &mut out)? {
            Fate::Keep => Ok(None),
            Fate::Replace => Ok(Some(String::from_utf8(out).unwrap())),
            Fate::Remove => panic!("a record was removed"),
        }
    }

    #[test]
    fn records() {
        let plain = format!(r#"{{"id":"0a","token":"{TOKEN}", "x":1.0 }}"#);
        let expected = format!(r#"{{"id":"0a","hashedToken":"{PHC}", "x":1.0 }}"#);
        assert_eq!(hashed(&plain).unwrap().unwrap(), expected);
        assert_eq!(hashed(&expected).unwrap(), None);
        for both in [
            format!(r#"{{"id":"0a","token":"{TOKEN}","hashedToken":"{PHC}", "x":1.0 }}"#),
            format!(r#"{{"id":"0a","hashedToken":"{PHC}","token":"{TOKEN}", "x":1.0 }}"#),
        ] {
            assert_eq!(hashed(&both).unwrap().unwrap(), expected);
        }
        let empty = format!(r#"{{"id":"0a","token":"{TOKEN}","hashedToken":"", "x":1.0 }}"#);
        assert_eq!(hashed(&empty).unwrap().unwrap(), expected);
        let escaped = r#"{"id":"0a","token":"my-super-secret\u002dadmin-token", "x":1.0 }"#;
        assert_eq!(hashed(escaped).unwrap().unwrap(), expected);
        for neither in [r#"{"id":"0a"}"#, r#"{"token":"","hashedToken":null}"#] {
            assert_eq!(hashed(neither).unwrap(), None);
        }
    }

    #[test]
    fn what_disagrees_is_refused_without_showing_it() {
        for hash in ["$influxdb2-sha256$AAAA", "$influxdb2-md5$AAAA", "x"] {
            let both = format!(r#"{{"token":"{TOKEN}","hashedToken":"{hash}"}}"#);
            let error = hashed(&both).unwrap_err();
            assert_eq!(
                error.message(),
                "authorizationsv1/0a: its token and its hash disagree"
            );
        }
        assert!(hashed("[]").is_err());
        assert!(hashed(r#"{"token":7}"#).is_err());
    }

    #[test]
    fn entries_ascend_by_their_texts() {
        let entries = (0..2000u64).map(|n| {
            let id = Id::new(n + 1).unwrap();
            (By256::digest(&n.to_le_bytes()), id)
        });
        let entries = NewEntries::new(Variant::Sha256, entries.collect());
        let mut last = Vec::new();
        for number in 0..entries.count() {
            let (mut key, mut value) = (Vec::new(), Vec::new());
            entries.pair(number, &mut key, &mut value);
            assert!(last < key);
            assert_eq!(key.len(), 62);
            assert_eq!(value.len(), 16);
            last = key;
        }
        assert_eq!(entries.twice(), None);
        let id = |n| Id::new(n).unwrap();
        let digest = By512::digest(TOKEN.as_bytes());
        let entries = NewEntries::new(Variant::Sha512, vec![(digest, id(1)), (digest, id(2))]);
        assert!(entries.twice().is_some());
        let mut key = Vec::new();
        entries.pair(0, &mut key, &mut Vec::new());
        let expected = TokenHash::of(Variant::Sha512, TOKEN.as_bytes()).to_phc();
        assert_eq!(key, expected.as_bytes());
    }
}
