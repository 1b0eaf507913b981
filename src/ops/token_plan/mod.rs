//! A token that is to be made, or a new value for one that is there: what is known of it before,
//! how it comes to hold, and the proof that it works.

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
use crate::ops::commit::{SideFiles, commit};
use crate::ops::token_plan::token_storage::StorageReason;
use crate::secret::Token;
use crate::store::{ChangeSet, CommitOutcome, Committed, Preview, Snapshot, WritableStore};

/// The value of a token.
#[derive(Clone, Default)]
pub enum Value {
    /// Generated here, as influxd does.
    #[default]
    Generated,
    /// Chosen by somebody.
    Chosen(Token),
    /// Known here by its hash only.
    Hash(TokenHash),
}

/// A token that is to be made, and all that is known of it before it is.
pub struct TokenPlan {
    /// What is to be written.
    pub changes: ChangeSet,
    /// What is to be told beside the report.
    pub notes: Vec<String>,
    secret: Secret,
    id: Id,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    storage_reason: StorageReason,
    login_had_power: Option<bool>,
    schema: u64,
    replaced: Option<Fingerprint>,
    /// Index keys that must lead nowhere afterwards.
    gone: Vec<(&'static [u8], Zeroizing<Vec<u8>>)>,
}

/// What is known here of the value.
pub(crate) enum Secret {
    /// The token itself.
    Token(Token),
    /// Its hash.
    Hash(TokenHash),
}

/// What a plan is made of.
pub(crate) struct TokenPlanParts {
    pub(crate) changes: ChangeSet,
    pub(crate) secret: Secret,
    pub(crate) id: Id,
    pub(crate) record: Zeroizing<Vec<u8>>,
    pub(crate) storage_reason: StorageReason,
    pub(crate) login_had_power: Option<bool>,
    pub(crate) schema: u64,
    /// The record that gets a new value, as it was.
    pub(crate) replaced: Option<Fingerprint>,
    pub(crate) gone: Vec<(&'static [u8], Zeroizing<Vec<u8>>)>,
}

/// What was made, or would be.
pub struct PlannedToken<'a> {
    /// As `auth list` shows it, with the token itself if it was made, or chosen, here.
    pub entry: AuthDetails<'a>,
    /// Why it is kept as it is.
    pub storage_reason: StorageReason,
    /// Whether the owner's login had these permissions already, if that is of interest. It has
    /// them now.
    pub login_had_power: Option<bool>,
    /// The schema, by the number of its last migration.
    pub schema: u64,
}

impl TokenPlan {
    /// Puts a plan together; `snapshot` is the store as it is.
    pub(crate) fn new(snapshot: &dyn Snapshot, parts: TokenPlanParts) -> Result<Self> {
        // As the store will be: what would refuse the token there is found here.
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
            gone: parts.gone,
        })
    }

    /// Refuses a token that a server would refuse, whatever its own status: for its form, or its
    /// owner's sake.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], and why.
    pub(crate) fn must_work(&self, hint: &str) -> Result<()> {
        self.with_record(|record| {
            record.status = "active".into();
            let entry = self.entry(record);
            if entry.usable {
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

    /// Leaves out whose login gains something: the owner of the whole instance gains nothing.
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
            // The record does not tell what a hash is of.
            Secret::Token(token) if record.storage() == Storage::Hashed => {
                entry.usable &= authenticate::can_be_sent(token.reveal(), &mut entry.problems);
            }
            Secret::Token(_) => {}
            Secret::Hash(hash) => {
                if !hash.is_complete() {
                    entry.usable = false;
                    let why = "its hash has not the length of its kind: it is that of no token";
                    entry.problems.push(why.into());
                }
            }
        }
        entry
    }

    /// Hands what is to be made to `use_it`; with the token itself only if it `was_made`.
    ///
    /// # Errors
    /// Never, as long as the record that was just made can be decoded.
    pub fn show<T>(
        &self,
        was_made: bool,
        use_it: impl FnOnce(&PlannedToken<'_>) -> T,
    ) -> Result<T> {
        self.with_record(|record| {
            let mut entry = self.entry(record);
            entry.token = self.token().filter(|_| was_made).map(Token::reveal);
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

    /// The record that gets a new value, as it was; none for a new record.
    #[must_use]
    pub fn replaced(&self) -> Option<Fingerprint> {
        self.replaced
    }

    /// The token, unless only its hash is known here.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.secret {
            Secret::Token(token) => Some(token),
            Secret::Hash(_) => None,
        }
    }

    /// Makes it hold, and proves on what the file then shows that the token authenticates, and no
    /// older value of it does. A proof that fails is a failure of [`Committed`]: the change holds
    /// by then.
    ///
    /// # Errors
    /// When the change was certainly not made.
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
        let incomplete = |why: String| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the new token {} is committed, but {why}", self.id),
            )
            .committed()
            .with_hint("boltkey auth verify tells whether the token works")
        };
        match self.found(store) {
            Ok(Some(id)) if id == self.id => {}
            Ok(_) => return Err(incomplete("the file does not show it as it should".into())),
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

    /// The authorization that the value leads to.
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
