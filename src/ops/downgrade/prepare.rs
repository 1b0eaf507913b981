//! `downgrade prepare`: replaces hashes by the plaintext tokens again, so that releases without
//! hashed tokens accept them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authenticate::TokenIndexes;
use crate::metadata::json::{Edit, Object};
use crate::metadata::residue::{Known, Scan};
use crate::metadata::{
    Authorization, Fingerprint, Id, Kind, Storage, TokenHash, Variant, authenticate, authorization,
    json, names,
};
use crate::ops::capture::read;
use crate::ops::capture::unseal::Unseal;
use crate::ops::commit::{SideFiles, all_decoded, commit, known_schema};
use crate::ops::residue::{embedded, look_into};
use crate::secret::Token;
use crate::store::{
    ChangeSet, CommitOutcome, Committed, MAX_KEY_SIZE, OpenOptions, Snapshot, Store, WritableStore,
};

/// A search for the plaintext of a store's hashed tokens in several sources. Sources are untrusted:
/// only a text with a matching hash is a token.
pub struct TokenSearch<'k> {
    known: &'k Known,
    scan: Scan<'k>,
    findings: Vec<Finding>,
    /// Tokens found in other live records of the store.
    embedded: Vec<(Id, Token)>,
}

/// The result of a search.
pub struct Found {
    tokens: Vec<Token>,
    unmatched: u64,
    /// Damage that may hide tokens.
    pub findings: Vec<Finding>,
}

impl<'k> TokenSearch<'k> {
    /// A search for the hashed tokens of `known`.
    #[must_use]
    pub fn new(known: &'k Known) -> Self {
        Self {
            known,
            scan: Scan::new(known),
            findings: Vec::new(),
            embedded: Vec::new(),
        }
    }

    /// Reads a capture or a list of tokens; `name` is for messages.
    ///
    /// # Errors
    /// As [`read::read`].
    pub fn list(&mut self, input: &mut dyn Read, name: &str, unseal: &Unseal) -> Result<()> {
        let scan = &mut self.scan;
        read::read(input, name, unseal, &mut |texts| scan.feed_entry(&texts))?;
        Ok(())
    }

    /// Searches another database, both its live records and its unused parts.
    ///
    /// # Errors
    /// When it can't be opened or is not a database.
    pub fn database(&mut self, path: &Path, open: &OpenOptions) -> Result<()> {
        let store = Store::open(path, open).map_err(|error| match error.kind() {
            ErrorKind::NotFound => error
                .with_hint("check the path given with --from-db: it must be an existing database"),
            ErrorKind::NotAStore => error.with_hint("use --files to search a file of another kind"),
            _ => error,
        })?;
        self.findings
            .extend(self.scan.feed_store(store.snapshot(), store.inspect())?);
        Ok(())
    }

    /// Searches a file of any kind.
    ///
    /// # Errors
    /// As [`look_into`].
    pub fn file(&mut self, path: &Path, open: &OpenOptions) -> Result<()> {
        self.findings.extend(look_into(&mut self.scan, path, open)?);
        Ok(())
    }

    /// Searches the unused parts of the store's own file, and its live records other than
    /// authorizations. If used, it must be the last source.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn own_file(&mut self, store: &Store) -> Result<()> {
        self.findings
            .extend(self.scan.feed_unused(store.inspect(), store.snapshot())?);
        self.embedded
            .extend(embedded(store.snapshot(), self.known)?.matching);
        Ok(())
    }

    /// Returns everything found.
    #[must_use]
    pub fn finish(self) -> Found {
        let residue = self.scan.finish();
        let mut tokens: BTreeMap<Id, Token> = residue.matching.into_iter().collect();
        tokens.extend(self.embedded);
        Found {
            tokens: tokens.into_values().collect(),
            unmatched: residue.unmatched,
            findings: self.findings,
        }
    }
}

/// The report of a preparation, or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// Tokens stored in plaintext now that were not before.
    pub restored: u64,
    /// Tokens that were already stored in plaintext.
    pub already_plaintext: u64,
    /// Distinct candidates that match no token of this store.
    pub unmatched: u64,
    /// Tokens stored only as a hash, ascending by ID.
    pub still_hashed: Vec<StillHashed>,
}

/// A token stored only as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StillHashed {
    /// Its authorization.
    pub id: Id,
    /// May be empty.
    pub description: String,
    /// The kind of token.
    pub kind: Kind,
}

/// A planned preparation.
pub struct Plan {
    /// What is to be written; nothing if nothing is to be put back.
    pub changes: ChangeSet,
    /// The report.
    pub prepared: Prepared,
    tokens: Vec<(Id, Token)>,
}

/// Plans which records get their plaintext back.
///
/// # Errors
/// [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited.
pub fn plan(snapshot: &dyn Snapshot, found: &Found) -> Result<Plan> {
    known_schema(snapshot)?;
    let (indexes, _) = TokenIndexes::load(snapshot)?;
    let (buckets, _) = snapshot.buckets()?;
    let mut planner = Planner {
        snapshot,
        indexes,
        has_hashed_index: buckets
            .iter()
            .any(|bucket| bucket.name == names::AUTHORIZATION_HASHED_INDEX),
        by_hash: ByHash::of(&found.tokens),
        used: HashSet::new(),
        plan: Plan {
            changes: ChangeSet::default(),
            prepared: Prepared {
                restored: 0,
                already_plaintext: 0,
                unmatched: found.unmatched,
                still_hashed: Vec::new(),
            },
            tokens: Vec::new(),
        },
    };
    let mut failed = None;
    let skipped = snapshot.scan(names::AUTHORIZATIONS, &mut |key, value| match planner
        .record(key, value)
    {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    all_decoded(&skipped)?;
    Ok(planner.plan)
}

/// Candidate tokens by their hash texts.
struct ByHash<'t> {
    sha256: HashMap<[u8; 32], &'t Token>,
    sha512: HashMap<[u8; 64], &'t Token>,
}

impl<'t> ByHash<'t> {
    fn of(tokens: &'t [Token]) -> Self {
        let bytes = |token: &'t Token| token.reveal().as_bytes();
        let can_be_key = |token: &&Token| (1..=MAX_KEY_SIZE).contains(&token.reveal().len());
        let tokens = || tokens.iter().filter(can_be_key);
        Self {
            sha256: tokens()
                .map(|token| (Sha256::digest(bytes(token)).into(), token))
                .collect(),
            sha512: tokens()
                .map(|token| (Sha512::digest(bytes(token)).into(), token))
                .collect(),
        }
    }

    fn get(&self, hash: &str) -> Option<&'t Token> {
        let hash = TokenHash::parse(hash).ok()?;
        match hash.variant() {
            Variant::Sha256 => self.sha256.get(hash.digest()).copied(),
            Variant::Sha512 => self.sha512.get(hash.digest()).copied(),
        }
    }
}

struct Planner<'p> {
    snapshot: &'p dyn Snapshot,
    indexes: TokenIndexes,
    has_hashed_index: bool,
    by_hash: ByHash<'p>,
    /// Digests of the tokens already assigned: no other record can have the same token.
    used: HashSet<[u8; 32]>,
    plan: Plan,
}

impl<'p> Planner<'p> {
    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let record = match Authorization::<'_>::decode(names::AUTHORIZATIONS, key, value) {
            Ok(record) => record,
            Err(finding) => return all_decoded(&[finding]),
        };
        match record.storage() {
            Storage::Missing => {}
            Storage::Plaintext | Storage::Both if self.lacks_entry(&record) => {
                let token = Token::new(record.token.to_string());
                self.enter(&record, &token);
            }
            Storage::Plaintext | Storage::Both => self.plan.prepared.already_plaintext += 1,
            Storage::Hashed => match self.token_of(&record)? {
                Some(token) => self.put_back(&record, value, token)?,
                None => self.plan.prepared.still_hashed.push(StillHashed {
                    id: record.id,
                    description: record.description.to_string(),
                    kind: record.class().kind,
                }),
            },
        }
        Ok(())
    }

    /// Whether a record with a plaintext token is found only by its hash, because it has no entry
    /// in the index of raw tokens.
    fn lacks_entry(&self, record: &Authorization<'_>) -> bool {
        let by_hash = |variant| {
            let key = TokenHash::of(variant, record.token.as_bytes()).to_phc();
            self.indexes.hashed.get(key.as_bytes()) == Some(Some(record.id))
        };
        record.token.len() <= MAX_KEY_SIZE
            && self.indexes.raw.get(record.token.as_bytes()).is_none()
            && Variant::ALL.into_iter().any(by_hash)
    }

    /// The candidate with this record's hash, unless another record must have it: a server finds
    /// only one record by a token.
    fn token_of(&self, record: &Authorization<'_>) -> Result<Option<&'p Token>> {
        let Some(token) = self.by_hash.get(&record.hashed_token) else {
            return Ok(None);
        };
        let text = token.reveal();
        if self.used.contains(&digest(token)) {
            return Ok(None);
        }
        // Another record with the same token has priority if the server finds that one now.
        let raw = self.indexes.raw.get(text.as_bytes()).flatten();
        let hashed = self.indexes.hashed.get(record.hashed_token.as_bytes());
        for other in [raw, hashed.flatten()].into_iter().flatten() {
            let has_it = |other: &Authorization<'_>| {
                other.token == text || other.hashed_token == record.hashed_token
            };
            if other != record.id
                && authorization::with(self.snapshot, other, has_it)? == Some(true)
            {
                return Ok(None);
            }
        }
        Ok(Some(token))
    }

    fn put_back(&mut self, record: &Authorization<'_>, value: &[u8], token: &Token) -> Result<()> {
        let id = record.id.to_string();
        let text = Zeroizing::new(json::string(token.reveal()));
        let mut new = Zeroizing::new(Vec::with_capacity(value.len() + 6 * text.len()));
        // An existing `token` field is empty.
        let edits = [
            ("token", Edit::Remove),
            ("hashedToken", Edit::Become("token", &text)),
        ];
        let object = Object::parse(value);
        if let Some(object) = &object {
            object.edit(&edits, &mut new);
        }
        let reads_back = serde_json::from_slice::<Authorization<'_>>(&new)
            .is_ok_and(|new| new.token == token.reveal() && new.hashed_token.is_empty());
        if !reads_back {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("authorization {id} can't be edited"),
            )
            .with_hint("boltkey check shows what is wrong with the store"));
        }
        let changes = &mut self.plan.changes;
        changes.put(names::AUTHORIZATIONS, id.as_bytes(), &new);
        if self.has_hashed_index {
            let hash = record.hashed_token.as_bytes();
            changes.remove(names::AUTHORIZATION_HASHED_INDEX, hash);
        }
        self.enter(record, token);
        Ok(())
    }

    /// Adds the index entry by which every release finds a token.
    fn enter(&mut self, record: &Authorization<'_>, token: &Token) {
        let id = record.id.to_string();
        let key = token.reveal().as_bytes();
        let changes = &mut self.plan.changes;
        changes.put(names::AUTHORIZATION_INDEX, key, id.as_bytes());
        self.used.insert(digest(token));
        self.plan.tokens.push((record.id, token.clone()));
        self.plan.prepared.restored += 1;
    }
}

fn digest(token: &Token) -> [u8; 32] {
    Sha256::digest(token.reveal()).into()
}

impl Plan {
    /// The fingerprint of the tokens that are restored, or whose index entry is.
    #[must_use]
    pub fn restored(&self) -> Fingerprint {
        Fingerprint::of_tokens(self.tokens.iter().map(|(id, token)| (id, token)))
    }

    /// Commits the change and verifies in the file that every restored token is found. A failed
    /// verification is a failure in [`Committed`]: the change is committed by then.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        let mut committed = commit(store, &self.changes, side_files)?;
        if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
            committed.failure = self.prove(store).err();
        }
        Ok(committed)
    }

    fn prove(&self, store: &WritableStore) -> Result<()> {
        let incomplete = |id: Id, why: &str| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the change is committed, but authorization {id} {why}"),
            )
            .committed()
            .with_hint("boltkey check shows what is wrong with the store")
        };
        for (id, token) in &self.tokens {
            match authenticate::find(store, token) {
                Ok(Some(found)) if found == *id => {}
                Ok(_) => return Err(incomplete(*id, "is not found by its token")),
                Err(error) => {
                    let why = error.to_string();
                    return Err(incomplete(*id, &format!("can't be read back: {why}")));
                }
            }
        }
        Ok(())
    }
}
