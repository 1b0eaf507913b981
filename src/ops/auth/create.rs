//! `auth create`: a new token with chosen permissions.

use std::path::PathBuf;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::permission::{Action, Permission, of_all_access, of_operator, types_of};
use crate::metadata::post_request::{PostRequest, UNKNOWN_TYPE, fits};
use crate::metadata::{Catalog, Id, description_tags, permission};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::describe::describe;
use crate::ops::token_plan::new_token::{Making, Request};
use crate::ops::token_plan::{TokenPlan, new_token};
use crate::store::Snapshot;

/// What the token is to be.
pub struct Options {
    /// The user who is to own it; none: the only one.
    pub user: Option<By>,
    /// The organization it is to belong to; none: the only one.
    pub org: Option<By>,
    /// The description; none: one that is made from the permissions.
    pub description: Option<String>,
    /// Whether the description tells that it is to be removed soon.
    pub temporary: bool,
    /// What it may do.
    pub grants: Grants,
    /// Its value.
    pub making: Making,
}

/// What a token may do.
pub enum Grants {
    /// Everything, in every organization.
    Operator,
    /// Everything within its organization.
    AllAccess,
    /// These, in this order.
    Each(Vec<Grant>),
    /// What the body of a request to `POST /api/v2/authorizations` says; it may name organization,
    /// user, status and description as well.
    Body {
        /// Its text.
        body: Vec<u8>,
        /// The file that it was read from, for messages.
        file: PathBuf,
    },
}

/// One permission, before the organization is known.
#[derive(Debug, Clone, Copy)]
pub enum Grant {
    /// One single InfluxDB bucket.
    Bucket(Action, Id),
    /// All resources of a type.
    Type(Action, &'static str),
}

/// Works out the token and its record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that are not edited
/// * [`ErrorKind::Usage`] when user or organization have to be named, or contradict the body
/// * [`ErrorKind::NoSuchRecord`] when there is none, or none of that name
/// * [`ErrorKind::Refused`] for what the server would refuse
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<TokenPlan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let body = match &options.grants {
        Grants::Body { body, file } => {
            let body = PostRequest::parse(body, schema);
            Some(body.map_err(|why| refused(why).about(file))?)
        }
        _ => None,
    };
    let of_body = |id: fn(&PostRequest) -> Option<Id>| body.as_ref().and_then(id).map(By::Id);
    let org_of_body = of_body(|body| body.org_id);
    let user_of_body = of_body(|body| body.user_id);
    // The server judges the permissions before it looks for user and organization.
    if let (Some(body), Some(By::Id(org))) = (&body, &org_of_body) {
        fits(&body.permissions, *org).map_err(refused)?;
    }
    let several = ErrorKind::Usage;
    let user_by = user_of_body.as_ref().or(options.user.as_ref());
    let user = resolve::user(&catalog, user_by, several)?;
    let org_by = org_of_body.as_ref().or(options.org.as_ref());
    let org = resolve::org(&catalog, org_by, several)?;
    if user_of_body.is_some() && options.user.is_some() {
        let named = resolve::user(&catalog, options.user.as_ref(), several)?;
        must_agree("user", named.id, user.id)?;
    }
    if org_of_body.is_some() && options.org.is_some() {
        let named = resolve::org(&catalog, options.org.as_ref(), several)?;
        must_agree("organization", named.id, org.id)?;
    }

    let mut active = true;
    let mut description = options.description.clone();
    let permissions = match &options.grants {
        Grants::Operator => of_operator(schema),
        Grants::AllAccess => of_all_access(schema, org.id, user.id),
        Grants::Each(grants) => each(grants, schema, org.id)?,
        Grants::Body { .. } => Vec::new(),
    };
    let permissions = match body {
        None => permissions,
        Some(body) => {
            active = body.active;
            description = match (description, body.description) {
                (Some(given), Some(said)) if given != said => {
                    return Err(contradicts("description"));
                }
                (given, said) => given.or(said),
            };
            body.permissions
        }
    };
    fits(&permissions, org.id).map_err(refused)?;
    let mut description =
        description.unwrap_or_else(|| describe(&permissions, user, org, &catalog));
    if options.temporary {
        description_tags::mark_temporary(&mut description);
    }
    let request = Request {
        user,
        org,
        description: &description,
        active,
        permissions: &permissions,
        hint: "--allow-unusable makes it all the same",
    };
    let mut plan = new_token::plan(snapshot, schema, &options.making, now, &request)?;
    plan.notes = unknown_buckets(&permissions, &catalog);
    Ok(plan)
}

fn each(grants: &[Grant], schema: u64, org: Id) -> Result<Vec<Permission<'static>>> {
    let grant = |grant: &Grant| match *grant {
        Grant::Bucket(action, bucket) => {
            Ok(Permission::new(action, "buckets", Some(bucket), Some(org)))
        }
        Grant::Type(action, kind) => {
            known_type(kind, schema)?;
            Ok(permission::of_type(action, kind, org))
        }
    };
    let permissions: Vec<_> = grants.iter().map(grant).collect::<Result<_>>()?;
    if permissions.is_empty() {
        return Err(refused("authorization must include permissions".into()));
    }
    Ok(permissions)
}

/// Refuses a resource type that the releases of this schema do not know.
///
/// # Errors
/// [`ErrorKind::Refused`], in the server's words.
pub(crate) fn known_type(kind: &str, schema: u64) -> Result<()> {
    if types_of(schema).contains(&kind) {
        return Ok(());
    }
    Err(refused(UNKNOWN_TYPE.into()).with_hint(format!(
        "no release that this store's schema ({schema}) fits knows {kind}"
    )))
}

/// What the server says to a request that it refuses.
fn refused(why: String) -> Error {
    Error::new(ErrorKind::Refused, why)
}

fn must_agree(what: &str, option: Id, body: Id) -> Result<()> {
    if option == body {
        return Ok(());
    }
    Err(contradicts(what))
}

fn contradicts(what: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("the {what} of --from-json is not the one that the option names"),
    )
    .with_hint("leave the option out, or take it out of the body: options fill in what it lacks")
}

/// What the server does not mind, but people should know: permissions for buckets that are not
/// there.
fn unknown_buckets(permissions: &[Permission<'_>], catalog: &Catalog) -> Vec<String> {
    let ids = permissions
        .iter()
        .filter(|permission| permission.resource.kind == "buckets")
        .filter_map(|permission| permission.resource.id);
    let mut ids: Vec<Id> = ids.filter(|id| !catalog.buckets.contains_key(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter()
        .map(|id| format!("there is no bucket {id}; boltkey bucket list shows their IDs"))
        .collect()
}
