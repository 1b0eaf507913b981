//! `user password`: sets the password of an existing user.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::lookup::{LoginName, LoginNames, Lookup, Named};
use crate::metadata::{Catalog, Fingerprint, User as UserRecord, names, password};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::user::list;
use crate::ops::user::list::User;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// A planned change of a password.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// As `user list` shows it.
    pub user: User,
    /// Whether the missing index entry of the name is created too. Without it nobody can sign in.
    pub adds_entry: bool,
    /// The hash of the password that stops working; none if there is none.
    pub replaced: Option<Fingerprint>,
}

/// Plans the change. Without a password there are no changes, only the facts about the user.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
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
    let (user, adds_entry) = find_user(&catalog, by)?;
    let id = user.id;
    let mut changes = ChangeSet::default();
    let key = id.to_string();
    let old = snapshot.get(names::USER_PASSWORDS, key.as_bytes())?;
    let old = old.filter(|old| !old.is_empty());
    if let Some(password) = password {
        let hash = hash(password, strong)?;
        changes.put(names::USER_PASSWORDS, key.as_bytes(), hash.as_bytes());
        if adds_entry {
            changes.put(names::USER_INDEX, &user.key(), key.as_bytes());
        }
    }
    let user = list::by_id(&Preview::new(snapshot, &changes), id)?;
    Ok(Plan {
        changes,
        user,
        adds_entry,
        replaced: old.map(|old| Fingerprint::of(&old)),
    })
}

/// The user, and whether to create the index entry of the name. It is created only if the present
/// entry leads to no user and no other user has the name.
fn find_user<'c>(catalog: &'c Catalog, by: &By) -> Result<(&'c UserRecord, bool)> {
    let user = match by {
        By::Id(_) => resolve::user(catalog, Some(by), ErrorKind::Usage)?,
        By::Name(name) => match without_entry(&catalog.user_by_name(name)) {
            Some(user) => user,
            None => resolve::user_named(catalog, name)?,
        },
    };
    let adds_entry = without_entry(&catalog.user_by_name(&user.name)).is_some();
    if let (false, LoginName::None(why)) = (adds_entry, LoginNames::new(catalog).of(user)) {
        let message = format!(
            "user {:?} ({}) could not sign in with a password: {why}",
            user.name, user.id
        );
        return Err(Error::new(ErrorKind::Refused, message).with_hint(
            "boltkey user create creates a user with another name; boltkey check shows which \
             record and entry disagree",
        ));
    }
    Ok((user, adds_entry))
}

/// The only user of a name whose entry is missing or leads to no user.
fn without_entry<'c>(lookup: &Lookup<'c, UserRecord>) -> Option<&'c UserRecord> {
    match lookup {
        Lookup::NoEntry(records) | Lookup::Blocked { records, .. } => match records.as_slice() {
            [only] => Some(only),
            _ => None,
        },
        _ => None,
    }
}

/// Whether InfluxDB accepts a password; `strong` is its setting `strong-passwords`.
///
/// # Errors
/// [`ErrorKind::Refused`] if it does not.
pub fn check(text: &Token, strong: bool) -> Result<()> {
    password::valid(text, strong).map_err(|why| {
        let error = Error::new(ErrorKind::Refused, why);
        match password::valid(text, false) {
            Ok(()) => error.with_hint("influxd's setting strong-passwords requires this"),
            Err(_) => error,
        }
    })
}

/// The hash of a password that InfluxDB accepts.
///
/// # Errors
/// [`ErrorKind::Refused`] for a password that it does not accept.
pub(crate) fn hash(text: &Token, strong: bool) -> Result<zeroize::Zeroizing<String>> {
    check(text, strong)?;
    let hash = password::hash(text).map_err(|cause| {
        Error::new(
            ErrorKind::Io,
            format!("the password can't be hashed: {cause}"),
        )
    })?;
    // Check that the hash matches the password.
    if !password::matches(text, &hash) {
        return Err(Error::new(
            ErrorKind::Refused,
            "InfluxDB would not recognise this password",
        ));
    }
    Ok(zeroize::Zeroizing::new(hash))
}

impl Plan {
    /// Commits the change, then reads the file again to verify it.
    ///
    /// # Errors
    /// When the change was certainly not committed.
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<Committed> {
        commit_and_prove(store, &self.changes, side_files, "the new password")
    }
}
