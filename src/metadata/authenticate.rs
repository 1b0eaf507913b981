//! Whether a server would accept a token, and why not: the rules of influxd's authentication in its
//! order (`http/authentication_middleware.go`, `authorization/storage_authorization.go`).

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::{
    Authorization, Catalog, Id, Storage, TokenHash, Variant, authorization, names, parallel_scan,
};
use crate::secret::Token;
use crate::store::Snapshot;

/// A token index: the authorization of each key. Keys are kept as digests only, because keys of the
/// raw index are tokens.
#[derive(Default)]
pub struct TokenIndex {
    /// The bucket it was read from.
    name: String,
    entries: HashMap<KeyDigest, Option<Id>, BuildHasherDefault<Leading>>,
}

impl TokenIndex {
    /// Reads [`names::AUTHORIZATION_INDEX`], [`names::AUTHORIZATION_HASHED_INDEX`] or
    /// [`names::LEGACY_AUTHORIZATION_INDEX`].
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot, bucket: &[u8]) -> Result<(Self, Vec<Finding>)> {
        Self::load_some(snapshot, bucket, &|_| true)
    }

    /// Reads the entries whose keys are wanted.
    fn load_some(
        snapshot: &dyn Snapshot,
        bucket: &[u8],
        is_wanted: &(dyn Fn(&KeyDigest) -> bool + Sync),
    ) -> Result<(Self, Vec<Finding>)> {
        let mut entries = HashMap::default();
        let skipped = parallel_scan::scan(
            snapshot,
            bucket,
            &|some: &mut Vec<_>, key, value| {
                let digest = key_digest(key);
                if is_wanted(&digest) {
                    some.push((digest, Id::from_bytes(value).ok()));
                }
            },
            &mut |some| entries.extend(some),
        )?;
        let name = String::from_utf8_lossy(bucket).into_owned();
        Ok((Self { name, entries }, skipped))
    }

    /// Reads the entries for these keys only. An entry that can't be read because of damage counts
    /// as missing.
    ///
    /// # Errors
    /// When the file can't be read.
    fn of<K: AsRef<[u8]>>(
        snapshot: &dyn Snapshot,
        bucket: &[u8],
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self> {
        let mut entries = HashMap::default();
        for key in keys {
            let key = key.as_ref();
            if key.is_empty() {
                continue;
            }
            match snapshot.get(bucket, key) {
                Ok(Some(value)) => {
                    entries.insert(key_digest(key), Id::from_bytes(&value).ok());
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        let name = String::from_utf8_lossy(bucket).into_owned();
        Ok(Self { name, entries })
    }

    /// The authorization in the entry for `key`: `None` without an entry, `Some(None)` when its
    /// value is not an ID.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Option<Id>> {
        self.entries.get(&key_digest(key)).copied()
    }
}

/// The digest of a key that may be a token.
pub(crate) type KeyDigest = [u8; 16];

/// The first half of a key's SHA-256.
pub(crate) fn key_digest(key: &[u8]) -> KeyDigest {
    short_digest(Sha256::digest(key).into())
}

/// The first half of a SHA-256 digest.
pub(crate) fn short_digest(digest: [u8; 32]) -> KeyDigest {
    let [short @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
    short
}

/// Hashes a [`KeyDigest`], which is a hash already, by taking its first bytes.
#[derive(Default)]
pub(crate) struct Leading(u64);

impl Hasher for Leading {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Both token indexes of a store.
#[derive(Default)]
pub struct TokenIndexes {
    /// Raw tokens.
    pub raw: TokenIndex,
    /// Hashes.
    pub hashed: TokenIndex,
}

impl TokenIndexes {
    /// Reads both. A store of schema 20 or older has no index of hashes.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let (raw, mut skipped) = TokenIndex::load(snapshot, names::AUTHORIZATION_INDEX)?;
        let (hashed, more) = TokenIndex::load(snapshot, names::AUTHORIZATION_HASHED_INDEX)?;
        skipped.extend(more);
        Ok((Self { raw, hashed }, skipped))
    }

    /// Reads only the entries with these keys, in one pass: for many authorizations in a store of even
    /// more.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn of_keys(snapshot: &dyn Snapshot, keys: &HashSet<KeyDigest>) -> Result<Self> {
        let of = |bucket| {
            TokenIndex::load_some(snapshot, bucket, &|key| keys.contains(key)).map(|(some, _)| some)
        };
        Ok(Self {
            raw: of(names::AUTHORIZATION_INDEX)?,
            hashed: of(names::AUTHORIZATION_HASHED_INDEX)?,
        })
    }

    /// The keys under which a server looks for an authorization.
    pub(crate) fn keys_of<P>(record: &Authorization<'_, P>) -> impl Iterator<Item = KeyDigest> {
        let token = record.token.as_bytes();
        let is_plaintext = !token.is_empty();
        let by_hash = Variant::ALL
            .into_iter()
            .filter(move |_| is_plaintext)
            .map(move |variant| key_digest(TokenHash::of(variant, token).to_phc().as_bytes()));
        let own = [token, record.hashed_token.as_bytes()];
        own.into_iter().map(key_digest).chain(by_hash)
    }

    /// Reads only the entry for the 1.x user name of this 1.x-compatible authorization.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of_legacy<P>(snapshot: &dyn Snapshot, record: &Authorization<'_, P>) -> Result<Self> {
        let key = record.token.as_bytes();
        Ok(Self {
            raw: TokenIndex::of(snapshot, names::LEGACY_AUTHORIZATION_INDEX, [key])?,
            hashed: TokenIndex::default(),
        })
    }

    /// Reads only the entries for these authorizations: a store may hold a million others.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of<'r, P: 'r>(
        snapshot: &dyn Snapshot,
        records: impl IntoIterator<Item = &'r Authorization<'r, P>>,
    ) -> Result<Self> {
        let (mut raw, mut hashed) = (Vec::new(), Vec::new());
        for record in records {
            if !record.token.is_empty() {
                let token = record.token.as_bytes();
                // The server also tries the hash when the other index has no entry.
                hashed.extend(Variant::ALL.map(|variant| TokenHash::of(variant, token).to_phc()));
                raw.push(Zeroizing::new(token.to_vec()));
            }
            hashed.push(record.hashed_token.clone().into_owned());
        }
        Ok(Self {
            raw: TokenIndex::of(snapshot, names::AUTHORIZATION_INDEX, &raw)?,
            hashed: TokenIndex::of(snapshot, names::AUTHORIZATION_HASHED_INDEX, &hashed)?,
        })
    }
}

/// Whether some request to `/api/v2` with a token would be accepted, and why or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether some request would be accepted.
    pub authenticates: bool,
    /// Whether it might be, because damage may hide what is missing.
    pub unknown: bool,
    /// Why not, or which endpoints refuse it.
    pub reasons: Vec<String>,
}

impl Verdict {
    /// The verdict if all of these conditions must be met.
    pub(crate) fn of(conditions: &[Met], reasons: Vec<String>) -> Self {
        Self {
            authenticates: conditions.iter().all(|met| *met == Met::Yes),
            unknown: conditions.contains(&Met::Unknown) && !conditions.contains(&Met::No),
            reasons,
        }
    }

    /// Whether some request would be accepted; none if unknown.
    #[must_use]
    pub fn known(&self) -> Option<bool> {
        (!self.unknown).then_some(self.authenticates)
    }
}

/// A condition for a request to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// It is met.
    Yes,
    /// It is not met.
    No,
    /// Damage may hide what is missing.
    Unknown,
}

impl From<bool> for Met {
    fn from(met: bool) -> Self {
        if met { Self::Yes } else { Self::No }
    }
}

/// Checks the token of `authorization` as if a client sent it.
#[must_use]
pub fn judge<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    indexes: &TokenIndexes,
) -> Verdict {
    let mut reasons = Vec::new();
    let found = has_index_entry(authorization, catalog, indexes, &mut reasons);
    let sendable =
        authorization.token.is_empty() || can_be_sent(&authorization.token, &mut reasons);
    let accepted = is_accepted(authorization, catalog, &mut reasons);
    Verdict::of(&[found, sendable.into(), accepted], reasons)
}

/// Whether the server would find the record by its token.
pub(crate) fn has_index_entry<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    indexes: &TokenIndexes,
    reasons: &mut Vec<String>,
) -> Met {
    let (index, key) = match authorization.storage() {
        Storage::Missing => {
            reasons.push("the record has no token".into());
            return Met::No;
        }
        Storage::Plaintext | Storage::Both => (&indexes.raw, &authorization.token),
        Storage::Hashed => {
            if let Err(cause) = TokenHash::parse(&authorization.hashed_token) {
                reasons.push(format!("its hash can't be decoded: {cause}"));
                return Met::No;
            }
            (&indexes.hashed, &authorization.hashed_token)
        }
    };
    let name = &index.name;
    match index.get(key.as_bytes()) {
        Some(Some(id)) if id == authorization.id => Met::Yes,
        Some(Some(id)) => {
            reasons.push(format!("its entry in {name} leads to authorization {id}"));
            Met::No
        }
        Some(None) => {
            reasons.push(format!("its entry in {name} is not a valid ID"));
            Met::No
        }
        None if by_hash(authorization, indexes) => Met::Yes,
        None if catalog.hidden.hides(name.as_bytes()) => {
            reasons.push(format!(
                "its entry in {name} can't be found, and damage may hide it"
            ));
            Met::Unknown
        }
        None => {
            reasons.push(format!("its entry in {name} is missing"));
            Met::No
        }
    }
}

/// Whether a record with a plaintext token is found by the token's hash: the server tries that when
/// the index of raw tokens has no entry.
fn by_hash<P>(authorization: &Authorization<'_, P>, indexes: &TokenIndexes) -> bool {
    let token = authorization.token.as_bytes();
    !token.is_empty()
        && Variant::ALL.into_iter().any(|variant| {
            let key = TokenHash::of(variant, token).to_phc();
            indexes.hashed.get(key.as_bytes()) == Some(Some(authorization.id))
        })
}

/// Whether the server would accept a request after it has found the record.
fn is_accepted<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    reasons: &mut Vec<String>,
) -> Met {
    let mut accepted = Met::Yes;
    if !authorization.is_active() {
        reasons.push("the authorization is inactive".into());
        accepted = Met::No;
    }
    match authorization.user_id {
        None => reasons.push("it has no user: 1.x endpoints (/write, /query) refuse it".into()),
        Some(id) => match catalog.users.get(&id).map(|user| user.status.as_str()) {
            None if catalog.may_have_user(id) => {
                reasons.push(format!(
                    "its user {id} can't be found, and damage may hide it"
                ));
                if accepted == Met::Yes {
                    accepted = Met::Unknown;
                }
            }
            None => {
                reasons.push(format!(
                    "its user {id} was deleted (the server answers \"User is inactive\")"
                ));
                accepted = Met::No;
            }
            Some("inactive") => {
                reasons.push(String::from("its user is inactive"));
                accepted = Met::No;
            }
            Some("active") => {}
            Some(_) => reasons
                .push("its user has no status: 1.x endpoints (/write, /query) refuse it".into()),
        },
    }
    if catalog.may_have_org(authorization.org_id) {
        reasons.push(format!(
            "its organization {} can't be found, and damage may hide it",
            authorization.org_id
        ));
    } else if !catalog.orgs.contains_key(&authorization.org_id) {
        reasons.push(format!(
            "its organization {} was deleted: requests for that organization fail, \
             permissions for all organizations still work",
            authorization.org_id
        ));
    }
    accepted
}

/// Whether `/api/v2` can get a token: through an HTTP header and influxd's parser. Adds problems to
/// `reasons`. The 1.x endpoints accept every token as the password, which is encoded (seen with
/// InfluxDB 2.7.12 and 2.9.1; `interop/suite/pasted_test.go`).
pub fn can_be_sent(token: &str, reasons: &mut Vec<String>) -> bool {
    if let Some(why) = unsendable(token) {
        reasons.push(format!(
            "it {why}: no HTTP header can carry it, so /api/v2 refuses it; only 1.x endpoints \
             (/query, /write) accept it, as the password"
        ));
        return false;
    }
    if looks_like_jwt(token) {
        reasons.push(
            "it has the form of a JSON Web Token: /api/v2 never looks it up as a token; only 1.x \
             endpoints accept it"
                .into(),
        );
        return false;
    }
    if token.contains([' ', ':']) {
        reasons.push(
            "it contains a space or colon: 1.x endpoints accept it only as the password, not in a \
             Token header"
                .into(),
        );
    }
    true
}

/// Why a server gets another value from a header, or none. It drops spaces and tabs at the end.
fn unsendable(token: &str) -> Option<&'static str> {
    let no_header = |byte: u8| byte != b'\t' && byte.is_ascii_control();
    match token.as_bytes() {
        [.., b'\r', b'\n'] => Some("ends in CR and LF"),
        [.., b'\n'] => Some("ends in a line feed"),
        bytes if bytes.iter().any(|byte| no_header(*byte)) => Some("contains control characters"),
        [.., b' '] => Some("ends in a space"),
        [.., b'\t'] => Some("ends in a tab"),
        _ => None,
    }
}

/// Three parts separated by dots, of which the first two are JSON in base64.
fn looks_like_jwt(token: &str) -> bool {
    let is_json = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .is_ok_and(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok())
    };
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    is_json(header) && is_json(claims)
}

/// The record of a token, found like in influxd: the raw index, then the key of each hash variant
/// in the hashed index, then the comparison with the record.
///
/// # Errors
/// When the file can't be read, or a needed page or record is damaged.
pub fn find(snapshot: &dyn Snapshot, token: &Token) -> Result<Option<Id>> {
    let presented = token.reveal().as_bytes();
    if presented.is_empty() {
        return Ok(None);
    }
    if let Some(value) = snapshot.get(names::AUTHORIZATION_INDEX, presented)? {
        return confirm(snapshot, &value, presented);
    }
    for variant in Variant::ALL {
        let key = TokenHash::of(variant, presented).to_phc();
        if let Some(value) = snapshot.get(names::AUTHORIZATION_HASHED_INDEX, key.as_bytes())? {
            return confirm(snapshot, &value, presented);
        }
    }
    Ok(None)
}

fn confirm(snapshot: &dyn Snapshot, value: &[u8], presented: &[u8]) -> Result<Option<Id>> {
    use subtle::ConstantTimeEq;
    let Ok(id) = Id::from_bytes(value) else {
        return Ok(None);
    };
    let matches = authorization::with(snapshot, id, |record| match record.storage() {
        Storage::Plaintext | Storage::Both => record.token.as_bytes().ct_eq(presented).into(),
        Storage::Hashed => {
            TokenHash::parse(&record.hashed_token).is_ok_and(|hash| hash.matches(presented))
        }
        Storage::Missing => false,
    })?;
    Ok(matches.unwrap_or(false).then_some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    const ID: &str = "0000000000000a01";

    fn record(fields: &str) -> String {
        format!(r#"{{"id":"{ID}","orgID":"0000000000000001","permissions":[],{fields}}}"#)
    }

    fn store(fields: &str) -> Model {
        let mut model = Model::default();
        model.put(
            names::AUTHORIZATIONS,
            ID.as_bytes(),
            record(fields).as_bytes(),
        );
        model.put(
            names::ORGANIZATIONS,
            b"0000000000000001",
            br#"{"id":"0000000000000001","name":"o"}"#,
        );
        for (id, status) in [("02", "active"), ("03", "inactive"), ("04", "")] {
            let id = format!("00000000000000{id}");
            let user = format!(r#"{{"id":"{id}","name":"u{id}","status":"{status}"}}"#);
            model.put(names::USERS, id.as_bytes(), user.as_bytes());
        }
        model
    }

    fn verdict(model: &Model) -> Verdict {
        let catalog = Catalog::load(model).unwrap();
        let (indexes, _) = TokenIndexes::load(model).unwrap();
        authorization::with(model, ID.parse().unwrap(), |record| {
            judge(record, &catalog, &indexes)
        })
        .unwrap()
        .unwrap()
    }

    #[test]
    fn what_stops_a_token() {
        let cases = [
            (r#""userID":"0000000000000002""#, true, 0),
            (r#""userID":"0000000000000003""#, false, 1),
            (r#""userID":"0000000000000004""#, true, 1),
            (r#""userID":"0000000000000005""#, false, 1),
            (r#""status":"active""#, true, 1),
            (
                r#""status":"inactive","userID":"0000000000000002""#,
                false,
                1,
            ),
            (r#""status":"odd","userID":"0000000000000002""#, false, 1),
        ];
        for (fields, authenticates, reasons) in cases {
            let mut model = store(&format!(r#""token":"t",{fields}"#));
            model.put(names::AUTHORIZATION_INDEX, b"t", ID.as_bytes());
            let verdict = verdict(&model);
            assert_eq!(verdict.authenticates, authenticates, "{fields}");
            assert_eq!(
                verdict.reasons.len(),
                reasons,
                "{fields}: {:?}",
                verdict.reasons
            );
        }
        println!("cases: what-stops-a-token {}", cases.len());
    }

    #[test]
    fn without_an_index_entry_nobody_gets_in() {
        let mut model = store(r#""token":"t","userID":"0000000000000002""#);
        assert!(!verdict(&model).authenticates);
        model.put(names::AUTHORIZATION_INDEX, b"t", b"0000000000000a02");
        assert!(!verdict(&model).authenticates);
        model.put(names::AUTHORIZATION_INDEX, b"t", ID.as_bytes());
        assert!(verdict(&model).authenticates);
    }

    #[test]
    fn a_token_in_plaintext_may_be_found_by_its_hash() {
        let hash = TokenHash::of(Variant::Sha256, b"t").to_phc();
        let mut model = store(&format!(
            r#""token":"t","hashedToken":"{hash}","userID":"0000000000000002""#
        ));
        model.put(
            names::AUTHORIZATION_HASHED_INDEX,
            hash.as_bytes(),
            ID.as_bytes(),
        );
        assert!(verdict(&model).authenticates);
        let token = Token::new("t".into());
        assert_eq!(find(&model, &token).unwrap(), ID.parse().ok());
    }

    #[test]
    fn hashed_tokens_are_found_by_either_variant() {
        for variant in Variant::ALL {
            let hash = TokenHash::of(variant, b"secret").to_phc();
            let mut model = store(&format!(
                r#""hashedToken":"{hash}","userID":"0000000000000002""#
            ));
            let token = Token::new("secret".into());
            assert_eq!(find(&model, &token).unwrap(), None);
            model.put(
                names::AUTHORIZATION_HASHED_INDEX,
                hash.as_bytes(),
                ID.as_bytes(),
            );
            assert_eq!(find(&model, &token).unwrap(), ID.parse().ok());
            assert!(verdict(&model).authenticates);
            // A hash is not accepted as a token.
            assert_eq!(find(&model, &Token::new(hash)).unwrap(), None);
        }
    }

    #[test]
    fn what_a_header_can_carry() {
        let cases = [
            ("my-super-secret-admin-token", true, 0),
            ("tökén", true, 0),
            ("a\tb", true, 0),
            ("a b", true, 1),
            ("a:b", true, 1),
            (" a", true, 1),
            ("a ", false, 1),
            ("a\t", false, 1),
            ("a\nb", false, 1),
            ("a\n", false, 1),
            ("a\r\n", false, 1),
            ("eyJhIjoxfQ.eyJhIjoxfQ.sig", false, 1),
        ];
        for (token, expected, said) in cases {
            let mut reasons = Vec::new();
            assert_eq!(can_be_sent(token, &mut reasons), expected, "{token:?}");
            assert_eq!(reasons.len(), said, "{token:?}: {reasons:?}");
        }
        println!("cases: headers {}", cases.len());
    }

    #[test]
    fn json_web_tokens_are_told_from_texts_with_dots() {
        assert!(looks_like_jwt("eyJhIjoxfQ.eyJhIjoxfQ.sig"));
        assert!(!looks_like_jwt("a.b.c"));
        assert!(!looks_like_jwt("eyJhIjoxfQ.eyJhIjoxfQ"));
    }
}
