//! A planned token, or a new value for an existing one: checks before the commit, the commit, and
//! the verification.

pub(crate) mod describe;
pub(crate) mod existing_tokens;
pub mod new_id;
pub mod new_token;
pub mod token_storage;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{
    Authorization, Catalog, Fingerprint, Id, Storage, TokenHash, authenticate, authorization, names,
};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::commit::{SideFiles, commit_after};
use crate::ops::token_plan::token_storage::StorageReason;
use crate::secret::Token;
use crate::store::{
    ChangeSet, CommitOutcome, Committed, Preview, ProtectedBytes, Snapshot, WritableStore,
};

/// The value of a token.
#[derive(Clone, Default)]
pub enum Value {
    /// Generated here, as influxd does.
    #[default]
    Generated,
    /// Chosen by the user.
    Chosen(Token),
    /// Known only as a hash.
    Hash(TokenHash),
}

/// A planned token.
pub struct TokenPlan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// Notes for the user, in addition to the report.
    pub notes: Vec<String>,
    secret: Secret,
    id: Id,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    storage_reason: StorageReason,
    login_had_power: Option<bool>,
    schema: u64,
    replaced: Option<Fingerprint>,
    /// Whether the store has a hashed token.
    holds_hashes: bool,
    /// Index keys that must not exist afterwards.
    gone: Vec<(&'static [u8], Zeroizing<Vec<u8>>)>,
}

/// What is known of the value.
pub(crate) enum Secret {
    /// The token itself.
    Token(Token),
    /// Its hash.
    Hash(TokenHash),
}

/// The parts of a plan.
pub(crate) struct TokenPlanParts {
    pub(crate) changes: ChangeSet,
    pub(crate) secret: Secret,
    pub(crate) id: Id,
    pub(crate) record: Zeroizing<Vec<u8>>,
    pub(crate) storage_reason: StorageReason,
    pub(crate) login_had_power: Option<bool>,
    pub(crate) schema: u64,
    /// The record that gets a new value, before the change.
    pub(crate) replaced: Option<Fingerprint>,
    /// Whether the store has a hashed token.
    pub(crate) holds_hashes: bool,
    pub(crate) gone: Vec<(&'static [u8], Zeroizing<Vec<u8>>)>,
}

/// A planned or created token for the report.
pub struct PlannedToken<'a> {
    /// Its details as in `auth list`, with the token's text if it was generated or chosen in this
    /// command.
    pub entry: AuthDetails<'a>,
    /// Why it is stored in this form.
    pub storage_reason: StorageReason,
    /// Whether the owner's login already had these permissions, if that matters. It has them now.
    pub login_had_power: Option<bool>,
    /// The schema, by the number of its last migration.
    pub schema: u64,
}

impl TokenPlan {
    /// Creates a plan; `snapshot` is the current store.
    pub(crate) fn new(snapshot: &dyn Snapshot, parts: TokenPlanParts) -> Result<Self> {
        // Check the token against the store as it will be after the change.
        let preview = Preview::new(snapshot, &parts.changes);
        let lister = Lister::of_one(&preview, Catalog::load(&preview)?, parts.id, false)?;
        Ok(Self {
            lister,
            notes: Vec::new(),
            changes: parts.changes,
            secret: parts.secret,
            id: parts.id,
            record: parts.record,
            storage_reason: parts.storage_reason,
            login_had_power: parts.login_had_power,
            schema: parts.schema,
            replaced: parts.replaced,
            holds_hashes: parts.holds_hashes,
            gone: parts.gone,
        })
    }

    /// Refuses a token that a server would not accept even if it were active: because of its form
    /// or its owner.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], and why.
    pub(crate) fn must_work(&self, hint: &str) -> Result<()> {
        self.with_record(|record| {
            record.status = "active".into();
            let entry = self.entry(record);
            if entry.usable == Some(true) {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "a server would refuse the new token: {}",
                    entry.problems.join("; ")
                ),
            )
            .with_hint(hint))
        })?
    }

    /// Omits the note about the owner's login: an owner of the whole instance gains nothing.
    #[must_use]
    pub(crate) fn without_login(self) -> Self {
        Self {
            login_had_power: None,
            ..self
        }
    }

    fn with_record<T>(&self, use_it: impl FnOnce(&mut Authorization<'_>) -> T) -> Result<T> {
        let mut record = serde_json::from_slice(&self.record)
            .map_err(|_| Error::new(ErrorKind::Refused, "the new record can't be decoded"))?;
        Ok(use_it(&mut record))
    }

    fn entry<'a>(&'a self, record: &'a Authorization<'_>) -> AuthDetails<'a> {
        let mut entry = self.lister.entry(record);
        match &self.secret {
            // The record does not show which token a hash belongs to.
            Secret::Token(token) if record.storage() == Storage::Hashed => {
                if !authenticate::can_be_sent(token.reveal(), &mut entry.problems) {
                    entry.usable = Some(false);
                }
            }
            Secret::Token(_) => {}
            Secret::Hash(hash) => {
                if !hash.is_complete() {
                    entry.usable = Some(false);
                    let why = "its hash has the wrong length, so it matches no token";
                    entry.problems.push(why.into());
                }
            }
        }
        entry
    }

    /// Calls `use_it` with the planned token; the token's text is included only if it `with_token`.
    ///
    /// # Errors
    /// Only if the new record can't be decoded.
    pub fn show<T>(
        &self,
        with_token: bool,
        use_it: impl FnOnce(&PlannedToken<'_>) -> T,
    ) -> Result<T> {
        self.with_record(|record| {
            let mut entry = self.entry(record);
            entry.token = self.token().filter(|_| with_token).map(Token::reveal);
            use_it(&PlannedToken {
                entry,
                storage_reason: self.storage_reason,
                login_had_power: self.login_had_power,
                schema: self.schema,
            })
        })
    }

    /// The authorization's ID.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The record that gets a new value, before the change; none for a new record.
    #[must_use]
    pub fn replaced(&self) -> Option<Fingerprint> {
        self.replaced
    }

    /// The token, unless only its hash is known.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.secret {
            Secret::Token(token) => Some(token),
            Secret::Hash(_) => None,
        }
    }

    /// Commits the change and verifies in the file that the token authenticates and its old value
    /// does not. A failed verification is a failure in [`Committed`]: the change is committed by
    /// then.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        // Without hashes, nothing can be the last copy of a hashed token.
        let last_copies: Option<&ProtectedBytes> = (!self.holds_hashes).then_some(&[]);
        let (mut committed, _) = commit_after(store, &self.changes, side_files, None, last_copies)?;
        if committed.outcome == CommitOutcome::Changed && committed.failure.is_none() {
            committed.failure = self.prove(store).err();
        }
        Ok(committed)
    }

    fn prove(&self, store: &WritableStore) -> Result<()> {
        let incomplete = |why: String| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the new token {} is committed, but {why}", self.id),
            )
            .committed()
            .with_hint("run boltkey auth verify to check whether the token works")
        };
        match self.found(store) {
            Ok(Some(id)) if id == self.id => {}
            Ok(_) => return Err(incomplete("the token is not found in the file".into())),
            Err(error) => return Err(incomplete(format!("it can't be read back: {error}"))),
        }
        for (bucket, key) in &self.gone {
            match store.get(bucket, key) {
                Ok(None) => {}
                Ok(Some(_)) => return Err(incomplete("its old value is still there".into())),
                Err(error) => return Err(incomplete(format!("it can't be read back: {error}"))),
            }
        }
        Ok(())
    }

    /// The authorization found by the value.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn found(&self, store: &dyn Snapshot) -> Result<Option<Id>> {
        let hash = match &self.secret {
            Secret::Token(token) => return authenticate::find(store, token),
            Secret::Hash(hash) => hash.to_phc(),
        };
        let entry = store.get(names::AUTHORIZATION_HASHED_INDEX, hash.as_bytes())?;
        let Some(id) = entry.and_then(|id| Id::from_bytes(&id).ok()) else {
            return Ok(None);
        };
        let holds = authorization::with(store, id, |record| record.hashed_token == hash)?;
        Ok(holds.unwrap_or(false).then_some(id))
    }
}
