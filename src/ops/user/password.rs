//! `user password`: a password for a user who exists.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::lookup::{LoginName, LoginNames, Lookup, Named};
use crate::metadata::{Catalog, User as UserRecord, names, password};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::user::list;
use crate::ops::user::list::User;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// A password that is worked out.
pub struct Plan {
    /// What is to be written.
    pub changes: ChangeSet,
    /// As `user list` shows it.
    pub user: User,
    /// Whether the index entry of the name is made too: without it nobody could sign in.
    pub mends: bool,
    /// Whether there is a password already.
    pub had_one: bool,
}

/// Works out the change. Without a password, for a look at the user, there is none.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such user
/// * [`ErrorKind::Refused`] for passwords that InfluxDB refuses
pub fn plan(
    snapshot: &dyn Snapshot,
    by: &By,
    password: Option<&Token>,
    strong: bool,
) -> Result<Plan> {
    known_schema(snapshot)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let (user, mends) = who(&catalog, by)?;
    let id = user.id;
    let mut changes = ChangeSet::default();
    let key = id.to_string();
    let old = snapshot.get(names::USER_PASSWORDS, key.as_bytes())?;
    if let Some(password) = password {
        let hash = hash(password, strong)?;
        changes.put(names::USER_PASSWORDS, key.as_bytes(), hash.as_bytes());
        if mends {
            changes.put(names::USER_INDEX, &user.key(), key.as_bytes());
        }
    }
    let user = list::by_id(&Preview::new(snapshot, &changes), id)?;
    Ok(Plan {
        changes,
        user,
        mends,
        had_one: old.is_some_and(|old| !old.is_empty()),
    })
}

/// The user, and whether the entry of the name has to be mended. That is done only where the entry
/// leads to nobody, and no other user has the name.
fn who<'c>(catalog: &'c Catalog, by: &By) -> Result<(&'c UserRecord, bool)> {
    let user = match by {
        By::Id(_) => resolve::user(catalog, Some(by), ErrorKind::Usage)?,
        By::Name(name) => match without_entry(&catalog.user_by_name(name)) {
            Some(user) => user,
            None => resolve::user_named(catalog, name)?,
        },
    };
    let mends = without_entry(&catalog.user_by_name(&user.name)).is_some();
    if let (false, LoginName::None(why)) = (mends, LoginNames::new(catalog).of(user)) {
        let message = format!(
            "nobody could sign in with a password of user {:?} ({}): {why}",
            user.name, user.id
        );
        return Err(Error::new(ErrorKind::Refused, message).with_hint(
            "boltkey user create makes a user with another name; boltkey check tells which record \
             and entry disagree",
        ));
    }
    Ok((user, mends))
}

/// The only user of a name whose entry leads to nobody.
fn without_entry<'c>(lookup: &Lookup<'c, UserRecord>) -> Option<&'c UserRecord> {
    match lookup {
        Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => match records.as_slice() {
            [only] => Some(only),
            _ => None,
        },
        _ => None,
    }
}

/// Whether InfluxDB takes a password; `strong` as its setting `strong-passwords`.
///
/// # Errors
/// [`ErrorKind::Refused`] if it does not.
pub fn check(text: &Token, strong: bool) -> Result<()> {
    password::valid(text, strong).map_err(|why| {
        let error = Error::new(ErrorKind::Refused, why);
        match password::valid(text, false) {
            Ok(()) => error.with_hint("influxd's setting strong-passwords asks for that"),
            Err(_) => error,
        }
    })
}

/// The hash of a password that InfluxDB takes.
///
/// # Errors
/// [`ErrorKind::Refused`] for one that it does not take.
pub(crate) fn hash(text: &Token, strong: bool) -> Result<zeroize::Zeroizing<String>> {
    check(text, strong)?;
    let hash = password::hash(text).map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("the password can't be hashed: {cause}"),
        )
    })?;
    // What can't be verified is nobody's password.
    if !password::matches(text, &hash) {
        return Err(Error::new(
            ErrorKind::Refused,
            "InfluxDB would not recognise this password",
        ));
    }
    Ok(zeroize::Zeroizing::new(hash))
}

impl Plan {
    /// Makes it hold, and proves that the file shows it.
    ///
    /// # Errors
    /// When the change was certainly not made.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the new password")
    }
}
