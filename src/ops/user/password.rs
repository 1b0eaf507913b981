//! `user password`: sets the password of an existing user.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Catalog, Fingerprint, names, password};
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
    let id = resolve::user(&catalog, Some(by), ErrorKind::Usage)?.id;
    let mut changes = ChangeSet::default();
    let key = id.to_string();
    let old = snapshot.get(names::USER_PASSWORDS, key.as_bytes())?;
    let old = old.filter(|old| !old.is_empty());
    if let Some(password) = password {
        let hash = hash(password, strong)?;
        changes.put(names::USER_PASSWORDS, key.as_bytes(), hash.as_bytes());
    }
    let user = list::by_id(&Preview::new(snapshot, &changes), id)?;
    Ok(Plan {
        changes,
        user,
        replaced: old.map(|old| Fingerprint::of(&old)),
    })
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
