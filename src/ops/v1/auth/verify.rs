//! `user verify --v1`: whether the 1.x endpoints accept a user name and a password, and for which
//! databases.

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::metadata::authenticate::{TokenIndexes, Verdict};
use crate::metadata::lookup::Lookup;
use crate::metadata::permission::{Action, Permission, allows};
use crate::metadata::v1_users::V1Users;
use crate::metadata::{
    Authorization, Catalog, Id, Schema, authenticate, authorization, names, v1_access,
};
use crate::ops::auth::list::Lister;
use crate::ops::auth::next_step;
use crate::ops::resolve::{By, no_such};
use crate::ops::user::verify::{Database, StoredPassword, Verified};
use crate::ops::v1::auth::find::{load, stored_password};
use crate::ops::v1::dbrp::mapping::{Mapping, Stored, all};
use crate::secret::Token;
use crate::store::Snapshot;

/// What the server finds by a user name and a password, before it compares the password.
pub struct Facts {
    name: String,
    found: Found,
    /// All mappings of the store.
    mappings: Vec<Mapping>,
}

/// What the server finds.
enum Found {
    /// A 1.x user.
    V1User(Box<FoundUser>),
    /// No 1.x user, but the password is an API token.
    Token(Box<FoundToken>),
    /// Neither.
    Nobody {
        /// Whether a 2.x user has the name.
        is_user: bool,
        /// The most similar 1.x users come first.
        hint: String,
    },
}

struct FoundUser {
    record: FoundRecord,
    stored: StoredPassword,
    /// How name and record disagree. A problem that the record does not show.
    problem: Option<String>,
    /// Whether the password is an API token.
    is_token: bool,
}

struct FoundToken {
    record: FoundRecord,
    /// Whether the 1.x endpoints accept it.
    verdict: Verdict,
}

/// A record and the names for its report.
struct FoundRecord {
    id: Id,
    bytes: Zeroizing<Vec<u8>>,
    lister: Lister,
}

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    /// When the file can't be read, or a record on the way is damaged.
    pub fn load(snapshot: &dyn Snapshot, name: &str, password: &Token) -> Result<Self> {
        let catalog = Catalog::load(snapshot)?;
        let mappings = all(&Stored::load(snapshot)?, &catalog);
        let users = V1Users::load(snapshot)?;
        let lookup = users.by_name(name);
        let user = match &lookup {
            Lookup::Found(user) => Some(*user),
            Lookup::Elsewhere { to, .. } => Some(*to),
            Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => records.first().copied(),
            Lookup::Nobody => None,
        };
        let found = if let Some(user) = user {
            let problem = match lookup {
                Lookup::Elsewhere { .. } => lookup.problem(),
                // The record's own problems say the same.
                _ => None,
            };
            let mut user = FoundUser::load(snapshot, catalog, user.id, problem)?;
            user.is_token = authenticate::find(snapshot, password)?.is_some();
            Found::V1User(Box::new(user))
        } else if let Some(id) = authenticate::find(snapshot, password)? {
            Found::Token(Box::new(FoundToken::load(snapshot, catalog, id)?))
        } else {
            let names = users.users.values().map(|user| user.name.as_str());
            let by = By::Name(name.to_owned());
            let error = no_such("1.x user", &by, names);
            Found::Nobody {
                is_user: catalog.user_by_name(name).found().is_some(),
                hint: error.hint().unwrap_or_default().to_owned(),
            }
        };
        Ok(Self {
            name: name.to_owned(),
            found,
            mappings,
        })
    }

    /// Compares the password and hands the answer to `use_it`. No store is needed.
    pub fn verify<T>(
        &self,
        password: &Token,
        strong: bool,
        use_it: impl FnOnce(&Verified<'_>) -> T,
    ) -> T {
        match &self.found {
            Found::V1User(user) => self.verify_user(user, password, strong, use_it),
            Found::Token(found) => self.verify_token(found, use_it),
            Found::Nobody { is_user, hint } => {
                let mut reasons = vec![format!("there is no 1.x user called {:?}", self.name)];
                let hint = match is_user {
                    true => {
                        reasons.push(format!(
                            "{:?} is a user of 2.x, whose password 1.x clients can't use",
                            self.name
                        ));
                        "boltkey v1 auth create creates a 1.x user; 1.x clients may also use a token \
                         as the password"
                            .to_owned()
                    }
                    false => format!("{hint}; boltkey v1 auth create creates another"),
                };
                use_it(&Verified {
                    authenticates: false,
                    password_matches: None,
                    user: None,
                    authorization: None,
                    operator: None,
                    power: None,
                    databases: Vec::new(),
                    reasons,
                    hint: Some(hint),
                })
            }
        }
    }

    fn verify_user<T>(
        &self,
        user: &FoundUser,
        password: &Token,
        strong: bool,
        use_it: impl FnOnce(&Verified<'_>) -> T,
    ) -> T {
        let mut reasons = Vec::new();
        let (matches, accepted) = user.stored.compare(password, strong, &mut reasons);
        let id = user.record.id;
        let record = user.record.decode();
        let has_password = user.stored.hash.is_some();
        let entry = record
            .as_ref()
            .map(|record| user.record.lister.legacy_entry(record, has_password));
        let usable = entry.as_ref().and_then(|entry| entry.usable) == Some(true);
        if let Some(entry) = &entry {
            let own = entry.problems.iter();
            reasons.extend(own.filter(|one| *one != "no password is set").cloned());
        }
        reasons.extend(user.problem.clone());
        if user.is_token && matches != Some(true) {
            reasons.push(
                "it is an API token: 1.x clients may use it as the password of any name that is no \
                 1.x user"
                    .into(),
            );
        }
        let authenticates = matches == Some(true) && accepted && usable;
        let hint = if authenticates {
            None
        } else if matches != Some(true) || !accepted {
            Some(format!(
                "boltkey v1 auth password --id {id} sets a new password"
            ))
        } else {
            let catalog = user.record.lister.catalog();
            let step = |record| next_step::for_unusable_v1(record, catalog, has_password);
            record.as_ref().map(step)
        };
        let databases = record
            .as_ref()
            .map(|record| self.databases(&record.permissions, record.org_id));
        let databases = databases.unwrap_or_default();
        if databases.is_empty() {
            reasons.push("no database leads to a bucket that it may use".into());
        }
        use_it(&Verified {
            authenticates,
            password_matches: matches,
            user: None,
            authorization: entry,
            operator: None,
            power: None,
            databases,
            reasons,
            hint,
        })
    }

    fn verify_token<T>(&self, found: &FoundToken, use_it: impl FnOnce(&Verified<'_>) -> T) -> T {
        let record = found.record.decode();
        let lister = &found.record.lister;
        let entry = record.as_ref().map(|record| lister.entry(record));
        let authenticates = found.verdict.authenticates;
        let mut reasons = vec![format!(
            "there is no 1.x user called {:?}, but the password is an API token, which 1.x clients \
             may use with any such name",
            self.name
        )];
        reasons.extend(found.verdict.reasons.iter().cloned());
        let id = found.record.id;
        let hint = (!authenticates).then(|| format!("boltkey auth show {id} shows the token"));
        let databases = record
            .as_ref()
            .map(|record| self.databases(&record.permissions, record.org_id));
        use_it(&Verified {
            authenticates,
            password_matches: None,
            user: None,
            authorization: entry,
            operator: None,
            power: None,
            databases: databases.unwrap_or_default(),
            reasons,
            hint,
        })
    }

    /// The databases of an organization whose buckets these permissions allow.
    fn databases(&self, granted: &[Permission<'_>], org: Id) -> Vec<Database> {
        let mappings = self.mappings.iter();
        let of_org = mappings.filter(|mapping| mapping.org_id == Some(org));
        let databases = of_org.filter_map(|mapping| {
            let (id, bucket) = (mapping.bucket_id?, mapping.bucket.clone()?);
            let may = |action| {
                let request = Permission::new(action, "buckets", Some(id), Some(org));
                allows(granted, &request)
            };
            let (read, write) = (may(Action::Read), may(Action::Write));
            (read || write).then(|| Database {
                database: mapping.database.clone(),
                retention_policy: mapping.retention_policy.clone(),
                default: mapping.default,
                bucket,
                read,
                write,
            })
        });
        databases.collect()
    }
}

impl FoundUser {
    fn load(
        snapshot: &dyn Snapshot,
        catalog: Catalog,
        id: Id,
        problem: Option<String>,
    ) -> Result<Self> {
        let bytes = load(snapshot, id)?;
        Ok(Self {
            record: FoundRecord {
                id,
                bytes,
                lister: Lister::of_one_legacy(snapshot, catalog, id)?,
            },
            stored: StoredPassword {
                hash: stored_password(snapshot, id)?.map(Zeroizing::new),
                schema: Schema::load(snapshot)?.migrations,
            },
            problem,
            is_token: false,
        })
    }
}

impl FoundToken {
    fn load(snapshot: &dyn Snapshot, catalog: Catalog, id: Id) -> Result<Self> {
        let bytes = snapshot.get(names::AUTHORIZATIONS, id.to_string().as_bytes())?;
        let verdict = authorization::with(snapshot, id, |record| {
            let indexes = TokenIndexes::of(snapshot, [record])?;
            Ok::<_, Error>(v1_access::judge_token(record, &catalog, &indexes))
        })?;
        Ok(Self {
            record: FoundRecord {
                id,
                bytes: Zeroizing::new(bytes.unwrap_or_default()),
                lister: Lister::of_one(snapshot, catalog, id, false)?,
            },
            verdict: verdict.transpose()?.unwrap_or(Verdict {
                authenticates: false,
                unknown: false,
                reasons: Vec::new(),
            }),
        })
    }
}

impl FoundRecord {
    fn decode(&self) -> Option<Authorization<'_>> {
        serde_json::from_slice(&self.bytes).ok()
    }
}
