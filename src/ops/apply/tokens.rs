//! Tokens of a list.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::authenticate::{TokenIndexes, judge};
use crate::metadata::new_authorization::NewAuthorization;
use crate::metadata::permission::Permission;
use crate::metadata::post_request::fits;
use crate::metadata::{
    Can, Catalog, Id, Organization, User, authorization, description_tags, names, permission,
};
use crate::ops::apply::list::{Grants, List, Said, Token};
use crate::ops::apply::{Action, Kind, Options, PlannedChange, Work};
use crate::ops::auth::create::known_type;
use crate::ops::auth::delete;
use crate::ops::auth::record::Record;
use crate::ops::auth::rotate::{give, must_be_of_use};
use crate::ops::token_plan::existing_tokens::{ExistingTokens, TokenInUse, TokenLookup};
use crate::ops::token_plan::new_id::ManyByTime;
use crate::ops::token_plan::new_token::{hash_of, kept, must_be_free, secret};
use crate::ops::token_plan::token_storage::StorageChoice;
use crate::ops::token_plan::{Secret, Value, token_storage};
use crate::ops::{commit, resolve};
use crate::store::Snapshot;

/// A token that an earlier run made.
struct Found {
    id: Id,
    user: Option<Id>,
    permissions: BTreeSet<String>,
}

/// Those of an earlier run, by organization and name. One name may stand for several.
type Earlier = HashMap<(Id, String), Vec<Found>>;

/// What is to become of one token of the list.
enum TokenAction {
    Same(Id),
    Create,
    /// Another value for the same record.
    Rotate(Id),
    /// A record with other permissions, or another owner: what a token may do can't be changed.
    Replace(Id),
}

/// A token of the list with all that its words mean in this store.
struct Meant<'a> {
    said: &'a Token,
    org: &'a Organization,
    user: &'a User,
    permissions: Vec<Permission<'static>>,
}

/// Makes the tokens that are not there, gives others what they lack, and takes those away that the
/// list no longer names, if that is wanted.
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
        // A value is free that goes with its token: the list has given it another name.
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
    judge_all(work, &touched)
}

/// Looks up what the words of the list stand for.
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
            let why = format!("line {first} names a token of the same name and organization");
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
    let kind = value.kind().unwrap_or_default();
    known_type(kind, schema).map_err(|error| place.wrap(&error))?;
    if let Some(permission) = value.grant(org.id, catalog) {
        return Ok(permission);
    }
    let name = value.target().unwrap_or_default();
    let error = match kind {
        "buckets" => resolve::bucket_named(catalog, org.id, name).err(),
        "orgs" => resolve::org_named(catalog, name).err(),
        "users" => resolve::user_named(catalog, name).err(),
        _ => None,
    };
    let by_id = || {
        let why = "resources of this type are named by their ID of 16 hex digits";
        Error::new(ErrorKind::Refused, why)
    };
    Err(place.wrap(&error.unwrap_or_else(by_id)))
}

/// The values that must not be another's.
fn lookup<'s>(list: &List, secrets: &'s [Secret]) -> Result<TokenLookup<'s>> {
    let mut lookup = TokenLookup::default();
    for (number, (token, secret)) in list.tokens.iter().zip(secrets).enumerate() {
        let same = match (&token.value.value, secret) {
            // 64 random bytes are nobody else's.
            (Value::Generated, _) => None,
            (_, Secret::Token(token)) => lookup.add_token(number, token),
            (_, Secret::Hash(hash)) => lookup.add_hash(number, hash),
        };
        if let Some(first) = same.and_then(|same| list.tokens.get(same)) {
            let why = format!(
                "this is the value of token {:?} (line {}) too; no two tokens have the same",
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

/// Permissions without their order.
fn as_set(permissions: &[Permission<'_>]) -> BTreeSet<String> {
    permissions.iter().map(Permission::to_string).collect()
}

/// Those of an earlier run that the list does not name.
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

/// `in_use` tells who has the value, if somebody has.
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
                // The end of the description is all that makes it one of the list's.
                error.with_hint(format!(
                    "if that is the token which the list means, boltkey auth update {id} \
                     --description '{}{}' hands it over; boltkey auth show tells more about it",
                    shell(&said.name.value),
                    description_tags::APPLIED
                ))
            })?;
            return Ok(TokenAction::Create);
        }
        Some([found]) => found,
        Some([first, second, ..]) => {
            let why = format!(
                "the store has several tokens of this name, {} and {}",
                first.id, second.id
            );
            let hint = "boltkey auth update gives one of them another description, boltkey auth \
                        delete removes it";
            return Err(said.name.place.refused(why).with_hint(hint));
        }
    };
    if matches!(said.value.value, Value::Generated) {
        let why = format!(
            "the store has this token ({}), but its file is gone; another one is not made for it",
            found.id
        );
        return Err(place.refused(why).with_hint(format!(
            "put the file back, or give it a new value: boltkey auth rotate {} --token-out FILE",
            found.id
        )));
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

/// For single quotes in a shell.
fn shell(text: &str) -> String {
    text.replace('\'', r"'\''")
}

/// Takes away what is replaced, and what the list no longer names.
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
    let plan = delete::plan(work.snapshot, &ids)?;
    work.plan.changes.extend(plan.changes);
    let is_operator = |meant: &Meant<'_>| matches!(meant.said.grants.value, Grants::Operator);
    work.plan.last_operator = plan.last_operator && !meant.iter().any(is_operator);
    for deleted in plan
        .deleted
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
    work.plan.deleted = plan.deleted;
    Ok(())
}

/// Whether a token is kept as its hash.
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
            "everything, in every organization; signing in as its user gives that too".into()
        }
        Grants::AllAccess => "everything in its organization".into(),
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
            details = vec!["another value; the old one opens nothing any more".into()];
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
                    details.push(format!("instead of {old}, with the same name"));
                    (Action::Replace, id)
                }
                _ => (Action::Create, id),
            }
        }
    };
    if let (Some(path), Secret::Token(token)) = (&said.out, secret) {
        details.push(format!("its value goes to {}", path.display()));
        work.plan.made.push((path.clone(), token.clone()));
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

/// Refuses tokens that a server would refuse, and tells of those that were there already; as the
/// store will be. `touched` tells of each token of the list whether it stays as it is.
fn judge_all(work: &mut Work<'_>, touched: &HashMap<Id, (&Meant<'_>, bool)>) -> Result<()> {
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
        // Somebody made it inactive, and the list does not say that it is to be active.
        if *stays || !record.is_active() {
            let name = &meant.said.name.value;
            let id = record.id;
            notes.push(format!(
                "token {name:?} ({id}) is there, but a server refuses it: {why}"
            ));
        } else if refused.is_ok() {
            let why = format!("a server would refuse this token: {why}");
            refused = Err(meant.said.user.place.refused(why));
        }
    })?;
    refused?;
    work.plan.notes.extend(notes);
    Ok(())
}
