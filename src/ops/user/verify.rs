//! `user verify`: whether a password signs a user in, and with which power.
//!
//! The store is read first, so that no lock is held while the password is compared, which takes long
//! on purpose.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, Result};
use crate::metadata::lookup::Lookup;
use crate::metadata::v1_users::V1Users;
use crate::metadata::{Catalog, Schema, User as UserRecord, names, password};
use crate::ops::auth::list::AuthDetails;
use crate::ops::logins::logins;
use crate::ops::resolve;
use crate::ops::token_counts::TokenCounts;
use crate::ops::user::list;
use crate::ops::user::list::User;
use crate::secret::Token;
use crate::store::Snapshot;

/// The answer.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Verified<'a> {
    /// Whether a server would accept the name with the password, and the requests that follow.
    pub authenticates: bool,
    /// Whether it is the stored password. None if none is stored, or it can't be compared.
    pub password_matches: Option<bool>,
    /// The user whose login it is; none for a 1.x user.
    pub user: Option<&'a User>,
    /// The 1.x-compatible authorization, or the one whose token is the password; none for a login.
    pub authorization: Option<AuthDetails<'a>>,
    /// Whether the login has power over the whole instance; none if unknown, and for a 1.x user.
    pub operator: Option<bool>,
    /// What gives the login its power; none for a 1.x user.
    pub power: Option<&'a str>,
    /// The databases that a 1.x user can use. Empty for a login.
    pub databases: Vec<Database>,
    /// Why not, or where only some clients are refused.
    pub reasons: Vec<String>,
    /// The command that helps; none if the answer is "yes".
    pub hint: Option<String>,
}

/// A 1.x database with a retention policy, as a 1.x user can use it.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The 1.x database.
    pub database: String,
    /// Its retention policy.
    pub retention_policy: String,
    /// Whether requests without a retention policy use it.
    pub default: bool,
    /// The bucket.
    pub bucket: String,
    /// Whether the 1.x user may read it.
    pub read: bool,
    /// Whether the 1.x user may write it.
    pub write: bool,
}

/// What is stored about a password.
pub(crate) struct StoredPassword {
    /// None if none is stored.
    pub(crate) hash: Option<Zeroizing<Vec<u8>>>,
    /// The schema of the store.
    pub(crate) schema: u64,
}

/// The reason for every wrong password.
pub const WRONG: &str = "the password is wrong";

impl StoredPassword {
    /// Whether it is this password (none if that can't be told), and whether servers accept it; adds
    /// the reasons why not. `strong` is InfluxDB's setting `strong-passwords`.
    pub(crate) fn compare(
        &self,
        password: &Token,
        strong: bool,
        reasons: &mut Vec<String>,
    ) -> (Option<bool>, bool) {
        /// The first schema of which every release refuses short and long passwords.
        const RULES_FOR_ALL: u64 = 21;
        let Some(hash) = &self.hash else {
            reasons.push("no password is set".into());
            return (None, false);
        };
        let hash = String::from_utf8_lossy(hash);
        if password::is_costly(&hash) {
            reasons.push("the stored hash has a cost at which a comparison takes too long".into());
            return (None, false);
        }
        if !password::matches(password, &hash) {
            reasons.push(WRONG.into());
            return (Some(false), false);
        }
        let Err(why) = password::valid(password, strong) else {
            return (Some(true), true);
        };
        let since = match self.schema >= RULES_FOR_ALL {
            true => "",
            false => "; releases before 2.7.6 accept it",
        };
        reasons.push(format!(
            "it is the stored password, but servers refuse it: {why}{since}"
        ));
        (Some(true), false)
    }
}

/// The facts about a login, without the password.
pub struct Facts {
    user: User,
    stored: StoredPassword,
    /// How name and record disagree.
    problem: Option<Problem>,
    operator: Option<bool>,
    power: Option<String>,
}

/// How a name and the record of its user disagree.
struct Problem {
    text: String,
    /// Whether the name does not lead to the user. Otherwise influxd takes another user's.
    blocks: bool,
}

/// Checks that there is a user of this name.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none.
pub fn must_exist(snapshot: &dyn Snapshot, name: &str) -> Result<()> {
    let catalog = Catalog::load(snapshot)?;
    let Err(error) = find(&catalog, name) else {
        return Ok(());
    };
    let is_v1 = V1Users::load(snapshot)?.by_name(name).found().is_some();
    Err(match is_v1 && error.kind() == ErrorKind::NoSuchRecord {
        true => error.with_hint(
            "there is a 1.x user of this name: with --v1, boltkey user verify checks its password",
        ),
        false => error,
    })
}

/// The user whose password a server compares, or would compare with a right entry.
fn find<'c>(catalog: &'c Catalog, name: &str) -> Result<(&'c UserRecord, Option<Problem>)> {
    let lookup = catalog.user_by_name(name);
    let problem = |blocks| {
        let text = lookup.problem()?;
        Some(Problem { text, blocks })
    };
    match &lookup {
        Lookup::Elsewhere { to, .. } => return Ok((to, problem(false))),
        Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => {
            if let Some(first) = records.first() {
                return Ok((first, problem(true)));
            }
        }
        Lookup::Found(_) | Lookup::Nobody => {}
    }
    resolve::user_named(catalog, name).map(|user| (user, None))
}

impl Facts {
    /// Reads them.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`] when there is no user of this name.
    pub fn load(snapshot: &dyn Snapshot, name: &str) -> Result<Self> {
        let catalog = Catalog::load(snapshot)?;
        let (record, problem) = find(&catalog, name)?;
        let id = record.id;
        let hash = snapshot.get(names::USER_PASSWORDS, id.to_string().as_bytes())?;
        let counts = TokenCounts::of(snapshot, &catalog)?;
        let login = logins(snapshot, &catalog, &counts)?;
        let login = login.readable.into_iter().find(|login| login.id == id);
        Ok(Self {
            user: list::by_id(snapshot, id)?,
            stored: StoredPassword {
                hash: hash.filter(|hash| !hash.is_empty()).map(Zeroizing::new),
                schema: Schema::load(snapshot)?.migrations,
            },
            problem,
            operator: login.as_ref().and_then(|login| login.operator),
            power: login.map(|login| login.because),
        })
    }

    /// Compares the password and hands the answer to `use_it`. No store is needed.
    pub fn verify<T>(
        &self,
        password: &Token,
        strong: bool,
        use_it: impl FnOnce(&Verified<'_>) -> T,
    ) -> T {
        let mut reasons = Vec::new();
        let (matches, accepted) = self.stored.compare(password, strong, &mut reasons);
        let id = self.user.id;
        let mut authenticates = matches == Some(true) && accepted;
        let mut hint = (!authenticates)
            .then(|| format!("boltkey user password --id {id} sets a new password"));
        if self.user.status == "inactive" {
            reasons.push(
                "the user is inactive: the server accepts the sign-in and then refuses every request"
                    .into(),
            );
            authenticates = false;
            let activate = "activates the user";
            let activate = format!("boltkey user update --id {id} --status active {activate}");
            hint.get_or_insert(activate);
        }
        if let Some(problem) = &self.problem {
            reasons.push(problem.text.clone());
            if problem.blocks {
                authenticates = false;
                hint.get_or_insert("boltkey repair corrects the index of names".into());
            }
        }
        use_it(&Verified {
            authenticates,
            password_matches: matches,
            user: Some(&self.user),
            authorization: None,
            operator: self.operator,
            power: self.power.as_deref(),
            databases: Vec::new(),
            reasons,
            hint,
        })
    }
}
