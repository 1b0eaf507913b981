//! `hash`: replaces every plaintext token by its hash, as InfluxDB 2.8 and later store it, and
//! wipes what is left of the plaintext.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authorization::Storage;
use crate::metadata::authorization_pass;
use crate::metadata::embedded_tokens::Embedded;
use crate::metadata::hashing::{Collected, StoredPart, StoredTokens};
use crate::metadata::migration::{HASHING, put_record};
use crate::metadata::residue::{Known, KnownPart};
use crate::metadata::{
    Fingerprint, Id, Variant, authorization, embedded_tokens, fingerprint, names,
};
use crate::ops::capture::before_change::{Capture, CaptureFile, CaptureFirst};
use crate::ops::commit::{SideFiles, commit_after, known_schema, nothing_lost};
use crate::ops::residue::scrub::{Unused, remaining};
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, CommitOutcome, Committed, Inspect, Snapshot, Wipe, WritableStore};

/// Options of hashing.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The hash function for tokens without a hash.
    pub variant: Variant,
    /// Whether to leave tokens in unused parts of the file.
    pub keep_residue: bool,
}

/// A planned hashing of a store.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// The plan in numbers.
    pub numbers: Numbers,
    /// Tokens of records with only a hash that the file still shows. The change destroys those in
    /// unused parts and in stray index entries; other live records are not changed.
    pub recovered: BTreeMap<Id, Token>,
    /// Live records that contain a token and are not changed by hashing.
    pub embedded: BTreeSet<Embedded>,
    /// Records without any token.
    pub without_token: Vec<Id>,
    /// The fingerprint of the tokens that are hashed, recovered or destroyed.
    pub tokens: Fingerprint,
    /// Damage that may hide parts of the file.
    pub findings: Vec<Finding>,
    /// The number of tokens that unused parts will show, if it follows from the plan: with
    /// `keep_residue`, if they show none now. The old records are not wiped then, and no page of
    /// them is reused by the same commit.
    left_as_residue: Option<u64>,
    /// The unused bytes that contain tokens of hashes.
    last_copies: Vec<Range<u64>>,
    options: Options,
}

/// The plan in numbers. Tokens are counted once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Records whose token is replaced by its hash.
    pub to_hash: u64,
    /// Those of them that already hold the hash too.
    pub both: u64,
    /// Records with only a hash.
    pub already_hashed: u64,
    /// Hashed tokens without an index entry: they don't work now, but will work after the change.
    pub revived: u64,
    /// Index entries without a matching record. They are removed.
    pub stray_entries: u64,
    /// Tokens that are only in unused parts of the file.
    pub residue: u64,
    /// Tokens stored only as a hash whose plaintext is in unused parts of the file or in stray
    /// index entries.
    pub recovered: u64,
    /// Whether the store is migrated from schema 20 to 21, on which 2.7 and older don't start.
    pub migrates: bool,
    /// Whether there is nothing to do.
    pub nothing_to_do: bool,
}

/// Plans the hashing of a store.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Refused`] for a schema older than 20, and when a record's token and hash
///   disagree
pub fn plan(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: Options,
    now: &Timestamp,
) -> Result<Plan> {
    plan_beside(snapshot, inspect, options, now, &SqlTokens::default())
}

/// Plans the hashing of a store with this SQLite file beside it.
///
/// # Errors
/// As [`plan`].
pub fn plan_beside(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: Options,
    now: &Timestamp,
    sql: &SqlTokens,
) -> Result<Plan> {
    nothing_lost(snapshot, inspect)?;
    let schema = known_schema(snapshot)?.migrations;
    if schema + 1 < HASHING {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the store has schema {schema}, but hashed tokens need schema {HASHING}, and \
                 this command can migrate only from schema 20"
            ),
        )
        .with_hint(
            "start influxd 2.7 on it once (it migrates the store to schema 20), stop it, and run \
             this command again",
        ));
    }
    let migrates = schema < HASHING;
    let (mut known, mut collected) = (Known::default(), Collected::default());
    let damage = authorization_pass::scan_any_order(
        snapshot,
        &|part: &mut (KnownPart, StoredPart), record| {
            part.0.add(record);
            part.1.add(options.variant, record);
        },
        &mut |(of_known, of_stored)| {
            known.append(of_known);
            collected.append(of_stored);
        },
    )?;
    let mut findings = damage.clone();
    findings.extend(known.add_user_names(snapshot)?);
    let unused = Unused::look_for(&known, findings, snapshot, inspect)?;
    drop(known);
    let stored = collected.finish(&damage, snapshot, options.variant)?;
    let mut embedded = embedded_tokens::find(snapshot, &stored)?;
    embedded.extend(sql.embedded(&|token| stored.owner(token)));
    let mut recovered: BTreeMap<Id, Token> = unused.residue.matching.iter().cloned().collect();
    if stored.hashed > 0 {
        for (id, token) in stray_tokens(snapshot, &stored)? {
            recovered.entry(id).or_insert(token);
        }
    }
    let last_copies = recovered.len() as u64;
    for (id, token) in &unused.live {
        // These tokens are not lost, but readers of the capture expect them in it.
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
    let distinct = stored.distinct_in_plaintext();
    let work = stored.work(snapshot, options.variant)?;
    numbers.revived = work.revived;
    numbers.stray_entries = work.stray_entries;
    let mut changes = work.changes;
    if migrates {
        put_record(&mut changes, HASHING, &now.utc);
    }
    let left_as_residue =
        (options.keep_residue && unused.tokens == 0 && !inspect.shows_live_bytes())
            .then_some(distinct);
    numbers.nothing_to_do =
        changes.is_empty() && (options.keep_residue || !unused.is_dirty(inspect));
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
        left_as_residue,
        last_copies: unused.residue.places,
        options,
    })
}

/// Keys of the raw index that are tokens of records with only a hash. Such an entry is removed, and
/// may be the last copy of the token.
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

/// The result of the verification after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Distinct plaintext tokens still in token records, indexes and unused parts of the file.
    pub plaintext_remaining: u64,
}

/// The result of hashing.
pub struct Hashed {
    /// Whether it is committed.
    pub committed: Committed,
    /// `None` if something failed before the verification.
    pub proof: Option<Proof>,
    /// The capture, if one was asked for.
    pub capture: Option<CaptureFile>,
}

impl Plan {
    /// The options of this plan.
    #[must_use]
    pub fn options(&self) -> Options {
        self.options
    }

    /// Checks, for a dry run and before a question, whether [`Plan::apply`] can write its files.
    /// Writes nothing.
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

    /// Writes the capture, commits, and verifies in the file that every token is found by its hash
    /// and no plaintext is left. A failed verification is a failure in [`Committed`]: the change is
    /// committed by then.
    ///
    /// # Errors
    /// When the change was certainly not committed.
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
        let (mut committed, capture) = commit_after(
            store,
            &self.changes,
            side_files,
            capture.as_ref(),
            Some(&self.last_copies),
        )?;
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
                format!(
                    "the tokens are hashed and the change is committed, but the verification \
                         failed: {why}"
                ),
            )
            .committed()
            .with_hint("run boltkey status and boltkey check to see the current state")
        };
        let stored =
            StoredTokens::load(store, self.options.variant).map_err(|why| incomplete(&why))?;
        let expected = self.numbers.to_hash + self.numbers.already_hashed;
        stored
            .prove(store, expected)
            .map_err(|why| incomplete(&why))?;
        drop(stored);
        let plaintext_remaining = match self.left_as_residue {
            Some(left) => left,
            None => remaining(store, !self.options.keep_residue).map_err(|why| incomplete(&why))?,
        };
        if plaintext_remaining > 0 && !self.options.keep_residue {
            return Err(incomplete(&format!(
                "{plaintext_remaining} plaintext tokens are still in unused parts of the file"
            ))
            .with_hint("boltkey residue scrub overwrites them"));
        }
        Ok(Proof {
            plaintext_remaining,
        })
    }
}

/// The planned action for one record.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenAction {
    /// The authorization.
    pub id: Id,
    /// As in the record.
    pub description: String,
    /// The planned action.
    pub action: Action,
}

/// The planned action for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Its token is replaced by its hash.
    Hash,
    /// The record already has the hash; the plaintext is removed.
    DropPlaintext,
    /// Nothing: the record has only a hash.
    AlreadyHashed,
    /// Nothing: the record has no token.
    NoToken,
}

impl Action {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hash => "would be hashed",
            Self::DropPlaintext => "would lose the plaintext and keep its hash",
            Self::AlreadyHashed => "would stay hashed",
            Self::NoToken => "would stay unusable: no token",
        }
    }
}

/// What [`Plan::apply`] would do to each record, ascending by ID. A description that contains a
/// token is replaced, because the answer is shown on the screen.
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
                String::from("(contains a token)")
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
