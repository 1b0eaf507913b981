//! The entries that the index of hashes needs, in little memory, and the text of a hash.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256, Sha512};

use crate::metadata::{Fingerprint, Id, Variant, fingerprint};
use crate::store::Additions;

/// Length of a SHA-256 digest in base64.
pub(super) const SHORT: usize = 44;
/// Length of a SHA-512 digest in base64.
pub(super) const LONG: usize = 88;

/// The text before the digest of a hash.
pub(super) const PREFIXES: [&[u8]; 2] = [b"$influxdb2-sha256$", b"$influxdb2-sha512$"];

/// A required entry of the index of hashes: the digest as text, and its authorization.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<const N: usize> {
    pub(super) text: [u8; N],
    pub(super) id: Id,
    /// Whether the record holds the plaintext token now.
    pub(super) fresh: bool,
}

impl<const N: usize> Ord for Entry<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.text, &other.text)
            .then_with(|| (self.id, self.fresh).cmp(&(other.id, other.fresh)))
    }
}

/// Compares two texts. Nearly all differ in their first bytes, and a number is compared faster than a
/// text.
fn compare<const N: usize>(one: &[u8; N], other: &[u8; N]) -> Ordering {
    let start = |text: &[u8; N]| text.first_chunk().copied().map(u64::from_be_bytes);
    start(one).cmp(&start(other)).then_with(|| one.cmp(other))
}

impl<const N: usize> PartialOrd for Entry<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// All entries, in the order of their keys once they are sorted. A million of them take 56 MB.
#[derive(Default)]
pub(super) struct Entries {
    pub(super) short: Vec<Entry<SHORT>>,
    pub(super) long: Vec<Entry<LONG>>,
    /// Entries for other texts in `hashedToken`, which influxd stores and looks up although they
    /// are not valid hashes.
    pub(super) odd: BTreeMap<Box<[u8]>, Id>,
}

impl Entries {
    pub(super) fn push(&mut self, hash: &[u8], id: Id, fresh: bool) {
        let digest = |prefix: &[u8]| hash.strip_prefix(prefix);
        let [short, long] = PREFIXES.map(digest);
        if let Some(text) = short.and_then(|text| text.try_into().ok()) {
            self.short.push(Entry { text, id, fresh });
        } else if let Some(text) = long.and_then(|text| text.try_into().ok()) {
            self.long.push(Entry { text, id, fresh });
        } else {
            self.odd.insert(hash.into(), id);
        }
    }

    /// Adds the entry for a token that the record `id` holds in plaintext, of the SHA-256 digest.
    pub(super) fn push_digest(&mut self, digest: &[u8; 32], id: Id) {
        let mut text = [0; SHORT];
        // The text of 32 bytes has exactly this length.
        if URL_SAFE.encode_slice(digest, &mut text) == Ok(SHORT) {
            let fresh = true;
            self.short.push(Entry { text, id, fresh });
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.short.extend(other.short);
        self.long.extend(other.long);
        self.odd.extend(other.odd);
    }

    pub(super) fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    /// Appends the key of the entry with this number. Returns its authorization, and whether the
    /// record holds the plaintext token now.
    pub(super) fn get(&self, number: usize, key_out: &mut Vec<u8>) -> Option<(Id, bool)> {
        let [short, long] = PREFIXES;
        if let Some(entry) = self.short.get(number) {
            key_out.extend_from_slice(short);
            key_out.extend_from_slice(&entry.text);
            return Some((entry.id, entry.fresh));
        }
        let entry = self.long.get(number.checked_sub(self.short.len())?)?;
        key_out.extend_from_slice(long);
        key_out.extend_from_slice(&entry.text);
        Some((entry.id, entry.fresh))
    }

    /// The fingerprint of the tokens that records hold now, in the order of the entries.
    pub(super) fn held(&self) -> Fingerprint {
        fn add<const N: usize>(entries: &[Entry<N>], running: &mut fingerprint::Running) {
            for entry in entries.iter().filter(|entry| entry.fresh) {
                running.add(entry.id, &entry.text);
            }
        }
        let mut running = fingerprint::Running::default();
        add(&self.short, &mut running);
        add(&self.long, &mut running);
        running.finish()
    }

    /// The authorization with this hash, and whether its record holds the plaintext token now.
    pub(super) fn find(&self, hash: &[u8]) -> Option<(Id, bool)> {
        fn search<const N: usize>(entries: &[Entry<N>], text: &[u8]) -> Option<(Id, bool)> {
            let text: &[u8; N] = text.try_into().ok()?;
            let found = entries.binary_search_by(|entry| compare(&entry.text, text));
            entries
                .get(found.ok()?)
                .map(|entry| (entry.id, entry.fresh))
        }
        let [short, long] = PREFIXES;
        match (hash.strip_prefix(short), hash.strip_prefix(long)) {
            (Some(text), _) => search(&self.short, text),
            (_, Some(text)) => search(&self.long, text),
            _ => None,
        }
    }
}

/// The text of a token's hash.
pub(super) fn hash_text(variant: Variant, token: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(PREFIXES[0].len() + LONG);
    hash_into(variant, token, &mut text);
    text
}

/// Appends the text of a token's hash.
pub(super) fn hash_into(variant: Variant, token: &[u8], text: &mut Vec<u8>) {
    let [short, long] = PREFIXES;
    let mut digest = [0; LONG];
    let (prefix, length) = match variant {
        Variant::Sha256 => (
            short,
            URL_SAFE.encode_slice(Sha256::digest(token), &mut digest),
        ),
        Variant::Sha512 => (
            long,
            URL_SAFE.encode_slice(Sha512::digest(token), &mut digest),
        ),
    };
    text.extend_from_slice(prefix);
    // The buffer has room for the longer variant.
    text.extend_from_slice(digest.get(..length.unwrap_or(0)).unwrap_or_default());
}

/// The missing entries of the index of hashes.
pub(super) struct NewEntries(pub(super) Entries);

impl Additions for NewEntries {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>) {
        if let Some((id, _)) = self.0.get(number, key_out) {
            value_out.extend_from_slice(id.to_string().as_bytes());
        }
    }
}
