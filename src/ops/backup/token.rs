//! `backup token`: adds an operator token to a copy of a backup, so that `influx restore --full`
//! works with it in every release of the influx CLI.
//!
//! The server answers a full restore with the plaintext of the first active operator token in ID
//! order, and the CLI continues with that token. So the token must be stored in plaintext under an
//! ID lower than that of every other operator token.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::authenticate::{can_be_sent, find};
use crate::metadata::json::{Edit, Object, push_string};
use crate::metadata::new_authorization::{Kept, NewAuthorization};
use crate::metadata::permission::of_operator;
use crate::metadata::{Authorization, Id, Kind as TokenKind, Storage, authorization, names};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::backup::full_restore::{Answers, full_restore};
use crate::ops::backup::open_verified::open_verified;
use crate::ops::backup::source::{Backup, Kind};
use crate::ops::backup::summary::{StoreFacts, look_at_sound};
use crate::ops::backup::supplied_token::supplied;
use crate::ops::commit::{all_decoded, can_be_copied, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, Engine, OpenOptions, Preview, Snapshot, Store};

/// The lowest authorization ID that influxd assigns.
const LOWEST: u64 = 1000;

/// A planned token of a backup copy.
pub struct Plan {
    changes: ChangeSet,
    token: Token,
    id: Id,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    /// Whether the record already existed with the same token as a hash.
    pub existing: bool,
    /// The result of a full restore of the copy.
    pub answers: Answers,
}

/// Plans the token for a copy of the backup with this store.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Confirmation`] when the owner of the token is not clear
/// * [`ErrorKind::Refused`] for a token that no server would accept, or that another record of the
///   backup already has
pub fn plan(store: &Store, token: Token, now: &Timestamp) -> Result<Plan> {
    let snapshot = store.snapshot();
    let schema = known_schema(snapshot)?.migrations;
    // The store of the copy is written anew, so it is enough that all can be read.
    can_be_copied(snapshot, store.inspect(), || {
        store.could_copy_to(Engine::Bolt)
    })?;
    let facts = look_at_sound(snapshot)?;
    all_decoded(&facts.catalog.skipped)?;
    let mut reasons = Vec::new();
    if !can_be_sent(&token_text(&token)?, &mut reasons) {
        return Err(refused(&format!(
            "the token can't be used: {}",
            reasons.join("; ")
        )));
    }
    let mut operators: Vec<Id> = Vec::new();
    let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if record.class().kind == TokenKind::Operator {
            operators.push(record.id);
        }
    })?;
    all_decoded(&skipped)?;
    let lowest = operators.iter().min().copied();
    let mut changes = ChangeSet::default();
    let (id, record, existing) = match find(snapshot, &token)? {
        Some(id) => {
            let record = uncovered(snapshot, &facts, &token, id, lowest, &mut changes)?;
            (id, record, true)
        }
        None => {
            let (user_id, org_id) = owner(&facts)?;
            let id = below(snapshot, lowest)?;
            let new = NewAuthorization {
                id,
                kept: Kept::Plaintext(&token),
                active: true,
                description: "Operator token for influx restore (boltkey backup token)",
                org_id,
                user_id,
                permissions: &of_operator(schema),
                created_at: &now.rfc3339,
            };
            new.put(&mut changes);
            (id, new.record(), false)
        }
    };
    let preview = Preview::new(snapshot, &changes);
    let after = look_at_sound(&preview)?;
    let answers = full_restore(&preview, &after, None)?;
    let lister = Lister::of_one(&preview, after.catalog, id, false)?;
    if answers.cli_before_28 != crate::ops::backup::full_restore::Answer::Ok {
        return Err(
            refused("influx restore --full would not succeed with this token either")
                .with_hint("boltkey backup inspect shows what is wrong with the operator tokens"),
        );
    }
    Ok(Plan {
        changes,
        token,
        id,
        record,
        lister,
        existing,
        answers,
    })
}

pub(super) fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Refused, why)
}

/// The token's text; an empty one is refused.
fn token_text(token: &Token) -> Result<Zeroizing<String>> {
    if token.reveal().is_empty() {
        return Err(refused("the token is empty"));
    }
    Ok(Zeroizing::new(token.reveal().to_owned()))
}

/// The record of a token that is already in the backup, with its plaintext. It must be the first
/// operator token.
fn uncovered(
    snapshot: &dyn Snapshot,
    facts: &StoreFacts,
    token: &Token,
    id: Id,
    lowest: Option<Id>,
    changes: &mut ChangeSet,
) -> Result<Zeroizing<Vec<u8>>> {
    let judged = supplied(snapshot, facts, token)?;
    if !judged.matches {
        let why = judged.reason.unwrap_or_default();
        return Err(refused(&format!(
            "the token belongs to authorization {id} of the backup and does not work: {why}"
        ))
        .with_hint("boltkey backup token --generate creates a new token"));
    }
    if lowest != Some(id) {
        let first = lowest.map_or(String::new(), |id| format!(", which is {id}"));
        return Err(refused(&format!(
            "the token already belongs to authorization {id} of the backup, but a server answers \
             with the first operator token{first}"
        ))
        .with_hint("boltkey backup token --generate creates a token that comes first"));
    }
    let key = id.to_string();
    let record = snapshot
        .get(names::AUTHORIZATIONS, key.as_bytes())?
        .map(Zeroizing::new)
        .unwrap_or_default();
    if judged.storage != Some(Storage::Hashed) {
        return Ok(record);
    }
    let damaged = || {
        Error::new(
            ErrorKind::Corrupt,
            format!("authorization {id} can't be decoded"),
        )
    };
    let object = Object::parse(&record).ok_or_else(damaged)?;
    let decoded: Authorization<'_> = serde_json::from_slice(&record).map_err(|_| damaged())?;
    let mut quoted = Zeroizing::new(Vec::with_capacity(token.reveal().len() * 6 + 2));
    push_string(token.reveal(), &mut quoted);
    let quoted_text = std::str::from_utf8(&quoted).map_err(|_| damaged())?;
    let mut new = Zeroizing::new(Vec::with_capacity(record.len() + quoted.len() + 16));
    object.edit(
        &[
            ("token", Edit::Remove),
            ("hashedToken", Edit::Become("token", quoted_text)),
        ],
        &mut new,
    );
    changes.put(names::AUTHORIZATIONS, key.as_bytes(), &new);
    changes.put(
        names::AUTHORIZATION_INDEX,
        token.reveal().as_bytes(),
        key.as_bytes(),
    );
    changes.remove(
        names::AUTHORIZATION_HASHED_INDEX,
        decoded.hashed_token.as_bytes(),
    );
    Ok(new)
}

/// Chooses the owner of a new operator token: the owner of the first usable operator token, else of
/// the first with an active user, else the only user and organization.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when there are several, [`ErrorKind::NoSuchRecord`] when there is
/// none.
pub fn owner(facts: &StoreFacts) -> Result<(Id, Id)> {
    let operators = || facts.operators.iter();
    let usable = operators().find(|operator| operator.usable);
    if let Some(operator) = usable.or_else(|| operators().find(|operator| operator.active)) {
        return Ok((operator.user, operator.org));
    }
    let (mut users, mut orgs) = (facts.catalog.users.keys(), facts.catalog.orgs.keys());
    let (user, org) = (users.next(), orgs.next());
    let (Some(user), Some(org)) = (user, org) else {
        return Err(Error::new(
            ErrorKind::NoSuchRecord,
            "the backup has no user or no organization that could own a token",
        ));
    };
    if users.next().is_some() || orgs.next().is_some() {
        return Err(Error::new(
            ErrorKind::Confirmation,
            "the backup has no operator token of an active user, and there are several users or \
             organizations to choose from",
        )
        .with_hint(
            "unpack the store of the backup, and run boltkey recover operator --user NAME --org \
             NAME on it",
        ));
    }
    Ok((*user, *org))
}

/// A free authorization ID below `lowest`.
fn below(snapshot: &dyn Snapshot, lowest: Option<Id>) -> Result<Id> {
    let highest = lowest.map_or(LOWEST, |id| id.get().saturating_sub(1));
    // influxd assigns no ID below 1000, but such an ID is better than none.
    let candidates = (1..=highest).rev();
    // A limit on the number of tries.
    for number in candidates.take(1 << 20) {
        let Some(id) = Id::new(number) else { break };
        let key = id.to_string();
        let mut free = true;
        for bucket in [names::AUTHORIZATIONS, names::LEGACY_AUTHORIZATIONS] {
            free &= snapshot.get(bucket, key.as_bytes())?.is_none();
        }
        if free {
            return Ok(id);
        }
    }
    Err(refused(
        "there is no free ID below that of the first operator token",
    ))
}

/// The added token for the report.
pub struct Put<'a> {
    /// Its details as in `auth list`, with the token's text if it was written.
    pub entry: AuthDetails<'a>,
}

impl Plan {
    /// The changes to the store.
    pub(super) fn changes(&self) -> &ChangeSet {
        &self.changes
    }

    /// The token's ID.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Calls `use_it` with the added token; the token's text is included only if it `with_token`.
    ///
    /// # Errors
    /// Only if the new record can't be decoded.
    pub fn show<T>(&self, with_token: bool, use_it: impl FnOnce(&Put<'_>) -> T) -> Result<T> {
        let record: Authorization<'_> = serde_json::from_slice(&self.record)
            .map_err(|_| refused("the new record can't be decoded"))?;
        let mut entry = self.lister.entry(&record);
        entry.token = with_token.then(|| self.token.reveal());
        Ok(use_it(&Put { entry }))
    }
}

/// Checks that a token can be added to this backup, and opens its store.
///
/// # Errors
/// [`ErrorKind::Refused`] if it is not a folder, [`ErrorKind::NotAStore`] for a damaged backup.
pub fn open(backup: &Backup, options: &OpenOptions) -> Result<Store> {
    if backup.kind == Kind::Database || !backup.path.is_dir() {
        return Err(refused(&format!(
            "{} is not a folder written by influx backup or boltkey backup export",
            backup.path.display()
        ))
        .with_hint("unpack an archive first; for a bare database, use boltkey recover operator"));
    }
    open_verified(backup, || backup.store(options))
}
