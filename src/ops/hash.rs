//! `hash`: every token by its hash, in one transaction, with nothing of it left in the file.

use std::collections::BTreeMap;
use std::io::{self, Write};

use zeroize::Zeroizing;

use super::capture::{Captured, Format, Writer, each};
use super::commit::{Around, all_decoded, commit, known_schema};
use super::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authenticate::{KeyDigest, TokenIndex, TokenIndexes, key_digest};
use crate::metadata::authorization::Undecoded;
use crate::metadata::catalog::Undecodable;
use crate::metadata::embedded::{self, Embedded};
use crate::metadata::hashing::{By256, By512, DropAll, Hash, HashTokens, Kept, NewEntries};
use crate::metadata::json::Object;
use crate::metadata::migration::{HASHING, put_record};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{
    Authorization, Catalog, Id, Schema, Storage, TokenHash, Variant, authorization, names, parallel,
};
use crate::secret::Token;
use crate::store::{
    Additions, ChangeSet, Committed, Inspect, Outcome, Snapshot, Unused, Wipe, WritableStore,
};

/// How to hash.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The hash function.
    pub variant: Variant,
    /// Leave alone what unused parts of the file show.
    pub keep_residue: bool,
}

/// What is to be done, and all that is known of it before.
pub struct Plan {
    changes: ChangeSet,
    options: Options,
    /// Whether the schema is raised, so that InfluxDB 2.7 and older no longer start.
    pub raises_schema: bool,
    /// Tokens to be hashed.
    pub hashed: u64,
    /// Tokens that are hashed and nothing else.
    pub already_hashed: u64,
    /// Records that hold neither token nor hash.
    pub without_token: Vec<Id>,
    /// Hashed tokens that no index entry leads to: they authenticate nobody.
    pub dead: Vec<Id>,
    /// Entries of the index of raw tokens that lead to no record which holds the token.
    pub dead_entries: u64,
    /// Distinct tokens that unused parts of the file show and no record holds.
    pub residue: u64,
    /// Live records that show a token beside.
    pub embedded: Vec<Embedded>,
    /// Hashed tokens that only this file's leftovers still show.
    lost: BTreeMap<Id, Token>,
    /// How many tokens a server would find by their index entries.
    found: u64,
}

/// Works out what `hash` would do.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Refused`] when the schema is too old, a record's token and hash disagree, or two
///   records hold the same token
pub fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: Options,
    now: &Moment,
) -> Result<(Plan, Vec<Finding>)> {
    let schema = known_schema(snapshot)?;
    if schema.migrations + 1 < HASHING {
        return Err(too_old(&schema));
    }
    match options.variant {
        Variant::Sha256 => plan_by::<32, By256>(snapshot, inspect, options, &schema, now),
        Variant::Sha512 => plan_by::<64, By512>(snapshot, inspect, options, &schema, now),
    }
}

fn too_old(schema: &Schema) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "the schema is {} (InfluxDB {}), and tokens can be hashed from schema {} on; nothing \
             was changed",
            schema.migrations,
            schema.release(),
            HASHING - 1,
        ),
    )
    .with_hint("start InfluxDB 2.7 on it once: that brings it to schema 20, and nothing is hashed")
}

/// What the records say.
struct Records<const N: usize> {
    /// Of each token in plaintext.
    plain: Vec<(KeyDigest, Id)>,
    new: Vec<([u8; N], Id)>,
    /// Of the hash of each record without plaintext.
    hashed: Vec<(KeyDigest, Id)>,
    /// Hashes of records with both.
    both: Vec<(String, Id)>,
    missing: Vec<Id>,
    disagree: Vec<Id>,
    undecodable: Undecodable,
}

impl<const N: usize> Default for Records<N> {
    fn default() -> Self {
        Self {
            plain: Vec::new(),
            new: Vec::new(),
            hashed: Vec::new(),
            both: Vec::new(),
            missing: Vec::new(),
            disagree: Vec::new(),
            undecodable: Undecodable::default(),
        }
    }
}

impl<const N: usize> Records<N> {
    fn load<H: Hash<N>>(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut all = Self::default();
        let damage = parallel::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &|some: &mut Self, key, value| some.add::<H>(key, value),
            &mut |mut some: Self| {
                all.plain.append(&mut some.plain);
                all.new.append(&mut some.new);
                all.hashed.append(&mut some.hashed);
                all.both.append(&mut some.both);
                all.missing.append(&mut some.missing);
                all.disagree.append(&mut some.disagree);
                all.undecodable.append(some.undecodable);
            },
        )?;
        damage
            .into_iter()
            .for_each(|finding| all.undecodable.push(finding));
        all.plain.sort_unstable();
        all.hashed.sort_unstable();
        Ok(all)
    }

    fn add<H: Hash<N>>(&mut self, key: &[u8], value: &[u8]) {
        let decoded = Authorization::<Undecoded<'_>>::decode(names::AUTHORIZATIONS, key, value);
        let record = match decoded {
            Ok(record) => record,
            Err(finding) => return self.undecodable.push(finding),
        };
        let (token, hash) = (record.token.as_bytes(), record.hashed_token.as_bytes());
        match record.storage() {
            Storage::Missing => self.missing.push(record.id),
            Storage::Hashed => self.hashed.push((key_digest(hash), record.id)),
            Storage::Plaintext => {
                self.plain.push((key_digest(token), record.id));
                self.new.push((H::digest(token), record.id));
            }
            Storage::Both => {
                let agrees =
                    TokenHash::parse(&record.hashed_token).is_ok_and(|hash| hash.matches(token));
                if agrees {
                    self.plain.push((key_digest(token), record.id));
                    self.both.push((record.hashed_token.to_string(), record.id));
                } else {
                    self.disagree.push(record.id);
                }
            }
        }
    }
}

fn plan_by<const N: usize, H: Hash<N>>(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: Options,
    schema: &Schema,
    now: &Moment,
) -> Result<(Plan, Vec<Finding>)> {
    let records = Records::<N>::load::<H>(snapshot)?;
    all_decoded(records.undecodable.told())?;
    if let Some(id) = records.disagree.first() {
        return Err(disagree(*id, records.disagree.len()));
    }
    let mut raw = RawEntries::load(snapshot, &records.plain)?;
    let hashed = records.plain.len() as u64;
    let already_hashed = records.hashed.len() as u64;
    let new = NewEntries::new(options.variant, records.new);
    if let Some((first, second)) = new.twice() {
        return Err(twice(first, second));
    }
    let found_hashed = hashed_entries(snapshot, &records.hashed, &new)?;

    let (known, _) = Known::load(snapshot)?;
    let mut ensured: Vec<(String, Id)> = records.both;
    let mut lost: BTreeMap<Id, Token> = BTreeMap::new();
    let mut dead_entries = 0;
    for (token, id) in raw.odd.drain(..) {
        let owner = known.owner_of(token.reveal().as_bytes());
        if let Some(owner) = owner {
            if id == Some(owner) {
                // The server finds it by this entry and compares with the hash: it works.
                ensured.extend(hash_of(snapshot, owner)?.map(|hash| (hash, owner)));
                raw.found += 1;
            }
            lost.insert(owner, token);
        }
        if owner.is_none() || id != owner {
            dead_entries += 1;
        }
    }
    let mut scan = Scan::new(&known);
    let mut findings = scan.feed_unused(inspect, snapshot)?;
    let residue = scan.finish();
    let residue_count = residue.tokens();
    lost.extend(residue.matching);

    let plain = &records.plain;
    let owner = |text: &[u8]| {
        let digest = key_digest(text);
        let at = plain.partition_point(|(other, _)| *other < digest);
        match plain.get(at) {
            Some((other, id)) if *other == digest => Some(*id),
            _ => known.owner_of(text),
        }
    };
    let (embedded, damage) = embedded::find(snapshot, &owner)?;
    findings.extend(damage);

    let mut changes = ChangeSet::default();
    changes.wipe = if options.keep_residue {
        Wipe::Nothing
    } else {
        Wipe::Everything
    };
    let raises_schema = schema.migrations < HASHING;
    if raises_schema {
        put_record(&mut changes, HASHING, &now.utc);
        changes.create_bucket(names::AUTHORIZATION_HASHED_INDEX);
    }
    if hashed > 0 {
        changes.bucket(names::AUTHORIZATIONS).transform =
            Some(Box::new(HashTokens(options.variant)));
    }
    if new.count() > 0 {
        changes.bucket(names::AUTHORIZATION_HASHED_INDEX).additions = Some(Box::new(new));
    }
    for (hash, id) in ensured {
        let key = names::AUTHORIZATION_HASHED_INDEX;
        let id = id.to_string();
        if snapshot.get(key, hash.as_bytes())?.as_deref() != Some(id.as_bytes()) {
            changes.put(key, hash.as_bytes(), id.as_bytes());
        }
    }
    if raw.count > 0 {
        changes.bucket(names::AUTHORIZATION_INDEX).transform = Some(Box::new(DropAll));
    }
    let plan = Plan {
        changes,
        options,
        raises_schema,
        hashed,
        already_hashed,
        without_token: records.missing,
        dead: found_hashed.dead,
        dead_entries,
        residue: residue_count,
        embedded,
        lost,
        found: raw.found + found_hashed.found,
    };
    Ok((plan, findings))
}

/// What stands in the index of raw tokens.
struct RawEntries {
    count: u64,
    /// Entries that lead to the record which holds their token.
    found: u64,
    /// Entries whose token no record holds, and where they lead.
    odd: Vec<(Token, Option<Id>)>,
}

impl RawEntries {
    /// `plain` is sorted.
    fn load(snapshot: &dyn Snapshot, plain: &[(KeyDigest, Id)]) -> Result<Self> {
        #[derive(Default)]
        struct Part {
            count: u64,
            found: u64,
            odd: Vec<(Token, Option<Id>)>,
        }
        let mut all = Self {
            count: 0,
            found: 0,
            odd: Vec::new(),
        };
        parallel::scan(
            snapshot,
            names::AUTHORIZATION_INDEX,
            &|some: &mut Part, key, value| {
                some.count += 1;
                let (digest, id) = (key_digest(key), Id::from_bytes(value).ok());
                let at = plain.partition_point(|(other, _)| *other < digest);
                match plain.get(at) {
                    Some((other, holder)) if *other == digest => {
                        some.found += u64::from(id == Some(*holder));
                    }
                    _ => {
                        // What is no text can be no token that a request carries.
                        let text = String::from_utf8(key.to_vec()).unwrap_or_default();
                        some.odd.push((Token::new(text), id));
                    }
                }
            },
            &mut |mut some| {
                all.count += some.count;
                all.found += some.found;
                all.odd.append(&mut some.odd);
            },
        )?;
        Ok(all)
    }
}

/// What stands in the index of hashes.
struct HashedEntries {
    found: u64,
    dead: Vec<Id>,
}

/// `hashed` is sorted.
///
/// # Errors
/// [`ErrorKind::Refused`] when an entry that is to be made leads to another record already.
fn hashed_entries<const N: usize>(
    snapshot: &dyn Snapshot,
    hashed: &[(KeyDigest, Id)],
    new: &NewEntries<N>,
) -> Result<HashedEntries> {
    let mut live = vec![false; hashed.len()];
    let mut conflict = None;
    snapshot.scan(names::AUTHORIZATION_HASHED_INDEX, &mut |key, value| {
        let (digest, id) = (key_digest(key), Id::from_bytes(value).ok());
        let mut at = hashed.partition_point(|(other, _)| *other < digest);
        while let Some((_, holder)) = hashed.get(at).filter(|(other, _)| *other == digest) {
            if id == Some(*holder)
                && let Some(live) = live.get_mut(at)
            {
                *live = true;
            }
            at += 1;
        }
        let hash = std::str::from_utf8(key).ok().map(TokenHash::parse);
        if let Some(Ok(hash)) = hash
            && let Some(owner) = new.owner_of(hash.digest())
            && let Some(other) = id.filter(|id| *id != owner)
        {
            conflict = Some((owner, other));
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    })?;
    if let Some((owner, other)) = conflict {
        return Err(twice(owner, other));
    }
    let dead = hashed.iter().zip(&live).filter(|(_, live)| !**live);
    let mut dead: Vec<Id> = dead.map(|((_, id), _)| *id).collect();
    dead.sort_unstable();
    Ok(HashedEntries {
        found: (hashed.len() - dead.len()) as u64,
        dead,
    })
}

fn hash_of(snapshot: &dyn Snapshot, id: Id) -> Result<Option<String>> {
    authorization::with(snapshot, id, |record| record.hashed_token.to_string())
}

fn disagree(id: Id, count: usize) -> Error {
    let more = match count {
        1 => String::new(),
        _ => format!(" (and of {} more)", count - 1),
    };
    Error::new(
        ErrorKind::Refused,
        format!(
            "the token and the hash of authorization {id} disagree{more}: which of the two its \
             owner has can't be told; nothing was changed"
        ),
    )
    .with_hint("boltkey check lists them; delete such an authorization with influxd, then hash")
}

fn twice(first: Id, second: Id) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "authorizations {first} and {second} hold the same token, and by its hash only one of \
             them can be found; nothing was changed"
        ),
    )
    .with_hint("boltkey check tells which one works now; delete the other with influxd, then hash")
}

impl Plan {
    /// How many hashed tokens only leftovers in this file still show.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.len() as u64
    }

    /// Whether every token stands in `digests`, the sorted digests of what a capture holds.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn all_in(&self, snapshot: &dyn Snapshot, digests: &[KeyDigest]) -> Result<bool> {
        let there = |token: &[u8]| digests.binary_search(&key_digest(token)).is_ok();
        let mut all = self
            .lost
            .values()
            .all(|token| there(token.reveal().as_bytes()));
        if all && self.hashed > 0 {
            authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
                all &= record.token.is_empty() || there(record.token.as_bytes());
            })?;
        }
        Ok(all)
    }

    /// Writes every token that the change takes out of the store, or out of the file.
    ///
    /// # Errors
    /// The outer one when the file can't be read, the inner when `out` can't be written.
    pub fn capture(
        &self,
        snapshot: &dyn Snapshot,
        format: Format,
        out: &mut dyn Write,
    ) -> Result<io::Result<u64>> {
        let catalog = Catalog::load(snapshot)?;
        let mut count = 0;
        let mut writer = match Writer::new(format, out) {
            Ok(writer) => writer,
            Err(cause) => return Ok(Err(cause)),
        };
        let mut failed = None;
        each(
            snapshot,
            &catalog,
            &|record, _| {
                if record.token.is_empty() {
                    self.lost.get(&record.id).cloned()
                } else {
                    Some(Token::new(record.token.to_string()))
                }
            },
            &mut |captured: Captured| {
                count += 1;
                if failed.is_none() {
                    failed = writer.token(&captured).err();
                }
            },
        )?;
        Ok(match failed {
            Some(cause) => Err(cause),
            None => writer.end().map(|()| count),
        })
    }

    /// Makes it hold, and proves on what the file then shows that every token is found by its
    /// hash and none can be read.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(&self, store: &mut WritableStore, around: &Around<'_>) -> Result<Done> {
        let mut committed = commit(store, &self.changes, around)?;
        let mut remaining = None;
        if committed.outcome != Outcome::Unknown && committed.failure.is_none() {
            match self.prove(store) {
                Ok(plaintext) => remaining = Some(plaintext),
                Err(error) => committed.failure = Some(error),
            }
        }
        Ok(Done {
            committed,
            remaining,
        })
    }

    /// The number of tokens that can still be read, as distinct texts of records, index entries
    /// and unused bytes.
    fn prove(&self, store: &WritableStore) -> Result<u64> {
        let incomplete = |why: String| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the tokens are hashed, but {why}"),
            )
            .with_hint("boltkey check tells what the file holds now")
        };
        let unread = |error: Error| incomplete(format!("the file can't be read back: {error}"));
        let (indexes, damage) = TokenIndexes::load(store).map_err(unread)?;
        let proof = Proof::load(store, &indexes.hashed).map_err(unread)?;
        if !damage.is_empty() || proof.undecodable {
            return Err(incomplete(String::from(
                "a part of the file does not read back",
            )));
        }
        if proof.found < self.found {
            let missing = self.found - proof.found;
            return Err(incomplete(format!(
                "{missing} of them are not found by their hashes"
            )));
        }
        let live = proof.plain + indexes.raw.count() as u64;
        if live > 0 {
            return Err(incomplete(format!(
                "{live} tokens in plaintext are still in records or their index"
            )));
        }
        if !self.options.keep_residue && all_unused_is_zero(store).map_err(unread)? {
            return Ok(0);
        }
        let left = plaintext_left(store).map_err(unread)?;
        if left > 0 && !self.options.keep_residue {
            return Err(
                incomplete(format!("unused parts of the file still show {left} tokens"))
                    .with_hint("boltkey residue scrub overwrites them"),
            );
        }
        Ok(left)
    }
}

/// How hashing ended.
pub struct Done {
    /// As of every change.
    pub committed: Committed,
    /// How many tokens can still be read in the file; none when that was not found out.
    pub remaining: Option<u64>,
}

/// What the records say afterwards.
#[derive(Default)]
struct Proof {
    plain: u64,
    /// Hashed tokens to which their index entry leads.
    found: u64,
    undecodable: bool,
}

impl Proof {
    fn load(store: &WritableStore, index: &TokenIndex) -> Result<Self> {
        let mut all = Self::default();
        let damage = parallel::scan(
            store,
            names::AUTHORIZATIONS,
            &|some: &mut Self, key, value| {
                let record = Object::parse(value);
                let Some(kept) = record.as_ref().and_then(Kept::of) else {
                    some.undecodable = true;
                    return;
                };
                some.plain += u64::from(!kept.token.is_empty());
                let id = Id::from_bytes(key).ok();
                let leads_here = id.is_some() && index.get(kept.hash.as_bytes()) == Some(id);
                some.found += u64::from(!kept.hash.is_empty() && leads_here);
            },
            &mut |some| {
                all.plain += some.plain;
                all.found += some.found;
                all.undecodable |= some.undecodable;
            },
        )?;
        all.undecodable |= !damage.is_empty();
        Ok(all)
    }
}

/// The number of distinct tokens that unused parts of the file show.
pub(super) fn plaintext_left(store: &WritableStore) -> Result<u64> {
    let (known, _) = Known::load(store)?;
    let mut scan = Scan::new(&known);
    scan.feed_unused(store, store)?;
    Ok(scan.finish().tokens())
}

/// Whether there is nothing at all in the unused parts of the file.
pub(super) fn all_unused_is_zero(store: &WritableStore) -> Result<bool> {
    if store.shows_live_bytes() {
        return Ok(false);
    }
    let mut zero = true;
    store.unused(&mut |unused| match unused {
        Unused::Run { bytes, .. } => zero &= bytes.iter().fold(0, |all, byte| all | byte) == 0,
        Unused::Element(_) => zero = false,
    })?;
    Ok(zero)
}

/// What the change would touch, for a dry run: the authorizations whose tokens are in plaintext.
///
/// # Errors
/// When the file can't be read.
pub fn affected(
    snapshot: &dyn Snapshot,
    visit: &mut dyn FnMut(&Authorization<'_>, &Catalog),
) -> Result<()> {
    let catalog = Catalog::load(snapshot)?;
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if !record.token.is_empty() {
            visit(record, &catalog);
        }
    })?;
    Ok(())
}

/// The tokens of `texts` as digests, sorted, as [`Plan::all_in`] takes them.
#[must_use]
pub fn digests_of(texts: &[Zeroizing<Vec<u8>>]) -> Vec<KeyDigest> {
    let mut digests: Vec<KeyDigest> = texts.iter().map(|text| key_digest(text)).collect();
    digests.sort_unstable();
    digests
}
