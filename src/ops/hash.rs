//! `hash`: every token by its hash, as InfluxDB 2.8 and later keep them, and nothing left of the
//! plaintext.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authorization::Storage;
use crate::metadata::embedded::Embedded;
use crate::metadata::hashing::StoredTokens;
use crate::metadata::migration::{HASHING, put_record};
use crate::metadata::{Fingerprint, Id, Variant, authorization, embedded, fingerprint, names};
use crate::ops::capture::first::{Capture, CaptureFile, CaptureFirst};
use crate::ops::commit::{SideFiles, commit_after, known_schema, nothing_lost};
use crate::ops::residue::scrub::{Unused, remaining};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, CommitOutcome, Committed, Inspect, Snapshot, Wipe, WritableStore};

/// How to hash.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The hash function of tokens that have no hash yet.
    pub variant: Variant,
    /// Whether what unused parts of the file show is left there.
    pub keep_residue: bool,
}

/// What has to be done, and all that is known before it is.
pub struct Plan {
    /// Is committed as it stands.
    pub changes: ChangeSet,
    /// In numbers.
    pub numbers: Numbers,
    /// Tokens of records that hold a hash only, as far as the file still shows them. The change
    /// destroys what unused parts and stray entries of the index show; other live records stay.
    pub recovered: BTreeMap<Id, Token>,
    /// Live records that show a token and that hashing does not reach.
    pub embedded: BTreeSet<Embedded>,
    /// Records without any token.
    pub without_token: Vec<Id>,
    /// Which tokens are hashed, and which of those that the file still shows are recovered or
    /// destroyed: their IDs and values.
    pub tokens: Fingerprint,
    /// What hides parts of the file.
    pub findings: Vec<Finding>,
    options: Options,
}

/// What is to be done, in numbers. Of tokens, each is a number of distinct ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Records whose token is replaced by its hash.
    pub to_hash: u64,
    /// Among them those that hold the hash already.
    pub both: u64,
    /// Records that hold a hash only.
    pub already_hashed: u64,
    /// Hashed tokens that no entry of the index leads to: they don't work now, and will.
    pub revived: u64,
    /// Index entries that lead to no such record. They go.
    pub stray_entries: u64,
    /// Tokens that unused parts of the file show and the store does not.
    pub residue: u64,
    /// Tokens of which only the hash is stored and only unused parts of the file, or stray entries
    /// of the index, show the rest.
    pub recovered: u64,
    /// Whether the store goes from schema 20 to 21, which 2.7 and older don't start on.
    pub migrates: bool,
    /// Whether there is anything to do at all.
    pub nothing_to_do: bool,
}

/// Works out what has to be done.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Refused`] for a schema older than 20, and when a record's token and hash
///   disagree
pub fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: Options,
    now: &Timestamp,
) -> Result<Plan> {
    nothing_lost(snapshot, inspect)?;
    let schema = known_schema(snapshot)?.migrations;
    if schema + 1 < HASHING {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the store has schema {schema}, and hashed tokens need {HASHING}: only the step \
                 from 20 is made here"
            ),
        )
        .with_hint(
            "start influxd 2.7 on it once, which brings it to schema 20, stop it, and run this \
             again",
        ));
    }
    let migrates = schema < HASHING;
    let unused = Unused::look(snapshot, inspect)?;
    let stored = StoredTokens::load(snapshot, options.variant)?;
    let embedded = embedded::find(snapshot, &stored)?;
    let mut recovered: BTreeMap<Id, Token> = unused.residue.matching.iter().cloned().collect();
    if stored.hashed > 0 {
        for (id, token) in stray_tokens(snapshot, &stored)? {
            recovered.entry(id).or_insert(token);
        }
    }
    let last_copies = recovered.len() as u64;
    for (id, token) in &unused.live {
        // Not lost, but whoever reads the capture looks for it there.
        recovered.entry(*id).or_insert_with(|| token.clone());
    }
    let mut tokens = fingerprint::Running::default();
    tokens.join(stored.held());
    tokens.join(Fingerprint::of_tokens(&recovered));
    tokens.join(unused.residue.fingerprint());
    let mut numbers = Numbers {
        to_hash: stored.plaintext + stored.both,
        both: stored.both,
        already_hashed: stored.hashed,
        revived: 0,
        stray_entries: 0,
        residue: unused.tokens,
        recovered: last_copies,
        migrates,
        nothing_to_do: false,
    };
    let without_token = stored.missing.clone();
    let work = stored.work(snapshot, options.variant)?;
    numbers.revived = work.revived;
    numbers.stray_entries = work.stray_entries;
    let mut changes = work.changes;
    if migrates {
        put_record(&mut changes, HASHING, &now.utc);
    }
    numbers.nothing_to_do =
        changes.is_empty() && (options.keep_residue || !unused.is_dirty(inspect)?);
    changes.wipe = if options.keep_residue {
        Wipe::Nothing
    } else {
        Wipe::Everything
    };
    Ok(Plan {
        changes,
        numbers,
        recovered,
        embedded,
        without_token,
        tokens: tokens.finish(),
        findings: unused.findings,
        options,
    })
}

/// Keys of the raw index that are the token of a record which holds its hash only: such an entry
/// goes, and may be the last that shows it.
fn stray_tokens(snapshot: &dyn Snapshot, stored: &StoredTokens) -> Result<Vec<(Id, Token)>> {
    let mut stray = Vec::new();
    snapshot.scan(names::AUTHORIZATION_INDEX, &mut |key, _| {
        if let Some(id) = stored.hashed_owner(key)
            && let Ok(text) = std::str::from_utf8(key)
        {
            stray.push((id, Token::new(text.to_owned())));
        }
        ControlFlow::Continue(())
    })?;
    Ok(stray)
}

/// What was proved after the change, on what the file then showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Distinct tokens that token records, indexes and unused parts of the file still show.
    pub plaintext_remaining: u64,
}

/// How the change ended.
pub struct Hashed {
    /// Whether it is committed.
    pub committed: Committed,
    /// None where something failed: then nothing was proved.
    pub proof: Option<Proof>,
    /// The capture, if one was asked for.
    pub capture: Option<CaptureFile>,
}

impl Plan {
    /// How it was asked for.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// Whether [`Plan::apply`] could write its files, for a dry run and before a question. Nothing
    /// is written.
    ///
    /// # Errors
    /// As [`SideFiles::could_be_made`] and [`CaptureFirst::could_be_made`].
    pub fn could_write(
        &self,
        snapshot: &dyn Snapshot,
        side_files: &SideFiles<'_>,
        capture: Option<&CaptureFirst>,
    ) -> Result<()> {
        if let Some(capture) = capture {
            capture.could_be_made(snapshot, &self.recovered)?;
        }
        side_files.could_be_made()
    }

    /// Writes the capture, commits, and proves on what the file then shows that every token is
    /// found by its hash and that nothing shows its plaintext. A proof that fails is a failure of
    /// [`Committed`]: the change is committed by then.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
        capture: Option<&CaptureFirst>,
    ) -> Result<Hashed> {
        let capture = capture.map(|first| Capture {
            first,
            recovered: &self.recovered,
        });
        let (mut committed, capture) =
            commit_after(store, &self.changes, side_files, capture.as_ref())?;
        let mut proof = None;
        if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
            match self.prove(store) {
                Ok(proved) => proof = Some(proved),
                Err(error) => committed.failure = Some(error),
            }
        }
        Ok(Hashed {
            committed,
            proof,
            capture,
        })
    }

    fn prove(&self, store: &WritableStore) -> Result<Proof> {
        let incomplete = |why: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the tokens are hashed and the change holds, but its proof fails: {why}"),
            )
            .committed()
            .with_hint("boltkey status and boltkey check tell what the store holds now")
        };
        let stored =
            StoredTokens::load(store, self.options.variant).map_err(|why| incomplete(&why))?;
        let expected = self.numbers.to_hash + self.numbers.already_hashed;
        stored
            .prove(store, expected)
            .map_err(|why| incomplete(&why))?;
        drop(stored);
        let plaintext_remaining =
            remaining(store, !self.options.keep_residue).map_err(|why| incomplete(&why))?;
        if plaintext_remaining > 0 && !self.options.keep_residue {
            return Err(incomplete(&format!(
                "unused parts of the file still show {plaintext_remaining} tokens"
            ))
            .with_hint("boltkey residue scrub overwrites them"));
        }
        Ok(Proof {
            plaintext_remaining,
        })
    }
}

/// What would happen to one record.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenAction {
    /// The authorization.
    pub id: Id,
    /// As in the record.
    pub description: String,
    /// What would be done.
    pub action: Action,
}

/// What would be done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Its token is replaced by its hash.
    Hash,
    /// It holds the hash already; the token goes.
    DropPlaintext,
    /// Nothing: it holds its hash only.
    AlreadyHashed,
    /// Nothing: it holds no token.
    NoToken,
}

impl Action {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "is hashed",
            Self::DropPlaintext => "loses the plaintext beside its hash",
            Self::AlreadyHashed => "stays hashed",
            Self::NoToken => "has no token; stays dead",
        }
    }
}

/// What [`Plan::apply`] would do to each record, ascending by ID. A description that shows a token
/// is left out, since the answer is for the screen.
///
/// # Errors
/// When the file can't be read.
pub fn actions(snapshot: &dyn Snapshot, plan: &Plan) -> Result<Vec<TokenAction>> {
    let show_tokens: BTreeSet<&str> = plan
        .embedded
        .iter()
        .filter(|place| place.bucket.as_bytes() == names::AUTHORIZATIONS)
        .map(|place| place.key.as_str())
        .collect();
    let mut actions = Vec::new();
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        let shows_token = show_tokens.contains(record.id.to_string().as_str());
        actions.push(TokenAction {
            id: record.id,
            description: if shows_token {
                String::from("(shows a token)")
            } else {
                record.description.to_string()
            },
            action: match record.storage() {
                Storage::Plaintext => Action::Hash,
                Storage::Both => Action::DropPlaintext,
                Storage::Hashed => Action::AlreadyHashed,
                Storage::Missing => Action::NoToken,
            },
        });
    })?;
    Ok(actions)
}
