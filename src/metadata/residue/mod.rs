//! Tokens that are still readable in a file although the store no longer holds them in plaintext.
//!
//! InfluxDB replaces a record by writing it to another page; the old page keeps its content until
//! it is reused. So after influxd has hashed the tokens of a store, many of them can still be read
//! in the file. [`Scan`] receives the bytes and elements of such places (see
//! [`crate::store::Inspect::unused`]), or of other files, and counts the tokens, and finds those of
//! hashed tokens of the store.

mod finder;
mod known_tokens;
mod named_values;
mod page;
mod settings;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::ops::{ControlFlow, Range};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::encodings::Layers;
use crate::metadata::residue::page::PageKeys;
use crate::metadata::{Fingerprint, Id, authorization, fingerprint, names, token_hash};
use crate::secret::Token;
use crate::store::{Inspect, MAX_KEY_SIZE, Snapshot, StaleElement, Unused, UnusedVisitor};

pub(super) use finder::{Finder, Form};
pub use known_tokens::{Known, KnownPart};

/// Length of an ID in a key.
const ID_LENGTH: usize = 16;

/// Maximum number of parts of a file that are searched in parallel.
const MOST_WORKERS: usize = 8;

/// The tokens found, each counted once. Tokens that the store holds in plaintext don't count.
#[derive(Default)]
pub struct Residue {
    /// Tokens whose hash is in a record of the store without plaintext, ascending by ID.
    pub matching: Vec<(Id, Token)>,
    /// Number of tokens that match nothing in the store, mostly deleted ones.
    pub unmatched: u64,
    /// The fingerprint of the tokens that match nothing.
    unmatched_values: Fingerprint,
    /// All places of `matching` tokens in the store's own file: byte ranges that are enough to find
    /// them again. Not sorted.
    pub places: Vec<Range<u64>>,
    /// The same for tokens that match nothing.
    pub unmatched_places: Vec<Range<u64>>,
}

impl Residue {
    /// The number of distinct tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.matching.len() as u64 + self.unmatched
    }

    /// The fingerprint of all tokens found.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let matching = self.matching.iter().map(|(id, token)| (id, token));
        let mut running = fingerprint::Running::default();
        running.join(Fingerprint::of_tokens(matching));
        running.join(self.unmatched_values);
        running.finish()
    }
}

/// A search for tokens in everything passed to it.
///
/// Tokens that match nothing are kept only as digests.
pub struct Scan<'k> {
    finder: Finder,
    page: PageKeys,
    layers: Layers,
    /// Whether any byte of the unused parts was not zero.
    nonzero: bool,
    /// Whether the last run was zeros, which are not searched.
    after_zeros: bool,
    tally: Tally<'k>,
}

impl<'k> Scan<'k> {
    /// A search for tokens that `known` does not hold in plaintext.
    #[must_use]
    pub fn new(known: &'k Known) -> Self {
        Self {
            // Only a comparison with hashes tells whether such a value is a token.
            finder: match known.has_hashes() {
                true => Finder::with_named_values(),
                false => Finder::new(),
            },
            page: PageKeys::default(),
            layers: Layers::default(),
            nonzero: false,
            after_zeros: false,
            tally: Tally {
                known,
                other: HashSet::new(),
                live: HashSet::new(),
                matching: BTreeMap::new(),
                unmatched: HashSet::new(),
                places: Vec::new(),
                unmatched_places: Vec::new(),
            },
        }
    }

    /// Searches all unused parts of the store, which `snapshot` and `inspect` belong to.
    ///
    /// # Errors
    /// When the file can't be read; damage is in the findings.
    pub fn feed_unused(
        &mut self,
        inspect: &dyn Inspect,
        snapshot: &dyn Snapshot,
    ) -> Result<Vec<Finding>> {
        let mut damage = Vec::new();
        if inspect.shows_live_bytes() {
            damage = self.leave_out_live(snapshot)?;
        }
        damage.extend(self.feed_shown(inspect)?);
        Ok(damage)
    }

    /// Leaves out tokens in live records (such as a telegraf configuration or a description) or in
    /// their keys (such as the name of a bucket): they are not residue.
    fn leave_out_live(&mut self, snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
        let (buckets, mut damage) = snapshot.buckets()?;
        for bucket in buckets {
            if bucket.name == names::AUTHORIZATIONS {
                // Skip the token field itself.
                damage.extend(authorization::scan_descriptions(snapshot, &mut |text| {
                    let live = &mut self.tally.live;
                    self.finder
                        .feed(text.as_bytes(), 0, false, &mut |text, _, _| {
                            live.insert(mark(&Sha256::digest(text).into()));
                        });
                })?);
                continue;
            }
            let of_tokens = [
                names::AUTHORIZATION_INDEX,
                names::AUTHORIZATION_HASHED_INDEX,
            ];
            let keys = !of_tokens.contains(&bucket.name.as_slice());
            damage.extend(snapshot.scan(&bucket.name, &mut |key, value| {
                let live = &mut self.tally.live;
                let mut note = |text: &[u8], _, _| {
                    live.insert(mark(&Sha256::digest(text).into()));
                };
                self.finder.feed(value, 0, false, &mut note);
                if keys {
                    self.finder.feed(key, 0, false, &mut note);
                    note(key, 0..0, Form::Token);
                }
                ControlFlow::Continue(())
            })?);
        }
        Ok(damage)
    }

    /// Runs in parallel if the engine can distinguish live bytes from others.
    fn feed_shown(&mut self, inspect: &dyn Inspect) -> Result<Vec<Finding>> {
        if inspect.shows_live_bytes() {
            return inspect.unused(&mut |unused| self.take(unused));
        }
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let mut others: Vec<Self> = (1..workers.min(MOST_WORKERS))
            .map(|_| self.beside())
            .collect();
        let scans = [&mut *self].into_iter().chain(&mut others);
        let mut visits: Vec<_> = scans
            .map(|scan| |unused: Unused<'_>| scan.take(unused))
            .collect();
        let mut visits: Vec<&mut UnusedVisitor<'_>> = visits
            .iter_mut()
            .map(|visit| visit as &mut UnusedVisitor<'_>)
            .collect();
        let damage = inspect.unused_in_parts(&mut visits)?;
        for other in others {
            self.add(other);
        }
        Ok(damage)
    }

    /// A new search with the same known tokens, for another part of the file.
    fn beside(&self) -> Self {
        let mut scan = Self::new(self.tally.known);
        scan.tally.other.clone_from(&self.tally.other);
        scan.tally.live.clone_from(&self.tally.live);
        scan
    }

    /// Adds the result of another search.
    fn add(&mut self, mut other: Self) {
        other.page.finish(&mut other.tally);
        self.nonzero |= other.nonzero;
        self.tally.matching.append(&mut other.tally.matching);
        self.tally.unmatched.extend(other.tally.unmatched);
        self.tally.places.append(&mut other.tally.places);
        let places = &mut other.tally.unmatched_places;
        self.tally.unmatched_places.append(places);
    }

    fn take(&mut self, unused: Unused<'_>) {
        match unused {
            Unused::Run {
                offset,
                continued,
                bytes,
            } => {
                let zero = is_zero(bytes);
                self.nonzero |= !zero;
                // No token goes across zeros.
                let after_zeros = std::mem::replace(&mut self.after_zeros, zero);
                let continued = continued && !after_zeros;
                if zero {
                    return;
                }
                let tally = &mut self.tally;
                self.finder
                    .feed(bytes, offset, continued, &mut |text, place, form| {
                        tally.found(text, Some(place), form);
                    });
            }
            Unused::Element(element) => self.feed_element(&element),
        }
    }

    /// Searches raw bytes: tokens of generated form anywhere, tokens of any form in the `"token"`
    /// field of a JSON record. `continued` says that `bytes` directly follow those of the last
    /// call.
    pub fn feed(&mut self, bytes: &[u8], continued: bool) {
        let tally = &mut self.tally;
        // Offsets are not used here, but must not decrease at a border.
        self.finder.feed(
            bytes,
            u64::from(u32::MAX),
            continued,
            &mut |text, _, form| tally.found(text, None, form),
        );
    }

    /// Searches the value of a live record, also for tokens in other encodings.
    pub fn feed_record(&mut self, value: &[u8]) {
        let mut layers = std::mem::take(&mut self.layers);
        layers.each(value, &mut |text, is_word| {
            self.feed(text, false);
            if is_word {
                self.tally
                    .matching(text, &Sha256::digest(text).into(), None);
            }
        });
        self.layers = layers;
    }

    /// Examines one key of a stale node, which may be a token of any form. A key that matches
    /// nothing counts only if the node is clearly an index of tokens: names of users and buckets
    /// are keys too.
    pub fn feed_element(&mut self, element: &StaleElement<'_>) {
        let (key, place) = (element.key, Some(element.place.clone()));
        if self.tally.known.has_hashes()
            && let Some(secret) = secret_value(element)
        {
            let digest = Sha256::digest(&*secret).into();
            self.tally.matching(&secret, &digest, place.clone());
        }
        match element.bucket {
            Some(names::AUTHORIZATION_INDEX) => self.tally.candidate(key, place),
            Some(_) => {
                self.tally.matching(key, &Sha256::digest(key).into(), place);
            }
            None => self.page.add(element, &mut self.tally),
        }
    }

    /// Searches a whole other store, its live records and its unused parts.
    ///
    /// # Errors
    /// When the file can't be read; damage is in the findings.
    pub fn feed_store(
        &mut self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<Vec<Finding>> {
        let (buckets, mut damage) = snapshot.buckets()?;
        // First: texts in places of tokens that are not tokens.
        damage.extend(
            snapshot.scan(names::LEGACY_AUTHORIZATION_INDEX, &mut |name, _| {
                self.tally.other.insert(mark(&Sha256::digest(name).into()));
                ControlFlow::Continue(())
            })?,
        );
        for bucket in buckets {
            let name = bucket.name.as_slice();
            damage.extend(snapshot.scan(name, &mut |key, value| {
                match name {
                    names::AUTHORIZATION_INDEX => self.tally.candidate(key, None),
                    names::LEGACY_AUTHORIZATIONS => {}
                    _ => self.feed(value, false),
                }
                ControlFlow::Continue(())
            })?);
        }
        // Places in another file are not places in the store's own file.
        let places = self.tally.places.len();
        let unmatched = self.tally.unmatched_places.len();
        damage.extend(self.feed_shown(inspect)?);
        self.tally.places.truncate(places);
        self.tally.unmatched_places.truncate(unmatched);
        Ok(damage)
    }

    /// Searches a text for settings with a token: in TOML, YAML, or shell variables.
    pub fn feed_settings(&mut self, text: &str) {
        let tally = &mut self.tally;
        settings::tokens(text, &mut |value| tally.candidate(value, None));
    }

    /// Examines one entry of a list of tokens: texts of which one may be the token.
    pub fn feed_entry(&mut self, texts: &[Token]) {
        self.tally.entry(texts);
    }

    /// Whether any byte of the unused parts that were searched was not zero.
    #[must_use]
    pub fn met_nonzero_bytes(&self) -> bool {
        self.nonzero
    }

    /// Returns the result.
    #[must_use]
    pub fn finish(mut self) -> Residue {
        self.page.finish(&mut self.tally);
        Residue {
            matching: self.tally.matching.into_iter().collect(),
            unmatched: self.tally.unmatched.len() as u64,
            unmatched_values: fingerprint_of(self.tally.unmatched),
            places: self.tally.places,
            unmatched_places: self.tally.unmatched_places,
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    // In blocks, which the compiler turns into few instructions, up to the first that is not zero.
    let mut blocks = bytes.chunks(512);
    blocks.all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

/// The value of a record of `secretsv1`, which is in base64. Its key is the ID of an organization
/// and a name.
fn secret_value(element: &StaleElement<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let is_secret = element.bucket.is_none_or(|bucket| bucket == names::SECRETS)
        && element.key.len() > ID_LENGTH
        && Id::from_bytes(element.key.get(..ID_LENGTH)?).is_ok();
    let value = element.value;
    if !is_secret || value.len() > 2 * MAX_KEY_SIZE || Id::from_bytes(value).is_ok() {
        return None;
    }
    STANDARD.decode(value).ok().map(Zeroizing::new)
}

/// Enough of a SHA-256 digest to distinguish texts.
type Mark = [u8; 16];

/// The distinct tokens so far.
struct Tally<'k> {
    known: &'k Known,
    /// Digests of texts in places of tokens in other stores that are not tokens.
    other: HashSet<Mark>,
    /// Digests of texts in live records, if live bytes can't be distinguished from others.
    live: HashSet<Mark>,
    matching: BTreeMap<Id, Token>,
    unmatched: HashSet<Mark>,
    places: Vec<Range<u64>>,
    unmatched_places: Vec<Range<u64>>,
}

impl Tally<'_> {
    /// Counts a text that was found in raw bytes.
    fn found(&mut self, text: &[u8], place: Option<Range<u64>>, form: Form) {
        match form {
            Form::Token => self.candidate(text, place),
            Form::Named => {
                self.matching(text, &Sha256::digest(text).into(), place);
            }
        }
    }

    /// Counts `text`, found in a place of tokens.
    fn candidate(&mut self, text: &[u8], place: Option<Range<u64>>) {
        let digest = Sha256::digest(text).into();
        if !self.matching(text, &digest, place.clone()) && may_be_token(text) {
            self.unmatched(&digest, place);
        }
    }

    /// Counts an entry of a list once, whichever of its texts matches.
    fn entry(&mut self, texts: &[Token]) {
        let digest = |text: &Token| -> [u8; 32] { Sha256::digest(text.reveal()).into() };
        let mut known = false;
        for text in texts {
            let digest = digest(text);
            known |= self.matching(text.reveal().as_bytes(), &digest, None)
                || self.known.is_no_residue(&digest);
        }
        if let (false, Some(text)) = (known, texts.first()) {
            self.unmatched(&digest(text), None);
        }
    }

    /// Counts `text` and returns true if it is a hashed token of this store. `place` is its
    /// position in the store's own file.
    fn matching(&mut self, text: &[u8], digest: &[u8; 32], place: Option<Range<u64>>) -> bool {
        let Some(id) = self.known.hashed(text, digest) else {
            return false;
        };
        if self.live.contains(&mark(digest)) {
            return true;
        }
        let Ok(text) = std::str::from_utf8(text) else {
            return false;
        };
        self.matching
            .entry(id)
            .or_insert_with(|| Token::new(text.to_owned()));
        self.places.extend(place);
        true
    }

    /// Counts a text that matches nothing, unless it is known not to be residue.
    fn unmatched(&mut self, digest: &[u8; 32], place: Option<Range<u64>>) {
        let mark_of = mark(digest);
        let other = self.known.is_no_residue(digest)
            || self.other.contains(&mark_of)
            || self.live.contains(&mark_of);
        if !other {
            self.unmatched.insert(mark_of);
            self.unmatched_places.extend(place);
        }
    }
}

/// Whether `text`, which matches nothing, can be a token: it is neither a hash, nor a notification
/// endpoint's reference to a secret.
fn may_be_token(text: &[u8]) -> bool {
    (1..=MAX_KEY_SIZE).contains(&text.len())
        && !text.starts_with(token_hash::PREFIX.as_bytes())
        && !text.starts_with(b"secret: ")
}

/// Of marks, whatever order they come in.
fn fingerprint_of(marks: HashSet<Mark>) -> Fingerprint {
    let mut marks: Vec<Mark> = marks.into_iter().collect();
    marks.sort_unstable();
    Fingerprint::of(marks.as_flattened())
}

fn mark(digest: &[u8; 32]) -> Mark {
    let (mark, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    *mark
}

#[cfg(test)]
mod tests;
