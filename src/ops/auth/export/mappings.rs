//! Mappings of 1.x databases of an export. Virtual mappings come with the names of the buckets.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::metadata::dbrp::Dbrp;
use crate::metadata::permission::{Action, Permission, allows};
use crate::metadata::{Catalog, Id};
use crate::ops::auth::export::found_names::{NOT_FOUND, in_list};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::v1_users::Collected;
use crate::ops::auth::export::{Work, found_names};
use crate::ops::v1::dbrp::find::{has_dbrps, names_are_valid};
use crate::ops::v1::dbrp::mapping::Stored;

/// A mapping of the list.
pub(super) struct Exported {
    org: String,
    database: String,
    policy: String,
    bucket: String,
    default: bool,
}

/// Reads the stored mappings. With filters, those to buckets that a token names or that a 1.x user of
/// the list may read or write.
///
/// # Errors
/// When the file can't be read.
pub(super) fn collect(
    work: &mut Work<'_>,
    v1_users: &Collected,
    schema: u64,
    needed: &mut Needed,
) -> Result<Vec<Exported>> {
    let catalog = work.catalog;
    let mut stored = Stored::load(work.snapshot)?;
    let findings = std::mem::take(&mut stored.skipped);
    work.contains.mappings.hidden = !findings.is_empty();
    work.findings.extend(findings);
    let mut known = BTreeSet::new();
    let mut mappings = Vec::new();
    for (id, mapping) in &stored.mappings {
        let bucket = mapping.bucket;
        let is_named = || bucket.is_some_and(|id| needed.buckets.contains(&id));
        let is_used = || {
            let mut users = v1_users.users.iter();
            users.any(|user| may_use(&user.granted, user.org_id, mapping))
        };
        if !needed.everything && !is_named() && !is_used() {
            continue;
        }
        let name = format!("{}/{}", mapping.database, mapping.retention_policy);
        let exported = match has_dbrps(schema) {
            Ok(()) => exported(*id, mapping, &stored, catalog),
            Err(error) => Err(error.message().to_owned()),
        };
        match exported {
            Ok(one) if known.insert((mapping.org, name.clone())) => {
                needed.orgs.extend(mapping.org);
                if let Some(bucket) = bucket {
                    needed.add_bucket(bucket, catalog);
                }
                mappings.push(one);
            }
            Ok(_) => work.skip("dbrp", *id, &name, "another mapping has the same names"),
            Err(why) => work.skip("dbrp", *id, &name, why),
        }
    }
    // The first one that `apply` creates becomes the default of its database, as in influxd.
    mappings.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(mappings)
}

/// Whether these permissions of an organization are for the bucket of the mapping.
fn may_use(granted: &[Permission<'_>], org: Id, mapping: &Dbrp) -> bool {
    if mapping.org != Some(org) {
        return false;
    }
    let request = |action| Permission::new(action, "buckets", mapping.bucket, mapping.org);
    let mut actions = Action::ALL.into_iter();
    actions.any(|action| allows(granted, &request(action)))
}

/// The mapping, or why it can't be in a list.
fn exported(
    id: Id,
    mapping: &Dbrp,
    stored: &Stored,
    catalog: &Catalog,
) -> Result<Exported, String> {
    let org = mapping.org.ok_or("it names no organization")?;
    if !catalog.orgs.contains_key(&org) {
        return Err("its organization was deleted".into());
    }
    let org_name = found_names::org_name(org, catalog);
    let org_name = org_name.ok_or("influxd does not find its organization by name")?;
    let bucket = mapping.bucket.ok_or("it names no bucket")?;
    let bucket = catalog.buckets.get(&bucket);
    let bucket = bucket.ok_or("its bucket was deleted")?;
    if bucket.org_id != org {
        return Err("its bucket is in another organization".into());
    }
    in_list(bucket, catalog).map_err(|why| format!("its bucket {:?}: {why}", bucket.name))?;
    names_are_valid(&mapping.database, &mapping.retention_policy)
        .map_err(|error| error.message().to_owned())?;
    if !stored.lacks(id, mapping).is_empty() {
        return Err(NOT_FOUND.into());
    }
    Ok(Exported {
        org: org_name.to_owned(),
        database: mapping.database.clone(),
        policy: mapping.retention_policy.clone(),
        bucket: bucket.name.clone(),
        default: stored.is_default(id, mapping),
    })
}

impl Exported {
    /// By organization and database; the default one first.
    fn order(&self) -> (&str, &str, bool, &str) {
        (&self.org, &self.database, !self.default, &self.policy)
    }
}

/// Writes the mappings.
pub(super) fn write(work: &mut Work<'_>, mappings: &[Exported]) {
    for mapping in mappings {
        let list = &mut work.list;
        list.entry("dbrp");
        list.text("database", &mapping.database);
        list.text("retentionPolicy", &mapping.policy);
        list.text("bucket", &mapping.bucket);
        list.text("org", &mapping.org);
        if mapping.default {
            list.flag("default", true);
        }
        work.contains.mappings.readable += 1;
    }
}
