//! Tokens that a file still shows although the store no longer holds them in plaintext.
//!
//! InfluxDB replaces records by writing them elsewhere; the pages they stood in stay as they
//! were until reused. So after influxd has hashed the tokens of a store, many can still be read
//! in its own file. [`Scan`] is shown the bytes and elements of such places (see
//! [`crate::store::Inspect::unused`]), or of other files, and tells how many tokens there are and
//! which of them belong to hashed tokens of the store.

mod finder;
mod known;
mod page;
mod settings;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::ops::{ControlFlow, Range};
use std::thread;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::page::PageKeys;
use crate::metadata::{Fingerprint, Id, authorization, fingerprint, names, token_hash};
use crate::secret::Token;
use crate::store::{Inspect, MAX_KEY_SIZE, Snapshot, StaleElement, Unused, UnusedVisitor};

pub(super) use finder::Finder;
pub use known::Known;

/// Parts of a file that are searched at the same time, at most.
const MOST_WORKERS: usize = 8;

/// The tokens that were found, each counted once however often it stands there. Tokens that the
/// store holds in plaintext don't count.
#[derive(Default)]
pub struct Residue {
    /// Those whose hash stands in a record of the store that has no plaintext, ascending by ID.
    pub matching: Vec<(Id, Token)>,
    /// How many there are that match nothing in the store: of deleted tokens, mostly.
    pub unmatched: u64,
    /// Of those that match nothing.
    unmatched_values: Fingerprint,
    /// Where the store's own file shows those of `matching`, each time it does: ranges of bytes
    /// from which they can be read as they were found here. In no particular order.
    pub places: Vec<Range<u64>>,
}

impl Residue {
    /// The number of distinct tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.matching.len() as u64 + self.unmatched
    }

    /// Which tokens they are.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let matching = self.matching.iter().map(|(id, token)| (id, token));
        let mut running = fingerprint::Running::default();
        running.join(Fingerprint::of_tokens(matching));
        running.join(self.unmatched_values);
        running.finish()
    }
}

/// A search for tokens, in as many places as it is shown.
///
/// Tokens that match nothing are kept as digests only.
pub struct Scan<'k> {
    finder: Finder,
    page: PageKeys,
    tally: Tally<'k>,
}

impl<'k> Scan<'k> {
    /// A search for tokens that `known` does not hold in plaintext.
    #[must_use]
    pub fn new(known: &'k Known) -> Self {
        Self {
            finder: Finder::new(),
            page: PageKeys::default(),
            tally: Tally {
                known,
                other: HashSet::new(),
                live: HashSet::new(),
                matching: BTreeMap::new(),
                unmatched: HashSet::new(),
                places: Vec::new(),
            },
        }
    }

    /// Looks at everything that `inspect`, of the store that `snapshot` is of, shows outside live
    /// records.
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

    /// Tokens that stand in live records, such as a telegraf configuration or a description, or as
    /// their keys, such as the name of a bucket, are not residues.
    fn leave_out_live(&mut self, snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
        let (buckets, mut damage) = snapshot.buckets()?;
        for bucket in buckets {
            if bucket.name == names::AUTHORIZATIONS {
                // The token's own field is no such place.
                damage.extend(authorization::scan_descriptions(snapshot, &mut |text| {
                    let live = &mut self.tally.live;
                    self.finder.feed(text.as_bytes(), 0, false, &mut |text, _| {
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
                let mut note = |text: &[u8], _| {
                    live.insert(mark(&Sha256::digest(text).into()));
                };
                self.finder.feed(value, 0, false, &mut note);
                if keys {
                    self.finder.feed(key, 0, false, &mut note);
                    note(key, 0..0);
                }
                ControlFlow::Continue(())
            })?);
        }
        Ok(damage)
    }

    /// On as many processors as there are, where live bytes are told from others.
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

    /// Another search for the same, for another part of the file.
    fn beside(&self) -> Self {
        let mut scan = Self::new(self.tally.known);
        scan.tally.other.clone_from(&self.tally.other);
        scan.tally.live.clone_from(&self.tally.live);
        scan
    }

    /// Adds what another search has found.
    fn add(&mut self, mut other: Self) {
        other.page.finish(&mut other.tally);
        self.tally.matching.append(&mut other.tally.matching);
        self.tally.unmatched.extend(other.tally.unmatched);
        self.tally.places.append(&mut other.tally.places);
    }

    fn take(&mut self, unused: Unused<'_>) {
        match unused {
            Unused::Run {
                offset,
                continued,
                bytes,
            } => {
                let tally = &mut self.tally;
                self.finder
                    .feed(bytes, offset, continued, &mut |text, place| {
                        tally.candidate(text, Some(place));
                    });
            }
            Unused::Element(element) => self.feed_element(&element),
        }
    }

    /// Looks for tokens in raw bytes: those of generated form anywhere, those of any form as
    /// the `"token"` field of a JSON record. `continued` when `bytes` follow directly on those
    /// of the last call.
    pub fn feed(&mut self, bytes: &[u8], continued: bool) {
        let tally = &mut self.tally;
        // Offsets must not run backwards at a border, and are of no use here.
        self.finder
            .feed(bytes, u64::from(u32::MAX), continued, &mut |text, _| {
                tally.candidate(text, None);
            });
    }

    /// Looks at one key of a stale node, which may be a token of any form. What matches nothing
    /// counts only where the node is clearly an index of tokens: names of users and buckets stand
    /// as keys as well.
    pub fn feed_element(&mut self, element: &StaleElement<'_>) {
        let (key, place) = (element.key, Some(element.place.clone()));
        match element.bucket {
            Some(names::AUTHORIZATION_INDEX) => self.tally.candidate(key, place),
            Some(_) => {
                self.tally.matching(key, &Sha256::digest(key).into(), place);
            }
            None => self.page.add(element, &mut self.tally),
        }
    }

    /// Looks through a whole other store, what is live in it and what is not.
    ///
    /// # Errors
    /// When the file can't be read; damage is in the findings.
    pub fn feed_store(
        &mut self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<Vec<Finding>> {
        let (buckets, mut damage) = snapshot.buckets()?;
        // Before anything else: what stands where tokens stand, and is none.
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
        // Where another file shows something is no place in the store's own.
        let places = self.tally.places.len();
        damage.extend(self.feed_shown(inspect)?);
        self.tally.places.truncate(places);
        Ok(damage)
    }

    /// Looks through a text for settings that hold a token: in TOML, YAML, or as a shell's
    /// variables.
    pub fn feed_settings(&mut self, text: &str) {
        let tally = &mut self.tally;
        settings::tokens(text, &mut |value| tally.candidate(value, None));
    }

    /// Looks at one entry of a list of tokens: texts of which one may be the token.
    pub fn feed_entry(&mut self, texts: &[Token]) {
        self.tally.entry(texts);
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Residue {
        self.page.finish(&mut self.tally);
        Residue {
            matching: self.tally.matching.into_iter().collect(),
            unmatched: self.tally.unmatched.len() as u64,
            unmatched_values: fingerprint_of(self.tally.unmatched),
            places: self.tally.places,
        }
    }
}

/// Enough of a SHA-256 digest to tell texts apart.
type Mark = [u8; 16];

/// The distinct tokens so far.
struct Tally<'k> {
    known: &'k Known,
    /// Of texts that other stores show where tokens stand, and that are none.
    other: HashSet<Mark>,
    /// Of texts that stand in live records, where live bytes can't be told from others.
    live: HashSet<Mark>,
    matching: BTreeMap<Id, Token>,
    unmatched: HashSet<Mark>,
    places: Vec<Range<u64>>,
}

impl Tally<'_> {
    /// Counts `text`, which stands where tokens stand.
    fn candidate(&mut self, text: &[u8], place: Option<Range<u64>>) {
        let digest = Sha256::digest(text).into();
        if !self.matching(text, &digest, place) && may_be_token(text) {
            self.unmatched(&digest);
        }
    }

    /// Counts an entry of a list once, whichever of its texts is meant.
    fn entry(&mut self, texts: &[Token]) {
        let digest = |text: &Token| -> [u8; 32] { Sha256::digest(text.reveal()).into() };
        let mut known = false;
        for text in texts {
            let digest = digest(text);
            known |= self.matching(text.reveal().as_bytes(), &digest, None)
                || self.known.is_no_residue(&digest);
        }
        if let (false, Some(text)) = (known, texts.first()) {
            self.unmatched(&digest(text));
        }
    }

    /// Counts `text` if it is a hashed token of this store, and tells whether it is. `place` is
    /// where the store's own file shows it.
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

    /// Counts a text that matches nothing, unless the store knows it to be no residue.
    fn unmatched(&mut self, digest: &[u8; 32]) {
        let mark_of = mark(digest);
        let other = self.known.is_no_residue(digest)
            || self.other.contains(&mark_of)
            || self.live.contains(&mark_of);
        if !other {
            self.unmatched.insert(mark_of);
        }
    }
}

/// Whether `text`, which matches nothing, can be a token at all: neither a hash, nor a
/// notification endpoint's reference to a secret.
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
