//! Tokens of a list.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::new_authorization::NewAuthorization;
use crate::metadata::permission::{Permission, of_all_access, of_operator};
use crate::metadata::{
    Authorization, Catalog, Id, Organization, User, authorization, description_tags, names,
};
use crate::ops::apply::granted::{Lacking, permission};
use crate::ops::apply::list::{Grants, Identity, List, Token};
use crate::ops::apply::said::Said;
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work, generate};
use crate::ops::auth::delete;
use crate::ops::auth::record::Record;
use crate::ops::auth::rotate::{give, must_be_of_use};
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::auth::update::edited;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenInUse, TokenLookup};
use crate::ops::token_plan::new_id::ManyByTime;
use crate::ops::token_plan::new_token::{hash_of, kept, must_be_free, secret};
use crate::ops::token_plan::token_storage::StorageChoice;
use crate::ops::token_plan::{Secret, Value, token_storage};
use crate::ops::{commit, resolve};
use crate::secret::Token as SecretToken;
use crate::store::Snapshot;

/// What decides about a token of the store: its owner, power and status.
struct Found {
    id: Id,
    org: Id,
    user: Option<Id>,
    /// Most tokens have the same ones, so that they are kept once.
    permissions: Rc<BTreeSet<String>>,
    active: bool,
}

impl Found {
    fn of(record: &Authorization<'_>, permissions: Rc<BTreeSet<String>>) -> Self {
        Self {
            id: record.id,
            org: record.org_id,
            user: record.user_id,
            permissions,
            active: record.is_active(),
        }
    }
}

/// Tokens of an earlier run: a store may have a million of them, and the list a few.
#[derive(Default)]
struct Earlier<'l> {
    /// Those that the list names, by organization and name. A name may have several tokens.
    named: HashMap<Id, HashMap<&'l str, Vec<Found>>>,
    /// The others, if they are to be deleted.
    others: BTreeSet<Id>,
}

/// The action for one token of the list.
enum TokenAction {
    Same(Id),
    Create,
    /// Change the record: its status or description, and its value if `value` is set.
    Update {
        id: Id,
        value: bool,
    },
    /// Create a new record, because the permissions or the owner of a token can't be changed.
    Replace {
        id: Id,
        /// The value stays, in plaintext if the store has that.
        keeps_value: bool,
    },
}

/// A token of the list with its names resolved to records.
struct Meant<'a> {
    said: &'a Token,
    org: &'a Organization,
    user: &'a User,
    /// Most tokens have the same ones, so that they are kept once.
    permissions: Rc<[Permission<'static>]>,
}

/// Creates missing tokens, updates others, and deletes tokens that are no longer in the list if
/// requested.
pub(super) fn tokens(work: &mut Work<'_>, list: &List, options: &Options<'_>) -> Result<()> {
    let catalog = Catalog::load(&work.preview())?;
    commit::all_decoded(&catalog.skipped)?;
    let meant = meant(work, list, &catalog)?;
    lacking(work, &meant, &catalog)?;
    let existing = {
        let lookup = lookup(list)?;
        ExistingTokens::of(work.snapshot, &lookup, None)?
    };
    let mut earlier = Earlier::of(work.snapshot, &meant, options.prune)?;
    let mut pruned = std::mem::take(&mut earlier.others);
    for (number, meant) in meant.iter().enumerate() {
        if let (Identity::Description(_), Some(in_use)) =
            (&meant.said.identity, existing.in_use(number))
        {
            pruned.retain(|id| in_use.0 != Some(*id));
        }
    }

    let mut actions = Vec::with_capacity(meant.len());
    let mut taken = HashMap::new();
    for (number, meant) in meant.iter().enumerate() {
        // The value of a deleted token can be reused: the token may have a new name in the list.
        let in_use = existing.in_use(number);
        let in_use = in_use.filter(|in_use| !in_use.0.is_some_and(|id| pruned.contains(&id)));
        let action = match &meant.said.identity {
            Identity::Name(name) => by_name(meant, name, &earlier, in_use)?,
            Identity::Description(_) => by_value(work, meant, in_use)?,
        };
        let said = meant.said.identity.said();
        if let Some(id) = action.existing()
            && let Some(first) = taken.insert(id, said.place.line())
        {
            let why = format!("line {first} means the same token of the store, {id}");
            return Err(said.place.refused(why));
        }
        actions.push(action);
    }
    delete(work, &actions, &meant, &pruned)?;
    let mut ids = ManyByTime::new(work.snapshot, work.now)?;
    let schema = work.schema;
    let mut touched = HashMap::new();
    for (meant, action) in meant.iter().zip(&actions) {
        let hashed = || keeps_hash(schema, &existing, meant, options);
        let id = put(work, meant, action, &hashed, &mut ids)?;
        touched.insert(id, (meant, matches!(action, TokenAction::Same(_))));
    }
    validate_all(work, list, &touched)
}

/// Resolves the names in the list.
fn meant<'a>(work: &Work<'_>, list: &'a List, catalog: &'a Catalog) -> Result<Vec<Meant<'a>>> {
    let mut known: HashMap<(Id, &str), usize> = HashMap::new();
    let mut all_permissions: HashSet<Rc<[Permission<'static>]>> = HashSet::new();
    let mut meant = Vec::with_capacity(list.tokens.len());
    for said in &list.tokens {
        let org = resolve::org_named(catalog, &said.org.value)
            .map_err(|error| said.org.place.wrap(&error))?;
        let user = resolve::user_named(catalog, &said.user.value)
            .map_err(|error| said.user.place.wrap(&error))?;
        if let Identity::Name(name) = &said.identity
            && let Some(first) = known.insert((org.id, &name.value), name.place.line())
        {
            let why = format!("line {first} has a token with the same name and organization");
            return Err(name.place.refused(why));
        }
        let permissions: Vec<_> = match &said.grants.value {
            Grants::Operator => of_operator(work.schema),
            Grants::AllAccess => of_all_access(work.schema, org.id, user.id),
            Grants::Each(each) => {
                let each = each.iter();
                each.map(|granted| permission(granted, work.schema, org, catalog))
                    .collect::<Result<_>>()?
            }
        };
        let known = all_permissions.get(permissions.as_slice()).cloned();
        let permissions = known.unwrap_or_else(|| {
            let permissions: Rc<[_]> = permissions.into();
            all_permissions.insert(Rc::clone(&permissions));
            permissions
        });
        meant.push(Meant {
            said,
            org,
            user,
            permissions,
        });
    }
    Ok(meant)
}

/// Notes the resources that the store lacks. Their IDs come from another store.
fn lacking(work: &mut Work<'_>, meant: &[Meant<'_>], catalog: &Catalog) -> Result<()> {
    let mut lacking = Lacking::of("token");
    for meant in meant {
        let Grants::Each(each) = &meant.said.grants.value else {
            continue;
        };
        for (granted, permission) in each.iter().zip(&*meant.permissions) {
            lacking.add(work.snapshot, catalog, granted, permission)?;
        }
    }
    work.plan.lacking.extend(lacking.told());
    Ok(())
}

/// The value of a token of the list. A generated one is another one each time.
fn secret_of(said: &Token) -> Result<Secret> {
    secret(&said.value.value).map_err(|error| said.value.place.wrap(&error))
}

/// The values that must not belong to another token.
///
/// # Errors
/// For a value that is invalid, or is there twice.
fn lookup(list: &List) -> Result<TokenLookup<'_>> {
    let is_given = |token: &&Token| !matches!(token.value.value, Value::Generated);
    for token in list.tokens.iter().filter(is_given) {
        secret_of(token)?;
    }
    let mut lookup = TokenLookup::default();
    for (number, token) in list.tokens.iter().enumerate() {
        let same = match &token.value.value {
            // 64 random bytes are unique.
            Value::Generated => continue,
            Value::Chosen(token) => lookup.add_token(number, token),
            Value::Hash(hash) => lookup.add_hash(number, hash),
        };
        if let Some(first) = same.and_then(|same| list.tokens.get(same)) {
            let why = format!(
                "token {:?} (line {}) has the same value; token values must be unique",
                first.identity.said().value,
                first.value.place.line()
            );
            return Err(token.value.place.refused(why));
        }
        must_be_of_use(&secret_of(token)?).map_err(|error| token.value.place.wrap(&error))?;
    }
    Ok(lookup)
}

impl<'l> Earlier<'l> {
    /// Reads them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] when a record can't be decoded.
    fn of(snapshot: &dyn Snapshot, meant: &[Meant<'l>], prune: bool) -> Result<Self> {
        let mut earlier = Self::default();
        for meant in meant {
            let said: &'l Token = meant.said;
            if let Identity::Name(name) = &said.identity {
                let of_org = earlier.named.entry(meant.org.id).or_default();
                of_org.insert(name.value.as_str(), Vec::new());
            }
        }
        let mut known: HashSet<Rc<BTreeSet<String>>> = HashSet::new();
        let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
            let Some(name) = record.description.strip_suffix(description_tags::APPLIED) else {
                return;
            };
            let of_org = earlier.named.get_mut(&record.org_id);
            let Some(found) = of_org.and_then(|of_org| of_org.get_mut(name)) else {
                if prune {
                    earlier.others.insert(record.id);
                }
                return;
            };
            let permissions = Rc::new(as_set(&record.permissions));
            let permissions = known.get(&permissions).cloned().unwrap_or_else(|| {
                known.insert(Rc::clone(&permissions));
                permissions
            });
            found.push(Found::of(record, permissions));
        })?;
        commit::all_decoded(&skipped)?;
        Ok(earlier)
    }
}

/// Permissions, ignoring their order.
fn as_set(permissions: &[Permission<'_>]) -> BTreeSet<String> {
    permissions.iter().map(Permission::to_string).collect()
}

impl TokenAction {
    /// The authorization of the store that is meant.
    fn existing(&self) -> Option<Id> {
        match self {
            Self::Create => None,
            Self::Same(id) | Self::Update { id, .. } | Self::Replace { id, .. } => Some(*id),
        }
    }

    /// The action for a token that is in the store, with this value and this description or others.
    fn on(found: &Found, meant: &Meant<'_>, same_value: bool, same_text: bool) -> Self {
        let said = meant.said;
        let same_power = found.org == meant.org.id
            && found.user == Some(meant.user.id)
            && *found.permissions == as_set(&meant.permissions);
        if !same_power {
            return Self::Replace {
                id: found.id,
                keeps_value: same_value,
            };
        }
        let same_status = said.active.is_none_or(|active| active == found.active);
        match same_value && same_status && same_text {
            true => Self::Same(found.id),
            false => Self::Update {
                id: found.id,
                value: !same_value,
            },
        }
    }
}

/// Chooses the action for a token that is recognized by its value. `in_use` is the token that has it.
fn by_value(work: &Work<'_>, meant: &Meant<'_>, in_use: Option<TokenInUse>) -> Result<TokenAction> {
    let place = &meant.said.value.place;
    let Some(id) = in_use.and_then(|in_use| in_use.0) else {
        must_be_free(in_use).map_err(|error| place.wrap(&error))?;
        return Ok(TokenAction::Create);
    };
    let description = meant.said.identity.description();
    let found = authorization::with(work.snapshot, id, |record| {
        let permissions = Rc::new(as_set(&record.permissions));
        let same_text = record.description == description;
        (Found::of(record, permissions), same_text)
    })?;
    match found {
        Some((found, same_text)) => Ok(TokenAction::on(&found, meant, true, same_text)),
        // An index entry that leads to nothing.
        None => {
            let none = Some(TokenInUse(None));
            must_be_free(none).map_err(|error| place.wrap(&error))?;
            Ok(TokenAction::Create)
        }
    }
}

/// Chooses the action for a token that is recognized by its name. `in_use` is the token that already
/// has the value.
fn by_name(
    meant: &Meant<'_>,
    name: &Said<String>,
    earlier: &Earlier<'_>,
    in_use: Option<TokenInUse>,
) -> Result<TokenAction> {
    let said = meant.said;
    let place = &said.value.place;
    let of_org = earlier.named.get(&meant.org.id);
    let found = of_org.and_then(|of_org| of_org.get(name.value.as_str()));
    let found = match found.map(Vec::as_slice) {
        None | Some([]) => {
            must_be_free(in_use).map_err(|error| {
                let error = place.wrap(&error);
                let Some(id) = in_use.and_then(|in_use| in_use.0) else {
                    return error;
                };
                // Only the suffix of the description marks a token as created by apply.
                error.with_hint(format!(
                    "if the list means this token, run boltkey auth update {id} --description \
                     '{}{}' so that apply manages it; see also boltkey auth show",
                    shell(&name.value),
                    description_tags::APPLIED
                ))
            })?;
            return Ok(TokenAction::Create);
        }
        Some([found]) => found,
        Some([first, second, ..]) => {
            let why = format!(
                "the store has several tokens with this name: {} and {}",
                first.id, second.id
            );
            let hint = "change the description of one of them with boltkey auth update, or remove it \
                        with boltkey auth delete";
            return Err(name.place.refused(why).with_hint(hint));
        }
    };
    if matches!(said.value.value, Value::Generated) {
        return Err(generate::file_is_gone(place, found.id));
    }
    let same_value = match in_use {
        None => false,
        Some(in_use) if in_use.0 == Some(found.id) => true,
        in_use => {
            must_be_free(in_use).map_err(|error| place.wrap(&error))?;
            false
        }
    };
    // The name says what the description is.
    Ok(TokenAction::on(found, meant, same_value, true))
}

/// Escapes text for single quotes in a shell.
fn shell(text: &str) -> String {
    text.replace('\'', r"'\''")
}

/// Deletes tokens that are replaced or no longer in the list.
fn delete(
    work: &mut Work<'_>,
    actions: &[TokenAction],
    meant: &[Meant<'_>],
    pruned: &BTreeSet<Id>,
) -> Result<()> {
    let replaced = actions.iter().filter_map(|action| match action {
        TokenAction::Replace { id, .. } => Some(*id),
        _ => None,
    });
    let ids: Vec<Id> = replaced.chain(pruned.iter().copied()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let plan = delete::plan(work.snapshot, &SelectedTokens::of_ids(ids))?;
    work.plan.changes.extend(plan.changes);
    let is_operator = |meant: &Meant<'_>| matches!(meant.said.grants.value, Grants::Operator);
    work.plan.last_operator = plan.last_operator && !meant.iter().any(is_operator);
    for deleted in plan
        .deleted
        .tokens
        .iter()
        .filter(|deleted| pruned.contains(&deleted.id))
    {
        let description = deleted.description.as_deref().unwrap_or_default();
        work.plan.planned.push(PlannedChange {
            action: Action::Delete,
            kind: Kind::Token,
            id: deleted.id,
            name: description_tags::stripped(description).to_owned(),
            org: deleted.org.clone(),
            details: Vec::new(),
        });
    }
    work.plan.deleted = plan.deleted.tokens;
    Ok(())
}

/// Whether a token is stored as a hash.
fn keeps_hash(
    schema: u64,
    existing: &ExistingTokens,
    meant: &Meant<'_>,
    options: &Options<'_>,
) -> Result<bool> {
    let value = &meant.said.value;
    let wanted = match value.value {
        Value::Hash(_) => StorageChoice::Hashed,
        _ => StorageChoice::Auto,
    };
    token_storage::decide(schema, wanted, options.use_hashed_tokens, existing.hashes)
        .map(|(hashed, _)| hashed)
        .map_err(|error| value.place.wrap(&error))
}

fn put(
    work: &mut Work<'_>,
    meant: &Meant<'_>,
    action: &TokenAction,
    hashed: &dyn Fn() -> Result<bool>,
    ids: &mut ManyByTime,
) -> Result<Id> {
    let Meant {
        said, org, user, ..
    } = meant;
    if let TokenAction::Same(id) = action {
        work.plan.same += 1;
        return Ok(*id);
    }
    let secret = &secret_of(said)?;
    let mut details = Vec::new();
    let (action, id) = match action {
        TokenAction::Same(id) => return Ok(*id),
        TokenAction::Update { id, value } => {
            let value = match value {
                true => Some((secret, hashed()?)),
                false => None,
            };
            update(work, said, *id, value, &mut details)?;
            (Action::Update, *id)
        }
        TokenAction::Create | TokenAction::Replace { .. } => {
            let old = match action {
                TokenAction::Replace {
                    id,
                    keeps_value: true,
                } => plaintext(work.snapshot, *id)?.map(Secret::Token),
                _ => None,
            };
            // Where only the hash is listed, the plaintext that the store has is not lost.
            let (secret, hashed) = match (&old, secret) {
                (Some(old), Secret::Hash(_)) => (old, false),
                _ => (secret, hashed()?),
            };
            let hash = hash_of(secret, hashed);
            let id = ids.another()?;
            let new = NewAuthorization {
                id,
                kept: kept(secret, hash.as_deref()),
                active: said.active.unwrap_or(true),
                description: &said.identity.description(),
                org_id: org.id,
                user_id: user.id,
                permissions: &meant.permissions,
                created_at: &work.now.rfc3339,
            };
            new.put(&mut work.plan.changes);
            details.extend(of_new(said, &user.name));
            match action {
                TokenAction::Replace { id: old, .. } => {
                    details.push(format!("in place of {old}"));
                    (Action::Replace, id)
                }
                _ => (Action::Create, id),
            }
        }
    };
    if let (Some(path), Secret::Token(token)) = (&said.out, secret) {
        details.push(format!("value in {}", path.display()));
        work.plan.generated.push((path.clone(), token.clone()));
    }
    work.plan.planned.push(PlannedChange {
        action,
        kind: Kind::Token,
        id,
        name: said.identity.said().value.clone(),
        org: Some(org.name.clone()),
        details,
    });
    Ok(id)
}

/// The value of a token, if it is stored in plaintext.
fn plaintext(snapshot: &dyn Snapshot, id: Id) -> Result<Option<SecretToken>> {
    let plaintext = authorization::with(snapshot, id, |record| {
        let token = Some(&record.token).filter(|token| !token.is_empty());
        token.map(|token| SecretToken::new(token.to_string()))
    })?;
    Ok(plaintext.flatten())
}

/// Changes the record of a token. `value` is its new value, and whether that is stored as a hash.
fn update(
    work: &mut Work<'_>,
    said: &Token,
    id: Id,
    value: Option<(&Secret, bool)>,
    details: &mut Vec<String>,
) -> Result<()> {
    let wrap = |error: Error| said.value.place.wrap(&error);
    let mut record = Record::load(work.snapshot, id)?;
    if let Some((secret, hashed)) = value {
        let hash = hash_of(secret, hashed);
        let kept = kept(secret, hash.as_deref());
        let (new, _) = give(
            work.snapshot,
            &record,
            kept,
            work.now,
            &mut work.plan.changes,
        )
        .map_err(wrap)?;
        record = Record::of(id, new);
        details.push("new value in place of the old one".into());
    }
    let description = said.identity.description();
    let old = record.decoded().map_err(wrap)?;
    let (was_active, old) = (old.is_active(), old.description.into_owned());
    let edited = edited(&record, said.active, Some(&description), work.now).map_err(wrap)?;
    if let Some(new) = edited {
        let key = id.to_string();
        work.plan
            .changes
            .put(names::AUTHORIZATIONS, key.as_bytes(), &new);
    }
    if let Some(active) = said.active.filter(|active| *active != was_active) {
        details.push(if active { "active" } else { "inactive" }.into());
    }
    if description != old {
        details.push(format!("its description was {old:?}"));
    }
    Ok(())
}

/// What a report says about a new token.
fn of_new(said: &Token, user: &str) -> Vec<String> {
    let mut details = vec![format!("of user {user:?}")];
    details.push(match &said.grants.value {
        Grants::Operator => {
            "all permissions in all organizations, also for the login of its user".into()
        }
        Grants::AllAccess => "all permissions in its organization".into(),
        Grants::Each(each) => {
            let each: Vec<String> = each.iter().map(ToString::to_string).collect();
            each.join(", ")
        }
    });
    if said.active == Some(false) {
        details.push("inactive".into());
    }
    details
}

/// Checks the tokens as they will be stored. Refuses a new token that a server would reject; adds a
/// note for an existing one. That its user is inactive is no news if the list says so. `touched` maps
/// each token to whether it stays unchanged.
fn validate_all(
    work: &mut Work<'_>,
    list: &List,
    touched: &HashMap<Id, (&Meant<'_>, bool)>,
) -> Result<()> {
    const MOST: usize = 20;
    let preview = work.preview();
    let mut catalog = Catalog::load(&preview)?;
    for inactive in list.users.iter().filter(|user| user.active == Some(false)) {
        let id = catalog.user_by_name(&inactive.name.value).found();
        let id = id.map(|user| user.id);
        if let Some(user) = id.and_then(|id| catalog.users.get_mut(&id)) {
            user.status = "active".into();
        }
    }
    let mut keys = HashSet::new();
    authorization::scan(&preview, names::AUTHORIZATIONS, &mut |record| {
        if touched.contains_key(&record.id) {
            keys.extend(TokenIndexes::keys_of(record));
        }
    })?;
    let indexes = TokenIndexes::of_keys(&preview, &keys)?;
    let mut refused = Ok(());
    let mut notes = Vec::new();
    authorization::scan(&preview, names::AUTHORIZATIONS, &mut |record| {
        let Some((meant, stays)) = touched.get(&record.id) else {
            return;
        };
        let judged = judge(record, &catalog, &indexes);
        if judged.authenticates {
            return;
        }
        // Inactive as the list says.
        if meant.said.active == Some(false) && !record.is_active() {
            return;
        }
        let why = judged.reasons.join("; ");
        let is_copy = matches!(meant.said.identity, Identity::Description(_));
        // Somebody made it inactive, or it is as on another server.
        if *stays || !record.is_active() || is_copy {
            let name = &meant.said.identity.said().value;
            let id = record.id;
            notes.push(format!(
                "token {name:?} ({id}) exists, but a server rejects it: {why}"
            ));
        } else if refused.is_ok() {
            let why = format!("a server would reject this token: {why}");
            refused = Err(meant.said.user.place.refused(why));
        }
    })?;
    refused?;
    let more = notes.len().saturating_sub(MOST);
    notes.truncate(MOST);
    if more > 0 {
        notes.push(format!("a server rejects {more} more tokens of the list"));
    }
    work.plan.notes.extend(notes);
    Ok(())
}
