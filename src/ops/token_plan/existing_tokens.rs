//! What a new or changed authorization needs to know about the existing ones, read in one pass.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::authorization::Undecoded;
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::permission::Permission;
use crate::metadata::{
    Authorization, Id, Storage, TokenHash, Variant, mapping, names, parallel_scan, permission,
};
use crate::ops::commit::all_decoded;
use crate::secret::Token;
use crate::store::Snapshot;

/// Values that must not be in use, by number.
#[derive(Default)]
pub(crate) struct TokenLookup<'a> {
    raw: HashMap<&'a str, usize>,
    /// Hash index keys: both variants of each token, or the given hash.
    hashed: Hashes,
    /// The variants of values known only as a hash.
    variants: Vec<Variant>,
}

/// For more values than this, a scan of all index entries is faster than lookups.
const FEW: usize = 100;

/// Numbers of hashes, with the text of each only if there are few.
#[derive(Default)]
struct Hashes {
    few: HashMap<String, usize>,
    many: HashMap<KeyDigest, usize>,
}

impl Hashes {
    /// Returns the number that the hash had before.
    fn insert(&mut self, hash: String, number: usize) -> Option<usize> {
        if self.many.is_empty() && (self.few.len() < FEW || self.few.contains_key(&hash)) {
            return self.few.insert(hash, number);
        }
        let few = std::mem::take(&mut self.few).into_iter();
        let few = few.map(|(hash, number)| (key_digest(hash.as_bytes()), number));
        self.many.extend(few);
        self.many.insert(key_digest(hash.as_bytes()), number)
    }

    fn get(&self, hash: &str) -> Option<&usize> {
        if self.many.is_empty() {
            return self.few.get(hash);
        }
        self.many.get(&key_digest(hash.as_bytes()))
    }
}

impl<'a> TokenLookup<'a> {
    /// A lookup of one token, number 0, as plaintext and as hash of both variants.
    pub(crate) fn token(token: &'a Token) -> Self {
        let mut lookup = Self::default();
        lookup.add_token(0, token);
        lookup
    }

    /// A lookup of one hash, number 0.
    pub(crate) fn hash(hash: &TokenHash) -> Self {
        let mut lookup = Self::default();
        lookup.add_hash(0, hash);
        lookup
    }

    /// Adds a token. Returns the number of an equal earlier value.
    pub(crate) fn add_token(&mut self, number: usize, token: &'a Token) -> Option<usize> {
        let mut earlier = None;
        for variant in Variant::ALL {
            let hash = TokenHash::of(variant, token.reveal().as_bytes());
            earlier = self.hashed.insert(hash.to_phc(), number).or(earlier);
        }
        self.raw.insert(token.reveal(), number).or(earlier)
    }

    /// Adds a hash. Returns the number of an equal earlier value.
    pub(crate) fn add_hash(&mut self, number: usize, hash: &TokenHash) -> Option<usize> {
        if !self.variants.contains(&hash.variant()) {
            self.variants.push(hash.variant());
        }
        self.hashed.insert(hash.to_phc(), number)
    }

    /// Finds index entries for each value. For influxd a token exists if there is an entry, even
    /// without a record.
    fn in_indexes(&self, snapshot: &dyn Snapshot) -> Result<HashMap<usize, TokenInUse>> {
        let mut in_use = HashMap::new();
        let mut note = |number: usize, value: &[u8]| {
            let holder = TokenInUse(Id::from_bytes(value).ok());
            in_use.entry(number).or_insert(holder);
        };
        if !self.hashed.many.is_empty() {
            for bucket in [
                names::AUTHORIZATION_INDEX,
                names::AUTHORIZATION_HASHED_INDEX,
            ] {
                let number = |key: &str| match bucket {
                    names::AUTHORIZATION_INDEX => self.raw.get(key),
                    _ => self.hashed.get(key),
                };
                let damage = snapshot.scan(bucket, &mut |key, value| {
                    if let Some(number) = std::str::from_utf8(key).ok().and_then(number) {
                        note(*number, value);
                    }
                    ControlFlow::Continue(())
                })?;
                all_decoded(&damage)?;
            }
            return Ok(in_use);
        }
        let raw = self.raw.iter().map(|(token, number)| (*token, *number));
        let raw = raw.map(|(key, number)| (names::AUTHORIZATION_INDEX, key, number));
        let hashed = self
            .hashed
            .few
            .iter()
            .map(|(key, number)| (&**key, *number));
        let hashed = hashed.map(|(key, number)| (names::AUTHORIZATION_HASHED_INDEX, key, number));
        for (bucket, key, number) in raw.chain(hashed) {
            if let Some(value) = snapshot.get(bucket, key.as_bytes())? {
                note(number, &value);
            }
        }
        Ok(in_use)
    }

    /// Which of the values a record holds, with or without an index entry.
    fn held_by<P>(&self, record: &Authorization<'_, P>) -> Option<usize> {
        if let Some(number) = self.hashed.get(&record.hashed_token) {
            return Some(*number);
        }
        let raw = &*record.token;
        if raw.is_empty() {
            return None;
        }
        let known_by_hash = || {
            let hashes = self.variants.iter();
            let mut keys = hashes.map(|variant| TokenHash::of(*variant, raw.as_bytes()).to_phc());
            keys.find_map(|key| self.hashed.get(&key))
        };
        self.raw.get(raw).or_else(known_by_hash).copied()
    }
}

/// A value that is in use, and its authorization, if known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenInUse(pub(crate) Option<Id>);

/// The facts about existing authorizations; see the module.
#[derive(Default)]
pub(crate) struct ExistingTokens {
    /// Whether the store has a hashed token.
    pub(crate) hashes: bool,
    in_use: HashMap<usize, TokenInUse>,
    /// The permissions of the user's tokens, as written.
    granted: HashSet<Box<str>>,
    /// Permissions as written that can be decoded. Most records have the same ones.
    decoded: HashSet<Box<str>>,
    undecodable: Undecodable,
}

impl ExistingTokens {
    /// Reads all authorizations and collects the permissions of `user`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] when one can't be decoded.
    pub(crate) fn of(
        snapshot: &dyn Snapshot,
        lookup: &TokenLookup<'_>,
        user: Option<Id>,
    ) -> Result<Self> {
        let mut whole = Self {
            in_use: lookup.in_indexes(snapshot)?,
            ..Self::default()
        };
        let work = |part: &mut Self, key: &[u8], value: &[u8]| {
            if let Err(finding) = part.add(lookup, user, key, value) {
                part.undecodable.push(finding);
            }
        };
        let mut held: Vec<(usize, TokenInUse)> = Vec::new();
        let bucket = names::AUTHORIZATIONS;
        let damage = parallel_scan::scan_any_order(snapshot, bucket, &work, &mut |part| {
            whole.hashes |= part.hashes;
            held.extend(part.in_use);
            whole.granted.extend(part.granted);
            whole.undecodable.append(part.undecodable);
        })?;
        all_decoded(&damage)?;
        if !whole.undecodable.told().is_empty() {
            // The finding of the first one, in the order of their IDs.
            let mut undecodable = Undecodable::default();
            parallel_scan::scan(snapshot, bucket, &work, &mut |part: Self| {
                undecodable.append(part.undecodable);
            })?;
            all_decoded(undecodable.told())?;
        }
        // Of several records with the same token, the first one counts.
        held.sort_by_key(|(number, TokenInUse(id))| (*number, *id));
        for (number, in_use) in held {
            whole.in_use.entry(number).or_insert(in_use);
        }
        Ok(whole)
    }

    /// Whether this value is in use, and by which authorization.
    pub(crate) fn in_use(&self, number: usize) -> Option<TokenInUse> {
        self.in_use.get(&number).copied()
    }

    fn add(
        &mut self,
        lookup: &TokenLookup<'_>,
        user: Option<Id>,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Finding> {
        let bucket = names::AUTHORIZATIONS;
        let record = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value)?;
        self.hashes |= matches!(record.storage(), Storage::Hashed | Storage::Both);
        if let Some(number) = lookup.held_by(&record) {
            let TokenInUse(first) = self
                .in_use
                .entry(number)
                .or_insert(TokenInUse(Some(record.id)));
            *first = (*first).min(Some(record.id));
        }
        let text = record.permissions.text();
        if !self.decoded.contains(text) {
            record
                .permissions
                .decode()
                .map_err(|cause| undecodable_record(bucket, key, &cause))?;
            self.decoded.insert(text.into());
        }
        if user.is_some() && record.user_id == user && !self.granted.contains(text) {
            self.granted.insert(text.into());
        }
        Ok(())
    }

    /// Whether the login of `user` already has all of the permissions in `wanted`: as owner of the
    /// instance or of an organization, as member, or by the tokens the user owns, whatever their
    /// status.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn login_may(
        &self,
        snapshot: &dyn Snapshot,
        user: Id,
        wanted: &[Permission<'_>],
    ) -> Result<bool> {
        let (mappings, _) = mapping::load(snapshot)?;
        let own = || mappings.iter().filter(|mapping| mapping.user_id == user);
        if own().any(mapping::Mapping::owns_instance) {
            return Ok(true);
        }
        let mut granted = Vec::new();
        for mapping in own().filter(|mapping| mapping.resource_type == "orgs") {
            granted.extend(permission::of_login(
                mapping.owns_org(),
                mapping.resource_id,
                user,
            ));
        }
        for text in &self.granted {
            let permissions: Vec<Permission<'_>> = serde_json::from_str(text).unwrap_or_default();
            granted.extend(permissions.into_iter().map(Permission::into_owned));
        }
        Ok(wanted
            .iter()
            .all(|permission| permission::allows(&granted, permission)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    fn record(id: &str, fields: &str) -> (String, String) {
        let id = format!("0000000000000{id}");
        let text = format!(
            r#"{{"id":"{id}","orgID":"0000000000000001","userID":"0000000000000002",{fields}}}"#
        );
        (id, text)
    }

    fn store(records: &[(String, String)]) -> Model {
        let mut model = Model::default();
        for (id, text) in records {
            model.put(names::AUTHORIZATIONS, id.as_bytes(), text.as_bytes());
        }
        model
    }

    #[test]
    fn a_value_in_use_is_found_in_every_form() {
        let token = Token::new("secret".into());
        let hashes = Variant::ALL.map(|variant| TokenHash::of(variant, b"secret"));
        let [sha256, sha512] = hashes.clone().map(|hash| hash.to_phc());
        let raw = store(&[record("a01", r#""token":"secret""#)]);
        let hashed = store(&[record("a02", &format!(r#""hashedToken":"{sha512}""#))]);
        let free = store(&[record("a03", r#""token":"other""#)]);
        let in_use = |model: &Model, lookup: &TokenLookup<'_>| {
            let existing = ExistingTokens::of(model, lookup, None).unwrap();
            existing.in_use(0).and_then(|in_use| in_use.0)
        };
        assert_eq!(in_use(&raw, &TokenLookup::token(&token)), Id::new(0xa01));
        assert_eq!(in_use(&hashed, &TokenLookup::token(&token)), Id::new(0xa02));
        assert_eq!(in_use(&free, &TokenLookup::token(&token)), None);
        for hash in &hashes {
            assert_eq!(in_use(&raw, &TokenLookup::hash(hash)), Id::new(0xa01));
            assert_eq!(in_use(&free, &TokenLookup::hash(hash)), None);
        }
        assert_eq!(
            in_use(&hashed, &TokenLookup::hash(&hashes[1])),
            Id::new(0xa02)
        );
        // An entry is enough for influxd, even a dangling one.
        for (bucket, key) in [
            (names::AUTHORIZATION_INDEX, "secret"),
            (names::AUTHORIZATION_HASHED_INDEX, &sha256),
            (names::AUTHORIZATION_HASHED_INDEX, &sha512),
        ] {
            let mut model = store(&[]);
            model.put(bucket, key.as_bytes(), b"?");
            let existing = ExistingTokens::of(&model, &TokenLookup::token(&token), None).unwrap();
            assert!(
                existing.in_use(0).is_some_and(|in_use| in_use.0.is_none()),
                "{key}"
            );
        }
        assert!(
            ExistingTokens::of(&hashed, &TokenLookup::default(), None)
                .unwrap()
                .hashes
        );
        let broken = store(&[record("a04", r#""permissions":[{"action":"x"}]"#)]);
        assert!(ExistingTokens::of(&broken, &TokenLookup::default(), None).is_err());
    }

    #[test]
    fn many_values_are_found_as_few_are() {
        let text = |number: usize| format!("token {number}");
        let records: Vec<_> = (0..3 * FEW)
            .map(|number| {
                let (id, token) = (format!("{:03x}", 0xa00 + number), text(number));
                let hash = TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc();
                match number % 2 {
                    0 => record(&id, &format!(r#""token":"{token}""#)),
                    _ => record(&id, &format!(r#""hashedToken":"{hash}""#)),
                }
            })
            .collect();
        let model = store(&records);
        for count in [1, FEW / 2, FEW / 2 + 1, 2 * FEW] {
            let tokens: Vec<Token> = (0..count).map(|n| Token::new(text(n))).collect();
            let mut lookup = TokenLookup::default();
            for (number, token) in tokens.iter().enumerate() {
                assert_eq!(lookup.add_token(number, token), None);
            }
            assert_eq!(lookup.hashed.many.is_empty(), count <= FEW / 2);
            let existing = ExistingTokens::of(&model, &lookup, None).unwrap();
            for (number, (wanted, _)) in records.iter().take(count).enumerate() {
                let id = existing.in_use(number).and_then(|in_use| in_use.0);
                assert_eq!(id.unwrap().to_string(), *wanted);
            }
            let again = Token::new(text(0));
            assert_eq!(lookup.add_token(count, &again), Some(0));
        }
    }

    #[test]
    fn what_a_login_may_do_already() {
        let (org, user) = (Id::new(1).unwrap(), Id::new(2).unwrap());
        let mut model = store(&[record(
            "a01",
            r#""status":"inactive","permissions":[{"action":"read","resource":{"type":"buckets"}}]"#,
        )]);
        let may = |model: &Model, action, kind, org| {
            let existing = ExistingTokens::of(model, &TokenLookup::default(), Some(user)).unwrap();
            let wanted = [Permission::new(action, kind, None, org)];
            existing.login_may(model, user, &wanted).unwrap()
        };
        use permission::Action::{Read, Write};
        assert!(may(&model, Read, "buckets", Some(org)));
        assert!(!may(&model, Write, "buckets", Some(org)));
        for (kind, resource, may_write) in [("member", org, false), ("owner", org, true)] {
            let text = format!(
                r#"{{"userID":"{user}","userType":"{kind}","mappingType":"user","resourceType":"orgs","resourceID":"{resource}"}}"#
            );
            model.put(names::MAPPINGS, b"key", text.as_bytes());
            assert!(may(&model, Read, "tasks", Some(org)));
            assert_eq!(may(&model, Write, "tasks", Some(org)), may_write);
            assert!(!may(&model, Write, "tasks", None));
        }
        let text = format!(
            r#"{{"userID":"{user}","userType":"owner","mappingType":"user","resourceType":"instance","resourceID":"0000000000000001"}}"#
        );
        model.put(names::MAPPINGS, b"key", text.as_bytes());
        assert!(may(&model, Write, "tasks", None));
    }
}
