//! Tokens of a list.

use std::collections::{BTreeSet, HashMap};

use crate::error::Result;
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::new_authorization::NewAuthorization;
use crate::metadata::permission::Permission;
use crate::metadata::post_request::fits;
use crate::metadata::{
    Can, Catalog, Id, Organization, User, authorization, description_tags, names, permission,
};
use crate::ops::apply::list::{Grants, List, Said, Token};
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work, generate};
use crate::ops::auth::delete;
use crate::ops::auth::record::Record;
use crate::ops::auth::rotate::{give, must_be_of_use};
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenInUse, TokenLookup};
use crate::ops::token_plan::new_id::ManyByTime;
use crate::ops::token_plan::new_token::{hash_of, kept, must_be_free, secret};
use crate::ops::token_plan::token_storage::StorageChoice;
use crate::ops::token_plan::{Secret, Value, token_storage};
use crate::ops::{commit, named_permission, resolve};
use crate::store::Snapshot;

/// A token created by an earlier run.
struct Found {
    id: Id,
    user: Option<Id>,
    permissions: BTreeSet<String>,
}

/// Tokens of an earlier run, by organization and name. A name may have several tokens.
type Earlier = HashMap<(Id, String), Vec<Found>>;

/// The action for one token of the list.
enum TokenAction {
    Same(Id),
    Create,
    /// Replace the value in the same record.
    Rotate(Id),
    /// Create a new record, because the permissions or the owner of a token can't be changed.
    Replace(Id),
}

/// A token of the list with its names resolved to records.
struct Meant<'a> {
    said: &'a Token,
    org: &'a Organization,
    user: &'a User,
    permissions: Vec<Permission<'static>>,
}

/// Creates missing tokens, updates others, and deletes tokens that are no longer in the list if
/// requested.
pub(super) fn tokens(work: &mut Work<'_>, list: &List, options: &Options<'_>) -> Result<()> {
    let catalog = Catalog::load(&work.preview())?;
    commit::all_decoded(&catalog.skipped)?;
    let meant = meant(work, list, &catalog)?;
    let secrets = list.tokens.iter().map(|token| {
        let place = &token.value.place;
        secret(&token.value.value).map_err(|error| place.wrap(&error))
    });
    let secrets: Vec<Secret> = secrets.collect::<Result<_>>()?;
    let lookup = lookup(list, &secrets)?;
    let existing = ExistingTokens::of(work.snapshot, &lookup, None)?;
    let earlier = earlier(work.snapshot)?;

    let pruned = match options.prune {
        true => no_longer_named(&meant, &earlier),
        false => BTreeSet::new(),
    };

    let mut actions = Vec::with_capacity(meant.len());
    for (number, meant) in meant.iter().enumerate() {
        // The value of a deleted token can be reused: the token may have a new name in the list.
        let in_use = existing.in_use(number);
        let in_use = in_use.filter(|in_use| !in_use.0.is_some_and(|id| pruned.contains(&id)));
        actions.push(action(meant, &earlier, in_use)?);
    }
    delete(work, &actions, &meant, &pruned)?;
    let mut ids = ManyByTime::new(work.snapshot, work.now)?;
    let mut touched = HashMap::new();
    for ((meant, secret), action) in meant.iter().zip(&secrets).zip(&actions) {
        let hashed = keeps_hash(work, &existing, meant, options)?;
        let id = put(work, meant, secret, action, hashed, &mut ids)?;
        touched.insert(id, (meant, matches!(action, TokenAction::Same(_))));
    }
    validate_all(work, &touched)
}

/// Resolves the names in the list.
fn meant<'a>(work: &Work<'_>, list: &'a List, catalog: &'a Catalog) -> Result<Vec<Meant<'a>>> {
    let mut known: HashMap<(Id, &str), usize> = HashMap::new();
    let mut meant = Vec::with_capacity(list.tokens.len());
    for said in &list.tokens {
        let org = resolve::org_named(catalog, &said.org.value)
            .map_err(|error| said.org.place.wrap(&error))?;
        let user = resolve::user_named(catalog, &said.user.value)
            .map_err(|error| said.user.place.wrap(&error))?;
        let line = said.name.place.line();
        if let Some(first) = known.insert((org.id, &said.name.value), line) {
            let why = format!("line {first} has a token with the same name and organization");
            return Err(said.name.place.refused(why));
        }
        let permissions = match &said.grants.value {
            Grants::Operator => permission::of_operator(work.schema),
            Grants::AllAccess => permission::of_all_access(work.schema, org.id, user.id),
            Grants::Each(each) => {
                let each = each.iter();
                each.map(|can| granted(can, work.schema, org, catalog))
                    .collect::<Result<_>>()?
            }
        };
        let place = &said.grants.place;
        fits(&permissions, org.id).map_err(|why| place.refused(why))?;
        meant.push(Meant {
            said,
            org,
            user,
            permissions,
        });
    }
    Ok(meant)
}

/// One permission of the list.
fn granted(
    can: &Said<Can>,
    schema: u64,
    org: &Organization,
    catalog: &Catalog,
) -> Result<Permission<'static>> {
    let Said { value, place } = can;
    named_permission::of(value, schema, org.id, catalog).map_err(|error| place.wrap(&error))
}

/// The values that must not belong to another token.
fn lookup<'s>(list: &List, secrets: &'s [Secret]) -> Result<TokenLookup<'s>> {
    let mut lookup = TokenLookup::default();
    for (number, (token, secret)) in list.tokens.iter().zip(secrets).enumerate() {
        let same = match (&token.value.value, secret) {
            // 64 random bytes are unique.
            (Value::Generated, _) => None,
            (_, Secret::Token(token)) => lookup.add_token(number, token),
            (_, Secret::Hash(hash)) => lookup.add_hash(number, hash),
        };
        if let Some(first) = same.and_then(|same| list.tokens.get(same)) {
            let why = format!(
                "token {:?} (line {}) has the same value; token values must be unique",
                first.name.value,
                first.value.place.line()
            );
            return Err(token.value.place.refused(why));
        }
        must_be_of_use(secret).map_err(|error| token.value.place.wrap(&error))?;
    }
    Ok(lookup)
}

fn earlier(snapshot: &dyn Snapshot) -> Result<Earlier> {
    let mut earlier = Earlier::default();
    let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        let Some(name) = record.description.strip_suffix(description_tags::APPLIED) else {
            return;
        };
        let key = (record.org_id, name.to_owned());
        earlier.entry(key).or_default().push(Found {
            id: record.id,
            user: record.user_id,
            permissions: as_set(&record.permissions),
        });
    })?;
    commit::all_decoded(&skipped)?;
    Ok(earlier)
}

/// Permissions, ignoring their order.
fn as_set(permissions: &[Permission<'_>]) -> BTreeSet<String> {
    permissions.iter().map(Permission::to_string).collect()
}

/// Tokens of an earlier run that are not in the list.
fn no_longer_named(meant: &[Meant<'_>], earlier: &Earlier) -> BTreeSet<Id> {
    let named = meant
        .iter()
        .map(|meant| (meant.org.id, meant.said.name.value.clone()));
    let named: BTreeSet<(Id, String)> = named.collect();
    let gone = earlier.iter().filter(|(key, _)| !named.contains(key));
    gone.flat_map(|(_, found)| found)
        .map(|found| found.id)
        .collect()
}

/// Chooses the action. `in_use` is the token that already has the value.
fn action(meant: &Meant<'_>, earlier: &Earlier, in_use: Option<TokenInUse>) -> Result<TokenAction> {
    let said = meant.said;
    let place = &said.value.place;
    let key = (meant.org.id, said.name.value.clone());
    let found = match earlier.get(&key).map(Vec::as_slice) {
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
                    shell(&said.name.value),
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
            return Err(said.name.place.refused(why).with_hint(hint));
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
    let same_power =
        found.user == Some(meant.user.id) && found.permissions == as_set(&meant.permissions);
    Ok(match (same_power, same_value) {
        (true, true) => TokenAction::Same(found.id),
        (true, false) => TokenAction::Rotate(found.id),
        (false, _) => TokenAction::Replace(found.id),
    })
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
        TokenAction::Replace(id) => Some(*id),
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
    work: &Work<'_>,
    existing: &ExistingTokens,
    meant: &Meant<'_>,
    options: &Options<'_>,
) -> Result<bool> {
    let value = &meant.said.value;
    let wanted = match value.value {
        Value::Hash(_) => StorageChoice::Hashed,
        _ => StorageChoice::Auto,
    };
    token_storage::decide(
        work.schema,
        wanted,
        options.use_hashed_tokens,
        existing.hashes,
    )
    .map(|(hashed, _)| hashed)
    .map_err(|error| value.place.wrap(&error))
}

fn put(
    work: &mut Work<'_>,
    meant: &Meant<'_>,
    secret: &Secret,
    action: &TokenAction,
    hashed: bool,
    ids: &mut ManyByTime,
) -> Result<Id> {
    let Meant {
        said, org, user, ..
    } = meant;
    let hash = hash_of(secret, hashed);
    let kept = kept(secret, hash.as_deref());
    let mut details = vec![format!("of user {:?}", user.name)];
    details.push(match &said.grants.value {
        Grants::Operator => {
            "all permissions in all organizations; the login of its user gets them too".into()
        }
        Grants::AllAccess => "all permissions in its organization".into(),
        Grants::Each(each) => {
            let each: Vec<String> = each.iter().map(|can| can.value.to_string()).collect();
            each.join(", ")
        }
    });
    let (action, id) = match action {
        TokenAction::Same(id) => {
            work.plan.same += 1;
            return Ok(*id);
        }
        TokenAction::Rotate(id) => {
            let record = Record::load(work.snapshot, *id)?;
            give(
                work.snapshot,
                &record,
                kept,
                work.now,
                &mut work.plan.changes,
            )
            .map_err(|error| said.value.place.wrap(&error))?;
            details = vec!["new value; the old value no longer works".into()];
            (Action::Update, *id)
        }
        TokenAction::Create | TokenAction::Replace(_) => {
            let id = ids.another()?;
            let new = NewAuthorization {
                id,
                kept,
                active: true,
                description: &format!("{}{}", said.name.value, description_tags::APPLIED),
                org_id: org.id,
                user_id: user.id,
                permissions: &meant.permissions,
                created_at: &work.now.rfc3339,
            };
            new.put(&mut work.plan.changes);
            match action {
                TokenAction::Replace(old) => {
                    details.push(format!("replaces {old}"));
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
        name: said.name.value.clone(),
        org: Some(org.name.clone()),
        details,
    });
    Ok(id)
}

/// Checks the tokens as they will be stored. Refuses a new token that a server would reject; adds a
/// note for an existing one. `touched` maps each token to whether it stays unchanged.
fn validate_all(work: &mut Work<'_>, touched: &HashMap<Id, (&Meant<'_>, bool)>) -> Result<()> {
    let preview = work.preview();
    let catalog = Catalog::load(&preview)?;
    let (indexes, _) = TokenIndexes::load(&preview)?;
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
        let why = judged.reasons.join("; ");
        // A user made it inactive, and a list can't set the status.
        if *stays || !record.is_active() {
            let name = &meant.said.name.value;
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
    work.plan.notes.extend(notes);
    Ok(())
}
