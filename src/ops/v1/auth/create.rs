//! `v1 auth create`: a 1.x user, with the records that `influx v1 auth create` makes.

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::new_authorization::{Kept, NewAuthorization};
use crate::metadata::permission::Permission;
use crate::metadata::post_request::fits;
use crate::metadata::v1_users::V1Users;
use crate::metadata::{Can, Catalog, Id, names};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_id;
use crate::ops::user::password;
use crate::ops::v1::auth::find::has_v1_users;
use crate::ops::v1::auth::plan::{Before, Plan};
use crate::ops::{named_permission, resolve};
use crate::secret::Token;
use crate::store::{ChangeSet, MAX_KEY_SIZE, Snapshot};

/// The 1.x user to create.
pub struct Options {
    /// The 1.x user name; unique in the whole store.
    pub username: String,
    /// The organization whose databases it may use; none: the only one.
    pub org: Option<By>,
    /// The 2.x user who owns it; none: the only one.
    pub user: Option<By>,
    /// The description.
    pub description: String,
    /// What it may do; names are looked up in the organization.
    pub permissions: Vec<Can>,
    /// Without a password it can't be used.
    pub password: Option<Token>,
    /// The value of InfluxDB's setting `strong-passwords`.
    pub strong_passwords: bool,
}

/// Plans the records.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Usage`] when user or organization must be named
/// * [`ErrorKind::NoSuchRecord`] when there is none, or no bucket of a name or ID
/// * [`ErrorKind::Refused`] for names, permissions and passwords that InfluxDB refuses
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<Plan> {
    let schema = known_schema(snapshot)?.migrations;
    has_v1_users(schema)?;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let user = resolve::user(&catalog, options.user.as_ref(), ErrorKind::Usage)?;
    let org = resolve::org(&catalog, options.org.as_ref(), ErrorKind::Usage)?;
    let name = options.username.as_str();
    name_is_free(snapshot, name)?;
    let permissions = permissions(&options.permissions, schema, org.id, &catalog)?;
    let hash = match &options.password {
        Some(password) => Some(password::hash(password, options.strong_passwords)?),
        None => None,
    };
    let new = NewV1User {
        name,
        org: org.id,
        user: user.id,
        description: &options.description,
        active: true,
        permissions: &permissions,
        hash,
    };
    let (changes, id) = new.changes(snapshot, now)?;
    Plan::new(snapshot, changes, id, Before::default())
}

/// Refuses a name that is invalid, taken, or blocked by an index entry.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn name_is_free(snapshot: &dyn Snapshot, name: &str) -> Result<()> {
    if !(1..=MAX_KEY_SIZE).contains(&name.len()) {
        let why = "a 1.x user name must have 1 to 32,768 bytes";
        return Err(Error::new(ErrorKind::Refused, why));
    }
    let users = V1Users::load(snapshot)?;
    all_decoded(&users.skipped)?;
    resolve::must_be_free(
        &users.by_name(name),
        name,
        "boltkey v1 auth password sets its password, boltkey v1 auth update changes its \
         permissions",
    )
}

/// The permissions of a 1.x user in an organization.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] for a bucket that does not exist; [`ErrorKind::Refused`] without any
/// permission, and for a bucket of another organization.
pub(crate) fn permissions(
    wanted: &[Can],
    schema: u64,
    org: Id,
    catalog: &Catalog,
) -> Result<Vec<Permission<'static>>> {
    let refused = |why: String| Error::new(ErrorKind::Refused, why);
    if wanted.is_empty() {
        return Err(refused("authorization must include permissions".into()));
    }
    let permissions = wanted.iter();
    let permissions = permissions.map(|can| named_permission::of(can, schema, org, catalog));
    let permissions: Vec<Permission<'static>> = permissions.collect::<Result<_>>()?;
    for (can, permission) in wanted.iter().zip(&permissions) {
        let other = permission.resource.org_id.filter(|id| *id != org);
        if let Some(other) = other.and_then(|id| catalog.orgs.get(&id)) {
            let bucket = can.target().unwrap_or_default();
            let why = format!("bucket {bucket} belongs to organization {:?}", other.name);
            return Err(refused(why).with_hint("boltkey bucket list shows names and IDs"));
        }
    }
    fits(&permissions, org).map_err(refused)?;
    Ok(permissions)
}

/// The fields of a new 1.x user.
pub(crate) struct NewV1User<'a> {
    pub(crate) name: &'a str,
    pub(crate) org: Id,
    pub(crate) user: Id,
    pub(crate) description: &'a str,
    pub(crate) active: bool,
    pub(crate) permissions: &'a [Permission<'a>],
    /// The hash of its password.
    pub(crate) hash: Option<Zeroizing<String>>,
}

impl NewV1User<'_> {
    /// The record, its index entry and its password, under a new ID.
    ///
    /// # Errors
    /// As [`new_id::by_time`].
    pub(crate) fn changes(
        &self,
        snapshot: &dyn Snapshot,
        now: &Timestamp,
    ) -> Result<(ChangeSet, Id)> {
        let id = new_id::by_time(snapshot, now)?;
        let mut changes = ChangeSet::default();
        let name = Token::new(self.name.to_owned());
        NewAuthorization {
            id,
            kept: Kept::Plaintext(&name),
            active: self.active,
            description: self.description,
            org_id: self.org,
            user_id: self.user,
            permissions: self.permissions,
            created_at: &now.rfc3339,
        }
        .put_v1(&mut changes);
        if let Some(hash) = &self.hash {
            let key = id.to_string();
            changes.put(names::LEGACY_PASSWORDS, key.as_bytes(), hash.as_bytes());
        }
        Ok((changes, id))
    }
}
