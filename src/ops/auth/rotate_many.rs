//! `auth rotate` of several tokens: new values for all of them in one commit, and in one file.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_authorization::Kept;
use crate::metadata::{Catalog, TokenHash, Variant, authenticate};
use crate::ops::auth::affected_tokens::AffectedTokens;
use crate::ops::auth::changed_records::ChangedRecords;
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::record::{IndexKey, Record};
use crate::ops::auth::rotate::give;
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::capture::Captured;
use crate::ops::commit::{SideFiles, all_decoded, commit, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::ops::token::generate::generate;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenLookup};
use crate::ops::token_plan::new_token::{Making, decide};
use crate::ops::token_plan::token_storage::StorageReason;
use crate::secret::Token;
use crate::store::{ChangeSet, CommitOutcome, Committed, Snapshot, WritableStore};

/// Which tokens, and how to store their new values.
pub struct Options {
    /// The authorizations.
    pub tokens: SelectedTokens,
    /// The storage. Values are always generated.
    pub making: Making,
}

/// The planned change.
pub struct Plan {
    /// The changes to commit. Empty if no authorization is selected.
    pub changes: ChangeSet,
    /// The authorizations before the change.
    pub affected: AffectedTokens,
    /// Whether the new values are stored as hashes.
    pub hashed: bool,
    /// Why they are stored in this form.
    pub storage_reason: StorageReason,
    /// The schema, by the number of its last migration.
    pub schema: u64,
    /// The new values with the facts about their authorizations, ascending by ID.
    pub tokens: Vec<Captured>,
    /// Index keys that must not exist afterwards.
    gone: Vec<IndexKey>,
    records: ChangedRecords,
}

/// Plans new values for all selected tokens.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * the errors of [`SelectedTokens::ids`]
/// * [`ErrorKind::Refused`] for a storage that the schema does not support
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let existing = ExistingTokens::of(snapshot, &TokenLookup::default(), None)?;
    let (hashed, storage_reason) = decide(schema, &options.making, &existing)?;
    let ids = options.tokens.ids(snapshot, &catalog)?;
    let affected = AffectedTokens::load(snapshot, &catalog, &ids)?;
    let mut changes = ChangeSet::default();
    let (mut values, mut records, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        let old = Record::load(snapshot, id)?;
        let token = generate()?;
        let hash = hashed.then(|| token_hash(&token));
        let (record, keys) = give(snapshot, &old, kept(&token, &hash), now, &mut changes)?;
        values.push(token);
        records.push((id, record));
        gone.extend(keys);
    }
    let records = ChangedRecords::new(snapshot, &changes, records)?;
    let mut tokens = Vec::with_capacity(values.len());
    for (record, token) in records.decoded().zip(values) {
        tokens.push(Captured::of(&record?, token, records.catalog()));
    }
    Ok(Plan {
        changes,
        affected,
        hashed,
        storage_reason,
        schema,
        tokens,
        gone,
        records,
    })
}

fn token_hash(token: &Token) -> String {
    TokenHash::of(Variant::Sha256, token.reveal().as_bytes()).to_phc()
}

fn kept<'a>(token: &'a Token, hash: &'a Option<String>) -> Kept<'a> {
    match hash {
        Some(hash) => Kept::Hash(hash),
        None => Kept::Plaintext(token),
    }
}

impl Plan {
    /// Calls `use_it` with the authorizations after the change, without their tokens.
    ///
    /// # Errors
    /// Only if a new record can't be decoded.
    pub fn show<T>(&self, use_it: impl FnOnce(&[AuthDetails<'_>]) -> T) -> Result<T> {
        self.records.show(use_it)
    }

    /// Commits the change and verifies in the file that each new value authenticates and no old
    /// value does. A failed verification is a failure in [`Committed`].
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
        let incomplete = |why: String| {
            Error::new(
                ErrorKind::Incomplete,
                format!("the rotation is committed, but {why}"),
            )
            .committed()
            .with_hint("run boltkey check and boltkey status to see the current state")
        };
        for Captured { id, token, .. } in &self.tokens {
            match authenticate::find(store, token) {
                Ok(Some(found)) if found == *id => {}
                Ok(_) => {
                    let why = format!("the token of authorization {id} is not found in the file");
                    return Err(incomplete(why));
                }
                Err(cause) => return Err(incomplete(format!("it can't be read back: {cause}"))),
            }
        }
        for (bucket, key) in &self.gone {
            match store.get(bucket, key) {
                Ok(None) => {}
                Ok(Some(_)) => return Err(incomplete("an old value is still there".into())),
                Err(cause) => return Err(incomplete(format!("it can't be read back: {cause}"))),
            }
        }
        Ok(())
    }
}
