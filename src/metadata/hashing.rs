//! Plans the replacement of tokens by their hashes, as InfluxDB 2.8 and later store them.
//!
//! Three buckets change. Each record gets the hash instead of its token; the index of raw tokens
//! becomes empty; the index of hashes gets exactly one entry for every hash. Source:
//! `authorization/storage.go` in influxdata/influxdb. Unlike this module, influxd's own migration
//! does not change records that have both, and dangling index entries.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authorization::Undecoded;
use crate::metadata::authorization_pass::{self, DecodedRecord, PassedRecord};
use crate::metadata::canonical_record::around_token;
use crate::metadata::catalog::Undecodable;
use crate::metadata::descriptions::Descriptions;
use crate::metadata::hash_entries::{
    Entries, Entry, LONG, NewEntries, PREFIXES, hash_into, hash_text,
};
use crate::metadata::json::{Edit, Object};
use crate::metadata::{
    Authorization, Fingerprint, Id, Storage, TokenHash, Variant, names, parallel_scan,
};
use crate::secret::Token;
use crate::store::change::{PairAction, Transform};
use crate::store::{ChangeSet, Snapshot};

/// How the records of a store store their tokens.
#[derive(Default)]
pub struct StoredTokens {
    /// Records with only a plaintext token.
    pub plaintext: u64,
    /// Records with a plaintext token and its hash.
    pub both: u64,
    /// Records with only a hash.
    pub hashed: u64,
    /// Records with neither: they can't authenticate.
    pub missing: Vec<Id>,
    /// Plaintext tokens that were chosen by a user, not generated.
    pub chosen: Vec<(Id, Token)>,
    /// The descriptions that may hold a token, as it is or encoded.
    pub descriptions: Descriptions,
    entries: Entries,
    held: Fingerprint,
}

/// The result for a part of the records.
#[derive(Default)]
pub struct StoredPart {
    stored: StoredTokens,
    /// A record whose token and hash disagree.
    disagreeing: Option<Id>,
    undecodable: Undecodable,
}

impl StoredPart {
    /// Adds a record. If it has only a plaintext token, the hash of `variant` is computed.
    pub fn add(&mut self, variant: Variant, passed: &PassedRecord<'_>) {
        match &passed.decoded {
            Ok(decoded) => self.add_decoded(variant, passed.key, decoded),
            Err(finding) => self.undecodable.push(finding.clone()),
        }
    }

    fn add_decoded(&mut self, variant: Variant, key: &[u8], decoded: &DecodedRecord<'_>) {
        let record = &decoded.fields;
        if may_show_token(&record.description) {
            let kept = &mut self.stored.descriptions;
            kept.add(key, record.description.as_bytes());
        }
        match record.storage() {
            Storage::Missing => self.stored.missing.push(record.id),
            Storage::Hashed => {
                self.stored.hashed += 1;
                self.stored
                    .entries
                    .push(record.hashed_token.as_bytes(), record.id, false);
            }
            Storage::Plaintext => {
                self.stored.plaintext += 1;
                match variant {
                    Variant::Sha256 => {
                        let digest = decoded.token_digest();
                        self.stored.entries.push_digest(digest, record.id);
                    }
                    Variant::Sha512 => {
                        let text = hash_text(variant, record.token.as_bytes());
                        self.stored.entries.push(&text, record.id, true);
                    }
                }
                self.note_chosen(record);
            }
            Storage::Both => {
                self.stored.both += 1;
                if !agree(&record.token, &record.hashed_token) {
                    let first = self.disagreeing.get_or_insert(record.id);
                    *first = record.id.min(*first);
                }
                self.stored
                    .entries
                    .push(record.hashed_token.as_bytes(), record.id, true);
                self.note_chosen(record);
            }
        }
    }

    fn note_chosen(&mut self, record: &Authorization<'_, Undecoded<'_>>) {
        if !is_generated(record.token.as_bytes()) {
            let token = Token::new(record.token.to_string());
            self.stored.chosen.push((record.id, token));
        }
    }
}

/// Whether a description may hold a generated token, or an encoded or named one.
fn may_show_token(description: &str) -> bool {
    /// A shorter run of letters and digits is a word, an ID or a number.
    const SHORTEST: usize = 20;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let named = ["==", "oken", "OKEN", "assword", "ASSWORD", "://"];
    named.iter().any(|name| description.contains(name))
        || description
            .split(|c| !is_word(c))
            .any(|word| word.len() >= SHORTEST)
}

/// Whether a token has the form of a token generated by influxd.
fn is_generated(token: &[u8]) -> bool {
    const BODY: usize = 86;
    token.split_at_checked(BODY).is_some_and(|(body, end)| {
        end == b"=="
            && body
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

fn agree(token: &str, hash: &str) -> bool {
    TokenHash::parse(hash).is_ok_and(|hash| hash.matches(token.as_bytes()))
}

/// The parts of a pass over the authorizations, put together.
#[derive(Default)]
pub struct Collected {
    stored: StoredTokens,
    /// The first record whose token and hash disagree.
    disagreeing: Option<Id>,
    undecodable: bool,
}

impl Collected {
    /// Adds a part.
    pub fn append(&mut self, part: StoredPart) {
        self.stored.append(part.stored);
        self.undecodable |= !part.undecodable.told().is_empty();
        let both = self.disagreeing.into_iter().chain(part.disagreeing);
        self.disagreeing = both.min();
    }

    /// As [`StoredTokens::load`]. `damage` are the findings of the pass, which has computed hashes of
    /// `variant`.
    ///
    /// # Errors
    /// As [`StoredTokens::load`].
    pub fn finish(
        self,
        damage: &[Finding],
        snapshot: &dyn Snapshot,
        variant: Variant,
    ) -> Result<StoredTokens> {
        readable(damage)?;
        if self.undecodable {
            readable(&first_undecodable(snapshot, variant)?)?;
        }
        let mut stored = self.stored;
        stored.missing.sort_unstable();
        if let Some(id) = self.disagreeing {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "authorizationsv1/{id} holds a token and the hash of a different token, so \
                     it is not clear which one is right (influxd uses the token)"
                ),
            )
            .with_hint(format!(
                "see boltkey auth show {id}; delete that token, or update it with an influxd of \
                 the release that wrote it"
            )));
        }
        stored.settle(snapshot)?;
        Ok(stored)
    }

    /// As [`StoredTokens::load_readable`], of a pass that has computed hashes of
    /// [`Variant::Sha256`].
    #[must_use]
    pub fn readable(self) -> StoredTokens {
        let mut stored = self.stored;
        stored.entries.short.sort_unstable();
        stored.entries.long.sort_unstable();
        stored
    }
}

impl StoredTokens {
    /// Reads the records. For plaintext tokens the hash of `variant` is computed, unless their
    /// record already has one.
    ///
    /// # Errors
    /// * [`ErrorKind::Corrupt`] when a record can't be decoded, or the bucket is damaged
    /// * [`ErrorKind::Refused`] when the token and the hash of a record disagree
    pub fn load(snapshot: &dyn Snapshot, variant: Variant) -> Result<Self> {
        let mut collected = Collected::default();
        let damage = authorization_pass::scan_any_order(
            snapshot,
            &|part: &mut StoredPart, record| part.add(variant, record),
            &mut |part| collected.append(part),
        )?;
        collected.finish(&damage, snapshot, variant)
    }

    /// Reads the records that can be decoded, to find their tokens elsewhere.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load_readable(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut collected = Collected::default();
        authorization_pass::scan_any_order(
            snapshot,
            &|part: &mut StoredPart, record| part.add(Variant::Sha256, record),
            &mut |part| collected.append(part),
        )?;
        Ok(collected.readable())
    }

    fn append(&mut self, more: Self) {
        self.plaintext += more.plaintext;
        self.both += more.both;
        self.hashed += more.hashed;
        self.missing.extend(more.missing);
        self.chosen.extend(more.chosen);
        self.descriptions.append(more.descriptions);
        self.entries.append(more.entries);
    }

    /// Sorts the entries. If several records have the same token, only the one that a server finds
    /// today stays.
    fn settle(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        self.entries.short.sort_unstable();
        self.entries.long.sort_unstable();
        self.held = self.entries.held();
        settle(&mut self.entries.short, snapshot, Variant::Sha256)?;
        settle(&mut self.entries.long, snapshot, Variant::Sha512)
    }

    /// Number of records that will have only a hash: all except those without a token.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.plaintext + self.both + self.hashed
    }

    /// The fingerprint of the tokens that records hold in plaintext: IDs and hashes.
    #[must_use]
    pub fn held(&self) -> Fingerprint {
        self.held
    }

    /// The number of distinct tokens that records hold in plaintext.
    #[must_use]
    pub fn distinct_in_plaintext(&self) -> u64 {
        let short = self
            .entries
            .short
            .iter()
            .filter(|entry| entry.fresh)
            .count();
        let long = self.entries.long.iter().filter(|entry| entry.fresh).count();
        (short + long) as u64
    }

    /// The authorization of `token`, found by its hash.
    #[must_use]
    pub fn owner(&self, token: &[u8]) -> Option<Id> {
        self.find(token).map(|(id, _)| id)
    }

    /// The authorization of `token`, if its record has only the hash.
    #[must_use]
    pub fn hashed_owner(&self, token: &[u8]) -> Option<Id> {
        let (id, fresh) = self.find(token)?;
        (!fresh).then_some(id)
    }

    fn find(&self, token: &[u8]) -> Option<(Id, bool)> {
        Variant::ALL
            .into_iter()
            .filter(|variant| *variant == Variant::Sha256 || !self.entries.long.is_empty())
            .find_map(|variant| self.entries.find(&hash_text(variant, token)))
    }

    /// Compares the records with the indexes, and returns the changes for all three buckets.
    /// Creates the bucket of hashes if it does not exist.
    ///
    /// # Errors
    /// When the file can't be read, or an index is damaged.
    pub fn work(mut self, snapshot: &dyn Snapshot, variant: Variant) -> Result<Work> {
        let (raw_entries, stray) = self.raw_index(snapshot)?;
        let mut missing = vec![true; self.entries.len()];
        let mut dangling = Vec::new();
        let mut number = 0;
        let mut wanted = Vec::new();
        let mut id = self.entries.get(0, &mut wanted);
        let damage = snapshot.scan(names::AUTHORIZATION_HASHED_INDEX, &mut |key, value| {
            while id.is_some() && wanted.as_slice() < key {
                number += 1;
                wanted.clear();
                id = self.entries.get(number, &mut wanted);
            }
            let leads = Id::from_bytes(value).ok();
            let odd = self.entries.odd.get(key).copied();
            if id.is_some() && wanted.as_slice() == key {
                if let Some(missing) = missing.get_mut(number) {
                    *missing = leads != id.map(|(id, _)| id);
                }
            } else if odd.is_none() || odd != leads {
                dangling.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        readable(&damage)?;
        let mut keep = missing.iter().copied();
        self.entries.short.retain(|_| keep.next() == Some(true));
        self.entries.long.retain(|_| keep.next() == Some(true));
        let mut revived = 0;
        revived += self.entries.short.iter().filter(|e| !e.fresh).count() as u64;
        revived += self.entries.long.iter().filter(|e| !e.fresh).count() as u64;

        let mut changes = ChangeSet::default();
        if self.plaintext + self.both > 0 {
            changes.bucket(names::AUTHORIZATIONS).transform = Some(Box::new(HashTokens(variant)));
        }
        if raw_entries > 0 {
            changes.bucket(names::AUTHORIZATION_INDEX).transform = Some(Box::new(DropAll));
        }
        if !snapshot_has(snapshot, names::AUTHORIZATION_HASHED_INDEX)? {
            changes.create_bucket(names::AUTHORIZATION_HASHED_INDEX);
        }
        if !dangling.is_empty() || self.entries.len() > 0 {
            let index = changes.bucket(names::AUTHORIZATION_HASHED_INDEX);
            index.create = true;
            index
                .edits
                .extend(dangling.iter().map(|key| (key.clone(), None)));
            index.additions = Some(Box::new(NewEntries(self.entries)));
        }
        Ok(Work {
            changes,
            revived,
            stray_entries: stray + dangling.len() as u64,
        })
    }

    /// The number of entries in the index of raw tokens, and how many of them lead to no record
    /// with that token.
    fn raw_index(&self, snapshot: &dyn Snapshot) -> Result<(u64, u64)> {
        let mut entries = 0;
        let damage = snapshot.scan(names::AUTHORIZATION_INDEX, &mut |_, _| {
            entries += 1;
            ControlFlow::Continue(())
        })?;
        readable(&damage)?;
        let fresh = self.plaintext + self.both;
        if self.hashed == 0 && entries == fresh {
            // One entry for each record, as expected; checking each one would take long.
            return Ok((entries, 0));
        }
        let mut stray = 0;
        parallel_scan::scan_any_order(
            snapshot,
            names::AUTHORIZATION_INDEX,
            &|stray: &mut u64, key, value| {
                let leads = Id::from_bytes(value).ok();
                let owner = self.find(key).filter(|(_, fresh)| *fresh);
                *stray += u64::from(owner.is_none() || owner.map(|(id, _)| id) != leads);
            },
            &mut |some| stray += some,
        )?;
        Ok((entries, stray))
    }

    /// Verifies that all records are hashed and the indexes match them: one entry for each hash, no
    /// other entry, and no raw token.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] with the first difference.
    pub fn prove(&self, snapshot: &dyn Snapshot, expected: u64) -> Result<()> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Incomplete, what));
        if self.plaintext + self.both > 0 {
            return wrong(format!(
                "{} records still hold a token in plaintext",
                self.plaintext + self.both
            ));
        }
        if self.hashed != expected {
            return wrong(format!(
                "{} records hold a hash instead of {expected}",
                self.hashed
            ));
        }
        let (raw_entries, _) = self.raw_index(snapshot)?;
        if raw_entries > 0 {
            return wrong(format!(
                "authorizationindexv1 still holds {raw_entries} tokens"
            ));
        }
        let (mut number, mut wanted, mut surplus) = (0, Vec::new(), 0_u64);
        let damage = snapshot.scan(names::AUTHORIZATION_HASHED_INDEX, &mut |key, value| {
            wanted.clear();
            let id = self.entries.get(number, &mut wanted);
            if id.is_some() && wanted == key && id.map(|(id, _)| id) == Id::from_bytes(value).ok() {
                number += 1;
            } else if !self.entries.odd.contains_key(key) {
                surplus += 1;
            }
            ControlFlow::Continue(())
        })?;
        readable(&damage)?;
        if number != self.entries.len() || surplus > 0 {
            return wrong(String::from(
                "authorizationhashedindexv1 does not lead to every hashed token",
            ));
        }
        Ok(())
    }
}

/// The findings of records that can't be decoded, in the order of their IDs.
fn first_undecodable(snapshot: &dyn Snapshot, variant: Variant) -> Result<Vec<Finding>> {
    let mut undecodable = Undecodable::default();
    authorization_pass::scan(
        snapshot,
        &|part: &mut StoredPart, record| part.add(variant, record),
        &mut |part| undecodable.append(part.undecodable),
    )?;
    Ok(undecodable.told().to_vec())
}

/// The changes that hash a store's tokens.
pub struct Work {
    /// The changes to commit. Empty if nothing has to change.
    pub changes: ChangeSet,
    /// Tokens that were already hashed but had no index entry: they don't work now, but will work
    /// after the change.
    pub revived: u64,
    /// Entries of both indexes without a matching record. They are removed.
    pub stray_entries: u64,
}

fn readable(damage: &[Finding]) -> Result<()> {
    match damage.first() {
        None => Ok(()),
        Some(finding) => Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{}: {}; a store with such damage can't be changed",
                finding.place, finding.message
            ),
        )
        .with_hint(finding.next_step())),
    }
}

fn snapshot_has(snapshot: &dyn Snapshot, bucket: &[u8]) -> Result<bool> {
    Ok(snapshot.buckets()?.0.iter().any(|b| b.name == bucket))
}

/// Of several sorted entries with the same key, the one that a server finds today stays: the one in
/// the raw index, otherwise the one in the index of hashes, otherwise the first.
fn settle<const N: usize>(
    entries: &mut Vec<Entry<N>>,
    snapshot: &dyn Snapshot,
    variant: Variant,
) -> Result<()> {
    let twins = |entries: &[Entry<N>]| {
        let mut pairs = entries.windows(2);
        pairs.any(|pair| matches!(pair, [a, b] if a.text == b.text))
    };
    if !twins(entries) {
        return Ok(());
    }
    let mut raw = HashMap::new();
    snapshot.scan(names::AUTHORIZATION_INDEX, &mut |key, value| {
        let hash = hash_text(variant, key);
        let text = hash.last_chunk::<N>();
        let found = text.filter(|text| entries.binary_search_by(|e| e.text.cmp(text)).is_ok());
        if let (Some(text), Ok(id)) = (found, Id::from_bytes(value)) {
            raw.insert(*text, id);
        }
        ControlFlow::Continue(())
    })?;
    let mut settled: Vec<Entry<N>> = Vec::with_capacity(entries.len());
    for group in entries.chunk_by(|a, b| a.text == b.text) {
        let chosen = match group {
            [one] => Some(*one),
            several => found_today(several, &raw, snapshot, variant)?,
        };
        settled.extend(chosen);
    }
    *entries = settled;
    Ok(())
}

fn found_today<const N: usize>(
    group: &[Entry<N>],
    raw: &HashMap<[u8; N], Id>,
    snapshot: &dyn Snapshot,
    variant: Variant,
) -> Result<Option<Entry<N>>> {
    let by_id = |id: Option<Id>| group.iter().find(|entry| Some(entry.id) == id).copied();
    let Some(text) = group.first().map(|entry| entry.text) else {
        return Ok(None);
    };
    if let Some(entry) = by_id(raw.get(&text).copied()) {
        return Ok(Some(entry));
    }
    let [short, long] = PREFIXES;
    let mut key = match variant {
        Variant::Sha256 => short.to_vec(),
        Variant::Sha512 => long.to_vec(),
    };
    key.extend(text);
    let leads = snapshot.get(names::AUTHORIZATION_HASHED_INDEX, &key)?;
    let leads = leads.and_then(|id| Id::from_bytes(&id).ok());
    Ok(by_id(leads).or_else(|| group.first().copied()))
}

/// Replaces the token of a record by its hash; a record that holds both keeps the hash.
struct HashTokens(Variant);

impl Transform for HashTokens {
    fn apply(&self, key: &[u8], value: &[u8], value_out: &mut Vec<u8>) -> Result<PairAction> {
        let undecodable = |finding: Finding| {
            Error::new(
                ErrorKind::Corrupt,
                format!("{}: {}", finding.place, finding.message),
            )
        };
        if let Some((before, token, after)) = around_token(value) {
            value_out.extend_from_slice(before);
            value_out.extend_from_slice(br#""hashedToken":""#);
            hash_into(self.0, token, value_out);
            value_out.extend_from_slice(after);
            return Ok(PairAction::Replace);
        }
        let bucket = names::AUTHORIZATIONS;
        let record =
            Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value).map_err(undecodable)?;
        let storage = record.storage();
        if matches!(storage, Storage::Missing | Storage::Hashed) {
            return Ok(PairAction::Keep);
        }
        let Some(object) = Object::parse(value) else {
            let place = String::from_utf8_lossy(key);
            let why = format!("authorizationsv1/{place}: the record can't be parsed");
            return Err(Error::new(ErrorKind::Corrupt, why));
        };
        if storage == Storage::Both {
            object.edit(&[("token", Edit::Remove)], value_out);
            return Ok(PairAction::Replace);
        }
        let mut text = [b'"'; LONG + 18 + 2];
        let hash = hash_text(self.0, record.token.as_bytes());
        let quoted = text.get_mut(1..=hash.len()).map(|into| {
            into.copy_from_slice(&hash);
            hash.len() + 2
        });
        // A hash needs no JSON escapes.
        let quoted = text.get(..quoted.unwrap_or(0)).unwrap_or_default();
        let quoted = std::str::from_utf8(quoted).unwrap_or_default();
        let hashed = Edit::Become("hashedToken", quoted);
        object.edit(
            &[("token", hashed), ("hashedToken", Edit::Remove)],
            value_out,
        );
        Ok(PairAction::Replace)
    }
}

/// Empties a bucket.
struct DropAll;

impl Transform for DropAll {
    fn apply(&self, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<PairAction> {
        Ok(PairAction::Remove)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Commit, Model};

    const A: &str = "0000000000000a01";
    const B: &str = "0000000000000b02";
    /// Of `my-super-secret-admin-token`.
    const HASH: &str = "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=";

    fn record(id: &str, fields: &str) -> String {
        format!(r#"{{"id":"{id}",{fields},"status":"active","orgID":"{A}","permissions":null}}"#)
    }

    fn store(records: &[(&str, &str)], raw: &[(&str, &str)], hashed: &[(&str, &str)]) -> Model {
        let mut model = Model::default();
        for (id, fields) in records {
            let record = record(id, fields);
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
        }
        for (bucket, entries) in [
            (names::AUTHORIZATION_INDEX, raw),
            (names::AUTHORIZATION_HASHED_INDEX, hashed),
        ] {
            model.put(bucket, b"x", b"y");
            let mut changes = ChangeSet::default();
            changes.remove(bucket, b"x");
            model.commit(&changes, &[]).unwrap();
            for (key, id) in entries {
                model.put(bucket, key.as_bytes(), id.as_bytes());
            }
        }
        model
    }

    /// Hashes, and gives the records and the index of hashes as they are then.
    fn hashed(model: &mut Model, variant: Variant) -> (Vec<String>, Vec<(String, String)>, Work) {
        let stored = StoredTokens::load(model, variant).unwrap();
        let expected = stored.tokens();
        let mut work = stored.work(model, variant).unwrap();
        model.commit(&work.changes, &[]).unwrap();
        let after = StoredTokens::load(model, variant).unwrap();
        after.prove(model, expected).unwrap();
        let again = after.work(model, variant).unwrap();
        assert!(again.changes.is_empty());
        work.changes = ChangeSet::default();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let pairs = |bucket| {
            let mut pairs = Vec::new();
            model
                .scan(bucket, &mut |key, value| {
                    pairs.push((text(key), text(value)));
                    ControlFlow::Continue(())
                })
                .unwrap();
            pairs
        };
        assert!(pairs(names::AUTHORIZATION_INDEX).is_empty());
        let records = pairs(names::AUTHORIZATIONS).into_iter();
        let records = records.map(|(_, value)| value).collect();
        (records, pairs(names::AUTHORIZATION_HASHED_INDEX), work)
    }

    fn entry(hash: &str, id: &str) -> (String, String) {
        (hash.to_owned(), id.to_owned())
    }

    #[test]
    fn the_hash_stands_where_the_token_stood() {
        let token = r#""token":"my-super-secret-admin-token""#;
        let mut model = store(&[(A, token)], &[("my-super-secret-admin-token", A)], &[]);
        let (records, index, work) = hashed(&mut model, Variant::Sha256);
        assert_eq!(records, [record(A, &format!(r#""hashedToken":"{HASH}""#))]);
        assert_eq!(index, [entry(HASH, A)]);
        assert_eq!((work.revived, work.stray_entries), (0, 0));

        let mut model = store(&[(A, token)], &[], &[]);
        let (_, index, _) = hashed(&mut model, Variant::Sha512);
        let long = TokenHash::of(Variant::Sha512, b"my-super-secret-admin-token").to_phc();
        assert_eq!(index, [entry(&long, A)]);
    }

    #[test]
    fn both_fields_become_one_if_they_agree() {
        let both = format!(r#""token":"my-super-secret-admin-token","hashedToken":"{HASH}""#);
        let mut model = store(&[(A, &both)], &[("my-super-secret-admin-token", A)], &[]);
        let (records, index, _) = hashed(&mut model, Variant::Sha512);
        assert_eq!(records, [record(A, &format!(r#""hashedToken":"{HASH}""#))]);
        assert_eq!(index, [entry(HASH, A)]);

        for other in [
            r#""token":"zzz","hashedToken":"HASH""#,
            r#""token":"t","hashedToken":"$argon2id$v=19$x""#,
        ] {
            let other = other.replace("HASH", HASH);
            let model = store(&[(B, &other)], &[], &[]);
            let refused = StoredTokens::load(&model, Variant::Sha256).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Refused);
            assert!(refused.message().contains(B), "{refused}");
            assert!(!refused.message().contains("zzz"), "{refused}");
        }
    }

    #[test]
    fn what_is_hashed_or_empty_stays_and_indexes_are_put_right() {
        let as_hash = format!(r#""token":"","hashedToken":"{HASH}""#);
        let odd = r#""hashedToken":"$argon2id$odd""#;
        let mut model = store(
            &[
                (A, &as_hash),
                (B, odd),
                ("0000000000000c03", r#""token":"""#),
            ],
            &[("nobody's", B)],
            &[("$influxdb2-sha256$gone", A), ("$argon2id$odd", B)],
        );
        let stored = StoredTokens::load(&model, Variant::Sha256).unwrap();
        assert_eq!((stored.plaintext, stored.hashed), (0, 2));
        assert_eq!(stored.missing.len(), 1);
        assert_eq!(
            stored.owner(b"my-super-secret-admin-token"),
            Some(A.parse().unwrap())
        );
        let before = record(A, &as_hash);
        let (records, index, work) = hashed(&mut model, Variant::Sha256);
        assert_eq!(records.first(), Some(&before));
        assert_eq!(index, [entry("$argon2id$odd", B), entry(HASH, A)]);
        assert_eq!((work.revived, work.stray_entries), (1, 2));
    }

    #[test]
    fn of_twins_the_one_that_a_server_finds_goes_on_working() {
        let token = r#""token":"twin""#;
        let hash = TokenHash::of(Variant::Sha256, b"twin").to_phc();
        for (raw, old, winner) in [
            (Some(B), None, B),
            (None, Some(B), B),
            (None, None, A),
            (Some(A), Some(B), A),
        ] {
            let raw: Vec<_> = raw.iter().map(|id| ("twin", *id)).collect();
            let old: Vec<_> = old.iter().map(|id| (hash.as_str(), *id)).collect();
            let mut model = store(&[(A, token), (B, token)], &raw, &old);
            let (records, index, _) = hashed(&mut model, Variant::Sha256);
            assert!(records.iter().all(|record| !record.contains("twin")));
            assert_eq!(index, [entry(&hash, winner)]);
        }
    }

    #[test]
    fn undecodable_records_stop_it() {
        for value in ["{", r#"["0000000000000a01"]"#, r#"{"id":"x"}"#] {
            let mut model = store(&[], &[], &[]);
            model.put(names::AUTHORIZATIONS, A.as_bytes(), value.as_bytes());
            let refused = StoredTokens::load(&model, Variant::Sha256).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Corrupt);
        }
    }
}
