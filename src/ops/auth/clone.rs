//! `auth clone`: a new token with the organization, user and permissions of another.

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Catalog, Id, description_tags};
use crate::ops::auth::record::Record;
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::describe::describe;
use crate::ops::token_plan::new_token::{Making, Request};
use crate::ops::token_plan::{TokenPlan, new_token};
use crate::store::Snapshot;

/// Which token, and what differs.
pub struct Options {
    /// The authorization that is to have a double.
    pub id: Id,
    /// The new token's description; none: the old one's.
    pub description: Option<String>,
    /// Whether the description tells that it is to be removed soon.
    pub temporary: bool,
    /// The new token's value.
    pub making: Making,
}

/// Works out the token and its record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::NoSuchRecord`] when there is no such authorization
/// * [`ErrorKind::Refused`] when its user or organization was deleted, or the token would not be
///   accepted
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<TokenPlan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let bytes = Record::load(snapshot, options.id)?;
    let record = bytes.decoded()?;
    let refused = |why: &str| {
        let id = options.id;
        let message = format!("authorization {id} {why}");
        Error::new(ErrorKind::Refused, message)
            .with_hint("boltkey auth create makes a token for another user or organization")
    };
    let user = record.user_id.and_then(|id| catalog.users.get(&id));
    let user = user.ok_or_else(|| refused("has no user, or a deleted one"))?;
    let org = catalog.orgs.get(&record.org_id);
    let org = org.ok_or_else(|| refused("is of an organization that was deleted"))?;
    if record.permissions.is_empty() {
        return Err(refused("has no permissions"));
    }
    let of_old = description_tags::stripped(&record.description);
    let mut description = match &options.description {
        Some(given) => given.clone(),
        None if of_old.is_empty() => describe(&record.permissions, user, org, &catalog),
        None => of_old.to_owned(),
    };
    if options.temporary {
        description_tags::mark_temporary(&mut description);
    }
    let request = Request {
        user,
        org,
        description: &description,
        active: true,
        permissions: &record.permissions,
        hint: "--allow-unusable makes it all the same",
    };
    new_token::plan(snapshot, schema, &options.making, now, &request)
}
