//! A new authorization for a user in an organization: shared by `auth create`, `auth clone` and
//! `recover operator`.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_authorization::{Kept, NewAuthorization};
use crate::metadata::permission::Permission;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Organization, Release, TokenHash, User, Variant};
use crate::ops::timestamp::Timestamp;
use crate::ops::token::generate::generate;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenInUse, TokenLookup};
use crate::ops::token_plan::token_storage::{StorageChoice, StorageReason};
use crate::ops::token_plan::{Secret, TokenPlan, TokenPlanParts, Value, new_id, token_storage};
use crate::store::{ChangeSet, MAX_KEY_SIZE, Snapshot};

/// The value of a token and its storage.
#[derive(Clone, Default)]
pub struct Making {
    /// Where the value comes from.
    pub value: Value,
    /// How to store it.
    pub wanted: StorageChoice,
    /// The value of influxd's setting `use-hashed-tokens`, if it is set.
    pub use_hashed_tokens: Option<bool>,
    /// Whether to create a token that no server would accept.
    pub allow_unusable: bool,
    /// The release for which the store is made, if it is a new one.
    pub new_store: Option<Release>,
}

/// The authorization to create.
pub(crate) struct Request<'a> {
    pub(crate) user: &'a User,
    pub(crate) org: &'a Organization,
    pub(crate) description: &'a str,
    pub(crate) active: bool,
    pub(crate) permissions: &'a [Permission<'a>],
    /// The hint if a server would refuse the token.
    pub(crate) hint: &'a str,
}

/// Plans a new authorization for a store of this schema.
///
/// # Errors
/// * [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Refused`] when the value is in use, is invalid, or would not be accepted
pub(crate) fn plan(
    snapshot: &dyn Snapshot,
    schema: u64,
    making: &Making,
    now: &Timestamp,
    request: &Request<'_>,
) -> Result<TokenPlan> {
    let secret = secret(&making.value)?;
    let existing = ExistingTokens::of(
        snapshot,
        &lookup(&making.value, &secret),
        Some(request.user.id),
    )?;
    let (hashed, storage_reason) = decide(schema, making, &existing)?;
    must_be_free(existing.in_use(0))?;
    let hash = hash_of(&secret, hashed);
    let id = new_id::by_time(snapshot, now)?;
    let new = NewAuthorization {
        id,
        kept: kept(&secret, hash.as_deref()),
        active: request.active,
        description: request.description,
        org_id: request.org.id,
        user_id: request.user.id,
        permissions: request.permissions,
        created_at: &now.rfc3339,
    };
    let mut changes = ChangeSet::default();
    new.put(&mut changes);
    let record = new.record();
    let had_power = existing.login_may(snapshot, request.user.id, request.permissions)?;
    let plan = TokenPlan::new(
        snapshot,
        TokenPlanParts {
            changes,
            secret,
            id,
            record,
            storage_reason,
            login_had_power: Some(had_power),
            schema,
            replaced: None,
            holds_hashes: existing.hashes,
            gone: Vec::new(),
        },
    )?;
    if !making.allow_unusable {
        plan.must_work(request.hint)?;
    }
    Ok(plan)
}

/// The value itself: generated, or given and checked.
///
/// # Errors
/// [`ErrorKind::Refused`] for an invalid token.
pub(crate) fn secret(value: &Value) -> Result<Secret> {
    let refused = |why: &str| {
        let message = format!("the given token {why}");
        Error::new(ErrorKind::Refused, message)
    };
    match value {
        Value::Generated => generate().map(Secret::Token),
        Value::Hash(hash) => Ok(Secret::Hash(hash.clone())),
        Value::Chosen(token) if token.reveal().starts_with(PREFIX) => Err(refused(
            "is a hash: anyone who has the hash could use it as the token",
        )
        .with_hint("use --hashed-token to give the hash of a token")),
        Value::Chosen(token) if !(1..=MAX_KEY_SIZE).contains(&token.reveal().len()) => {
            Err(refused("must have 1 to 32,768 bytes"))
        }
        Value::Chosen(token) => Ok(Secret::Token(token.clone())),
    }
}

/// The values that must not be in use; a generated value needs no check.
pub(crate) fn lookup<'a>(value: &Value, secret: &'a Secret) -> TokenLookup<'a> {
    match (value, secret) {
        (Value::Generated, _) => TokenLookup::default(),
        (_, Secret::Token(token)) => TokenLookup::token(token),
        (_, Secret::Hash(hash)) => TokenLookup::hash(hash),
    }
}

/// Refuses a value that is in use, as influxd does.
///
/// # Errors
/// [`ErrorKind::Refused`], naming the authorization.
pub(crate) fn must_be_free(in_use: Option<TokenInUse>) -> Result<()> {
    let Some(TokenInUse(holder)) = in_use else {
        return Ok(());
    };
    let (holder, hint) = match holder {
        Some(id) => (
            format!("authorization {id} has this value"),
            "boltkey auth show shows it; boltkey auth rotate gives it another value; boltkey \
             auth delete frees this one",
        ),
        None => (
            String::from("an index entry has this value"),
            "boltkey repair removes it; boltkey check shows the entry",
        ),
    };
    Err(Error::new(
        ErrorKind::Refused,
        format!("token already exists: {holder}"),
    )
    .with_hint(hint))
}

/// Whether to store it as a hash, and why.
///
/// # Errors
/// As [`token_storage::decide`].
pub(crate) fn decide(
    schema: u64,
    making: &Making,
    existing: &ExistingTokens,
) -> Result<(bool, StorageReason)> {
    // A hash can only be stored as a hash.
    let wanted = match making.value {
        Value::Hash(_) => StorageChoice::Hashed,
        _ => making.wanted,
    };
    let by_default = making.new_store.is_some_and(Release::hashes_by_default);
    let hashes = existing.hashes || by_default;
    let (hashed, because) =
        token_storage::decide(schema, wanted, making.use_hashed_tokens, hashes)?;
    Ok(match because {
        StorageReason::Store => match making.new_store {
            Some(release) => (hashed, StorageReason::NewStore(release)),
            None => (hashed, because),
        },
        because => (hashed, because),
    })
}

/// The hash, if that is what is stored.
pub(crate) fn hash_of(secret: &Secret, hashed: bool) -> Option<String> {
    match secret {
        Secret::Hash(hash) => Some(hash.to_phc()),
        Secret::Token(token) if hashed => {
            Some(TokenHash::of(Variant::Sha256, token.reveal().as_bytes()).to_phc())
        }
        Secret::Token(_) => None,
    }
}

/// The stored form of the value: the hash, if there is one.
pub(crate) fn kept<'a>(secret: &'a Secret, hash: Option<&'a str>) -> Kept<'a> {
    match (secret, hash) {
        (Secret::Token(token), None) => Kept::Plaintext(token),
        // A value known only as a hash always has a hash.
        (_, hash) => Kept::Hash(hash.unwrap_or_default()),
    }
}
