//! `backup token`: an operator token in a copy of a backup, so that `influx restore --full` works
//! with it, by any release of the influx CLI.
//!
//! The server answers a full restore with the plaintext of the first active operator token, in
//! the order of IDs, and the CLI goes on with that one. So the token has to be stored in plaintext
//! under an ID lower than every other operator token's.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::authenticate::{can_be_sent, find};
use crate::metadata::json::{Edit, Object, push_string};
use crate::metadata::new_authorization::{Kept, NewAuthorization};
use crate::metadata::permission::of_operator;
use crate::metadata::{Authorization, Id, Kind as TokenKind, Storage, authorization, names};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::backup::operator::{Answers, full_restore, supplied};
use crate::ops::backup::source::{Backup, Kind};
use crate::ops::backup::summary::{Looked, look};
use crate::ops::backup::verify::open_verified;
use crate::ops::commit::{all_decoded, known_schema, verify_structure};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;
use crate::store::{ChangeSet, OpenOptions, Preview, Snapshot, Store};

/// The lowest ID that influxd gives to an authorization.
const LOWEST: u64 = 1000;

/// A token that is to be put in, and all that is known of it before it is.
pub struct Plan {
    changes: ChangeSet,
    token: Token,
    id: Id,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    /// Whether the record was there before, with the same token as a hash.
    pub existing: bool,
    /// What a full restore of the copy answers.
    pub answers: Answers,
}

/// Works out what to put into a copy of the backup whose store this is.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Confirmation`] when it can't be known for whom the token is to be
/// * [`ErrorKind::Refused`] for a token that no server would take, or that is in the backup
///   already in another place
pub fn plan(store: &Store, token: Token, now: &Timestamp) -> Result<Plan> {
    let snapshot = store.snapshot();
    let schema = known_schema(snapshot)?.migrations;
    verify_structure(snapshot, store.inspect())?;
    let looked = look(snapshot)?;
    all_decoded(&looked.catalog.skipped)?;
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
            let record = uncovered(snapshot, &looked, &token, id, lowest, &mut changes)?;
            (id, record, true)
        }
        None => {
            let (user_id, org_id) = owner(&looked)?;
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
    let after = look(&preview)?;
    let answers = full_restore(&preview, &after, None)?;
    let lister = Lister::of_one(&preview, after.catalog, id, false)?;
    if answers.cli_before_28 != crate::ops::backup::operator::Answer::Ok {
        return Err(
            refused("influx restore --full would not end well with this token either")
                .with_hint("boltkey backup inspect tells what is wrong with the operator tokens"),
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

/// The token's text, unless there is none.
fn token_text(token: &Token) -> Result<Zeroizing<String>> {
    if token.reveal().is_empty() {
        return Err(refused("the token is empty"));
    }
    Ok(Zeroizing::new(token.reveal().to_owned()))
}

/// The record of a token that is in the backup already, in plaintext. Only the first operator
/// token's place will do.
fn uncovered(
    snapshot: &dyn Snapshot,
    looked: &Looked,
    token: &Token,
    id: Id,
    lowest: Option<Id>,
    changes: &mut ChangeSet,
) -> Result<Zeroizing<Vec<u8>>> {
    let judged = supplied(snapshot, looked, token)?;
    if !judged.matches {
        let why = judged.reason.unwrap_or_default();
        return Err(refused(&format!(
            "the token is that of authorization {id} of the backup and opens nothing: {why}"
        ))
        .with_hint("boltkey backup token --generate makes another one"));
    }
    if lowest != Some(id) {
        let first = lowest.map_or(String::new(), |id| format!(", which is {id}"));
        return Err(refused(&format!(
            "the token is that of authorization {id} of the backup already, and a server answers \
             with the first operator token{first}"
        ))
        .with_hint("boltkey backup token --generate makes another one, which comes first"));
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

/// For whom a new operator token of a backup is: as the first usable one, else as the first whose
/// user is active, else the only user and the only organization.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when there are several, [`ErrorKind::NoSuchRecord`] when there are
/// none.
pub fn owner(looked: &Looked) -> Result<(Id, Id)> {
    let operators = || looked.operators.iter();
    let usable = operators().find(|operator| operator.usable);
    if let Some(operator) = usable.or_else(|| operators().find(|operator| operator.active)) {
        return Ok((operator.user, operator.org));
    }
    let (mut users, mut orgs) = (looked.catalog.users.keys(), looked.catalog.orgs.keys());
    let (user, org) = (users.next(), orgs.next());
    let (Some(user), Some(org)) = (user, org) else {
        return Err(Error::new(
            ErrorKind::NoSuchRecord,
            "the backup has no user or no organization that a token could be of",
        ));
    };
    if users.next().is_some() || orgs.next().is_some() {
        return Err(Error::new(
            ErrorKind::Confirmation,
            "the backup has no operator token of an active user, and several users or \
             organizations that a new one could be of",
        )
        .with_hint(
            "unpack the store of the backup, and choose with boltkey recover operator --user \
             NAME --org NAME",
        ));
    }
    Ok((*user, *org))
}

/// An ID that no authorization has, below `lowest`.
fn below(snapshot: &dyn Snapshot, lowest: Option<Id>) -> Result<Id> {
    let highest = lowest.map_or(LOWEST, |id| id.get().saturating_sub(1));
    // Below a thousand influxd gives none; better one of those than none at all.
    let candidates = (1..=highest).rev();
    // As many tries as there are authorizations would do.
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

/// What was put in, or would be.
pub struct Put<'a> {
    /// As `auth list` shows it, with the token itself if it was put in.
    pub entry: AuthDetails<'a>,
}

impl Plan {
    /// What is to be changed in the store.
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

    /// Hands what is put in to `use_it`; with the token itself only if it `was_made`.
    ///
    /// # Errors
    /// Never, as long as the record that was just made can be decoded.
    pub fn show<T>(&self, was_made: bool, use_it: impl FnOnce(&Put<'_>) -> T) -> Result<T> {
        let record: Authorization<'_> = serde_json::from_slice(&self.record)
            .map_err(|_| refused("the new record can't be decoded"))?;
        let mut entry = self.lister.entry(&record);
        entry.token = was_made.then(|| self.token.reveal());
        Ok(use_it(&Put { entry }))
    }
}

/// Checks that a backup is one that a token can be put into, and opens its store.
///
/// # Errors
/// [`ErrorKind::Refused`] for what is no folder, [`ErrorKind::NotAStore`] for a damaged backup.
pub fn open(backup: &Backup, options: &OpenOptions) -> Result<Store> {
    if backup.kind == Kind::Database || !backup.path.is_dir() {
        return Err(refused(&format!(
            "{} is no folder that influx backup or boltkey backup export wrote",
            backup.path.display()
        ))
        .with_hint(
            "unpack an archive first; a bare database needs no more than boltkey recover operator",
        ));
    }
    open_verified(backup, || backup.store(options))
}
