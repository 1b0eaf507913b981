//! `user create`: creates a user who can sign in.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_records::{Owned, put_ownership, put_user, valid_user_name};
use crate::metadata::{Catalog, names};
use crate::ops::commit::proof::commit_and_prove;
use crate::ops::commit::{SideFiles, all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::ops::user::list::User;
use crate::ops::user::{list, password};
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, Preview, Snapshot, WritableStore};

/// The user to create.
pub struct Options {
    /// The name; unique.
    pub name: String,
    /// The organization the user is to own.
    pub org: Option<By>,
    /// Whether the user is to own the whole instance.
    pub instance_owner: bool,
    /// Without a password the user can't sign in.
    pub password: Option<Token>,
    /// The value of InfluxDB's setting `strong-passwords`.
    pub strong_passwords: bool,
}

/// A planned user.
pub struct Plan {
    /// The changes to commit.
    pub changes: ChangeSet,
    /// As `user list` shows it.
    pub user: User,
}

/// The schema of 2.4, the first release with owners of the instance.
const INSTANCE_OWNERS: u64 = 20;

/// Plans the records.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::NoSuchRecord`] when the organization does not exist
/// * [`ErrorKind::Refused`] for names and passwords that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let refused = |why: String| Error::new(ErrorKind::Refused, why);
    let name = options.name.as_str();
    name_is_free(&catalog, name)?;
    let org = match &options.org {
        None => None,
        by => Some(resolve::org(&catalog, by.as_ref(), ErrorKind::Usage)?.id),
    };
    if options.instance_owner && schema < INSTANCE_OWNERS {
        return Err(refused(format!(
            "releases with schema {schema} don't support owners of the instance"
        ))
        .with_hint(
            "use an operator token instead, which has this power in every release: \
                    boltkey recover operator",
        ));
    }
    let id = new_id::by_time(snapshot, now)?;
    let mut changes = ChangeSet::default();
    put_user(&mut changes, id, name);
    if let Some(password) = &options.password {
        let hash = password::hash(password, options.strong_passwords)?;
        changes.put(
            names::USER_PASSWORDS,
            id.to_string().as_bytes(),
            hash.as_bytes(),
        );
    }
    if let Some(org) = org {
        put_ownership(&mut changes, schema, id, Owned::Org(org));
    }
    if options.instance_owner {
        put_ownership(&mut changes, schema, id, Owned::Instance);
    }
    let user = list::by_id(&Preview::new(snapshot, &changes), id)?;
    Ok(Plan { changes, user })
}

/// Refuses a name that is invalid, taken, or blocked by an index entry.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn name_is_free(catalog: &Catalog, name: &str) -> Result<()> {
    valid_user_name(name).map_err(|why| Error::new(ErrorKind::Refused, why))?;
    resolve::must_be_free(
        &catalog.user_by_name(name),
        name,
        "boltkey user password sets the password of an existing user",
    )
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
        commit_and_prove(store, &self.changes, side_files, "the new user")
    }
}
