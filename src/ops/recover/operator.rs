//! `recover operator`: creates an operator token without an existing one.

use crate::error::{ErrorKind, Result};
use crate::metadata::permission::of_operator;
use crate::metadata::{Catalog, Organization, User};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_token::{Making, Request};
use crate::ops::token_plan::{TokenPlan, new_token};
use crate::store::Snapshot;

/// Options of the recovery.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The owner of the token. Default: the only user.
    pub user: Option<String>,
    /// The organization of the token. Default: the only one.
    pub org: Option<String>,
    /// The value of influxd's setting `use-hashed-tokens`, if it is set.
    pub use_hashed_tokens: Option<bool>,
}

impl Options {
    /// The user and the organization, if they are named or there is only one. They are the records
    /// that were shown in a question.
    #[must_use]
    pub fn owner<'c>(
        &self,
        users: &'c [User],
        orgs: &'c [Organization],
    ) -> Option<(&'c User, &'c Organization)> {
        let user = match (&self.user, users) {
            (Some(name), _) => users.iter().find(|user| user.name == *name)?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        let org = match (&self.org, orgs) {
            (Some(name), _) => orgs.iter().find(|org| org.name == *name)?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        Some((user, org))
    }
}

/// The users and organizations to choose from.
///
/// # Errors
/// When the file can't be read.
pub fn choices(snapshot: &dyn Snapshot) -> Result<(Vec<User>, Vec<Organization>)> {
    let catalog = Catalog::load(snapshot)?;
    Ok((
        catalog.users.into_values().collect(),
        catalog.orgs.into_values().collect(),
    ))
}

/// Plans the token and its record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Confirmation`] when there are several to choose from
/// * [`ErrorKind::NoSuchRecord`] when there is none, or none of that name
/// * [`ErrorKind::Refused`] when the token would not be accepted
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<TokenPlan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let by = |name: &Option<String>| name.clone().map(By::Name);
    let several = ErrorKind::Confirmation;
    let user = resolve::user(&catalog, by(&options.user).as_ref(), several)?;
    let org = resolve::org(&catalog, by(&options.org).as_ref(), several)?;
    let making = Making {
        use_hashed_tokens: options.use_hashed_tokens,
        ..Making::default()
    };
    let request = Request {
        user,
        org,
        description: &format!("{}'s Recovery Token", user.name),
        active: true,
        permissions: &of_operator(schema),
        hint: "name another user with --user; boltkey user list shows them",
    };
    new_token::plan(snapshot, schema, &making, now, &request)
}
