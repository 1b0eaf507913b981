//! `recover operator`: a new operator token without an old one.

use std::collections::HashMap;

use zeroize::Zeroizing;

use super::auth_list::{Entry, Filters, Lister};
use super::commit::{Around, all_decoded, commit, known_schema};
use super::{new_id, token};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::authorization::{Undecoded, classify};
use crate::metadata::catalog::{Organization, Undecodable, User, undecodable_record};
use crate::metadata::migration::HASHING;
use crate::metadata::new_authorization::{Keeping, NewAuthorization};
use crate::metadata::permission::of_operator;
use crate::metadata::{
    Authorization, Catalog, Id, Kind, Storage, authenticate, mapping, names, parallel,
};
use crate::ops::moment::Moment;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Outcome, Preview, Snapshot, WritableStore};

/// For whom, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The user who is to own the token; none: the only one.
    pub user: Option<String>,
    /// The organization it is to belong to; none: the only one.
    pub org: Option<String>,
    /// What an explicit `use-hashed-tokens` of influxd says.
    pub use_hashed_tokens: Option<bool>,
}

/// Why a token is kept the way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptBecause {
    /// Releases of this schema know no hashed tokens.
    Schema,
    /// An explicit `use-hashed-tokens` says so.
    Setting,
    /// The store holds hashed tokens already, or none.
    Store,
}

/// A token that is to be made, and all that is known of it before it is.
pub struct Plan {
    /// What is to be written.
    pub changes: ChangeSet,
    token: Token,
    id: Id,
    record: Zeroizing<Vec<u8>>,
    lister: Lister,
    kept_because: KeptBecause,
    login_had_power: bool,
    schema: u64,
}

/// What was made, or would be.
pub struct Recovered<'a> {
    /// As `auth list` shows it, with the token itself if it was made.
    pub entry: Entry<'a>,
    /// Why it is kept as it is.
    pub kept_because: KeptBecause,
    /// Whether the owner's login had operator power already. It has now.
    pub login_had_power: bool,
    /// The schema, by the number of its last migration.
    pub schema: u64,
}

/// The users and organizations to choose from, for those who have to be asked.
///
/// # Errors
/// When the file can't be read.
pub fn choices(snapshot: &dyn Snapshot) -> Result<(Vec<User>, Vec<Organization>)> {
    let catalog = Catalog::load(snapshot).map_err(Error::nothing_changed)?;
    Ok((
        catalog.users.into_values().collect(),
        catalog.orgs.into_values().collect(),
    ))
}

/// Works out the token and its record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Confirmation`] when there are several to choose from
/// * [`ErrorKind::NoSuchRecord`] when there is none, or none of that name
/// * [`ErrorKind::Refused`] when the token would not be accepted
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Moment) -> Result<Plan> {
    work_out(snapshot, options, now).map_err(Error::nothing_changed)
}

fn work_out(snapshot: &dyn Snapshot, options: &Options, now: &Moment) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let user = choose_user(&catalog, options.user.as_deref())?;
    let org = choose_org(&catalog, options.org.as_deref())?;

    let mut hashes = false;
    let (mappings, _) = mapping::load(snapshot)?;
    let mut login_had_power = mappings
        .iter()
        .any(|mapping| mapping.user_id == user.id && mapping.owns_instance());
    let mut undecodable = Undecodable::default();
    let damage = parallel::scan(
        snapshot,
        names::AUTHORIZATIONS,
        &|some: &mut Tokens, key, value| some.add(user.id, key, value),
        &mut |some| {
            hashes |= some.hashes;
            login_had_power |= some.login_has_power;
            undecodable.append(some.undecodable);
        },
    )?;
    all_decoded(&damage)?;
    all_decoded(undecodable.told())?;
    let (keeping, kept_because) = match options.use_hashed_tokens {
        _ if schema < HASHING => (Keeping::Plaintext, KeptBecause::Schema),
        Some(true) => (Keeping::Hashed, KeptBecause::Setting),
        Some(false) => (Keeping::Plaintext, KeptBecause::Setting),
        None if hashes => (Keeping::Hashed, KeptBecause::Store),
        None => (Keeping::Plaintext, KeptBecause::Store),
    };

    let token = token::generate()?;
    let id = new_id::authorization(snapshot, now)?;
    let permissions = of_operator(schema);
    let new = NewAuthorization {
        id,
        token: &token,
        keeping,
        description: &format!("{}'s Recovery Token", user.name),
        org_id: org.id,
        user_id: user.id,
        permissions: &permissions,
        created_at: &now.rfc3339,
    };
    let mut changes = ChangeSet::default();
    new.put(&mut changes);
    let record = new.record();
    // As the store will be: what would refuse the token there is found here.
    let preview = Preview::new(snapshot, &changes);
    let lister = Lister::new(&preview, Filters::default(), false)?;
    let plan = Plan {
        record,
        lister,
        token,
        id,
        kept_because,
        login_had_power,
        schema,
        changes,
    };
    plan.show(false, |recovered| {
        if recovered.entry.usable {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "a server would refuse the new token: {}; nothing was changed",
                recovered.entry.problems.join("; ")
            ),
        )
        .with_hint("name another user with --user; boltkey user list shows them"))
    })??;
    Ok(plan)
}

/// What some of the authorizations tell.
#[derive(Default)]
struct Tokens {
    /// Whether one of them is kept as a hash.
    hashes: bool,
    /// Whether one of them is the user's and an operator token.
    login_has_power: bool,
    /// By the permissions as written, which most have in common with others: whether they are an
    /// operator's.
    operators: HashMap<Box<str>, bool>,
    undecodable: Undecodable,
}

impl Tokens {
    fn add(&mut self, user: Id, key: &[u8], value: &[u8]) {
        if let Err(finding) = self.try_add(user, key, value) {
            self.undecodable.push(finding);
        }
    }

    fn try_add(&mut self, user: Id, key: &[u8], value: &[u8]) -> Result<(), Finding> {
        let bucket = names::AUTHORIZATIONS;
        let record = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value)?;
        self.hashes |= matches!(record.storage(), Storage::Hashed | Storage::Both);
        let text = record.permissions.text();
        let is_operator = match self.operators.get(text) {
            Some(known) => *known,
            None => {
                let permissions = record
                    .permissions
                    .decode()
                    .map_err(|cause| undecodable_record(bucket, key, &cause))?;
                let is_operator = classify(&permissions, record.org_id).kind == Kind::Operator;
                self.operators.insert(text.into(), is_operator);
                is_operator
            }
        };
        self.login_has_power |= is_operator && record.user_id == Some(user);
        Ok(())
    }
}

impl Plan {
    /// Hands what is to be made to `use_it`; with the token itself only if it `was_made`.
    ///
    /// # Errors
    /// Never, as long as the record that was just made can be decoded.
    pub fn show<T>(&self, was_made: bool, use_it: impl FnOnce(&Recovered<'_>) -> T) -> Result<T> {
        let record: Authorization<'_> = serde_json::from_slice(&self.record).map_err(|_| {
            Error::new(
                ErrorKind::Refused,
                "the new record can't be decoded; nothing was changed",
            )
        })?;
        let mut entry = self.lister.entry(&record);
        entry.token = was_made.then(|| self.token.reveal());
        Ok(use_it(&Recovered {
            entry,
            kept_because: self.kept_because,
            login_had_power: self.login_had_power,
            schema: self.schema,
        }))
    }

    /// The new token's ID.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The new token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Makes it hold, and proves on what the file then shows that the token authenticates. A
    /// proof that fails is a failure of [`Committed`]: the change holds by then.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(&self, store: &mut WritableStore, around: &Around<'_>) -> Result<Committed> {
        let mut committed = commit(store, &self.changes, around)?;
        if committed.outcome == Outcome::Changed && committed.failure.is_none() {
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
            .with_hint("boltkey auth verify tells whether the token works")
        };
        match authenticate::find(store, &self.token) {
            Ok(Some(id)) if id == self.id => Ok(()),
            Ok(_) => Err(incomplete("the file does not show it as it should".into())),
            Err(error) => Err(incomplete(format!("it can't be read back: {error}"))),
        }
    }
}

fn choose_user<'c>(catalog: &'c Catalog, name: Option<&str>) -> Result<&'c User> {
    if let Some(name) = name {
        return catalog.user_by_name(name).ok_or_else(|| {
            no_such(
                "user",
                name,
                catalog.users.values().map(|user| user.name.as_str()),
            )
        });
    }
    let mut users = catalog.users.values();
    match (users.next(), users.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(
            ErrorKind::NoSuchRecord,
            "the store has no user who could own a token; nothing was changed",
        )
        .with_hint(
            "start influxd and set it up in the browser or by influx setup: a server without \
             users offers that; or is this the wrong file? boltkey status tells what it holds",
        )),
        _ => Err(several(
            "users",
            "--user",
            catalog.users.values().map(|user| user.name.as_str()),
        )),
    }
}

fn choose_org<'c>(catalog: &'c Catalog, name: Option<&str>) -> Result<&'c Organization> {
    if let Some(name) = name {
        return catalog.org_by_name(name).ok_or_else(|| {
            no_such(
                "organization",
                name,
                catalog.orgs.values().map(|org| org.name.as_str()),
            )
        });
    }
    let mut orgs = catalog.orgs.values();
    match (orgs.next(), orgs.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(
            ErrorKind::NoSuchRecord,
            "the store has no organization a token could belong to; nothing was changed",
        )
        .with_hint(
            "is this the right file? boltkey status tells what it holds; a server without any \
             organization offers its setup when it starts",
        )),
        _ => Err(several(
            "organizations",
            "--org",
            catalog.orgs.values().map(|org| org.name.as_str()),
        )),
    }
}

fn several<'n>(what: &str, option: &str, names: impl Iterator<Item = &'n str>) -> Error {
    Error::new(
        ErrorKind::Confirmation,
        format!(
            "there are several {what}: {}; nothing was changed",
            listed(names)
        ),
    )
    .with_hint(format!("choose one with {option} NAME"))
}

fn no_such<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> Error {
    Error::new(
        ErrorKind::NoSuchRecord,
        format!("there is no {what} called {name:?}; nothing was changed"),
    )
    .with_hint(format!("there are: {}", listed(names)))
}

/// A few names, quoted, and how many more there are.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const MOST: usize = 20;
    let mut names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() {
        return String::from("none");
    }
    if names.len() > MOST {
        let more = names.len() - MOST;
        names.truncate(MOST);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}
