//! The permissions of a token or a 1.x user of a list: what each means in the store, and what the store
//! lacks of it.

use std::fmt;

use crate::error::Result;
use crate::metadata::permission::{INSTANCE, Permission};
use crate::metadata::post_request::fits;
use crate::metadata::resource_records::exists;
use crate::metadata::{Can, Catalog, Organization};
use crate::ops::apply::exact_permission::ExactPermission;
use crate::ops::apply::place::Place;
use crate::ops::apply::said::Said;
use crate::ops::auth::create::known_type;
use crate::ops::named_permission;
use crate::store::Snapshot;

/// One permission.
pub(super) enum Granted {
    /// As in `write:buckets/metrics`, in the organization of the token or 1.x user.
    Short(Said<Can>),
    /// Field by field.
    Exact(Box<ExactPermission>),
}

impl Granted {
    /// Its place in the list.
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::Short(can) => &can.place,
            Self::Exact(exact) => exact.place(),
        }
    }
}

/// For reports.
impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(can) => can.value.fmt(f),
            Self::Exact(exact) => exact.fmt(f),
        }
    }
}

/// The permission with its names resolved to IDs. Names of the short form are looked up in `org`.
///
/// # Errors
/// With line and field: a name that does not exist, a type that the releases of this schema do not
/// know, and in the short form another organization.
pub(super) fn permission(
    granted: &Granted,
    schema: u64,
    org: &Organization,
    catalog: &Catalog,
) -> Result<Permission<'static>> {
    match granted {
        Granted::Short(can) => {
            let meant = named_permission::of(&can.value, schema, org.id, catalog)
                .map_err(|error| can.place.wrap(&error))?;
            fits(std::slice::from_ref(&meant), org.id).map_err(|why| can.place.refused(why))?;
            Ok(meant)
        }
        Granted::Exact(exact) => {
            if exact.kind() != INSTANCE {
                let place = granted.place();
                known_type(exact.kind(), schema).map_err(|error| place.wrap(&error))?;
            }
            exact.permission(catalog)
        }
    }
}

/// The permissions for resources that the store lacks: their IDs come from another store.
pub(super) struct Lacking {
    /// What keeps such a permission.
    holder: &'static str,
    told: Vec<String>,
    more: usize,
}

impl Lacking {
    /// Of tokens or 1.x users.
    pub(super) fn of(holder: &'static str) -> Self {
        Self {
            holder,
            told: Vec::new(),
            more: 0,
        }
    }

    /// Adds a permission if the store lacks its resource.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn add(
        &mut self,
        snapshot: &dyn Snapshot,
        catalog: &Catalog,
        granted: &Granted,
        permission: &Permission<'_>,
    ) -> Result<()> {
        const MOST: usize = 20;
        let resource = &permission.resource;
        let what = match (resource.id, resource.org_id) {
            (Some(id), _) => match exists(snapshot, catalog, &resource.kind, id)? {
                Some(false) => format!("{}/{id}", resource.kind),
                _ => return Ok(()),
            },
            (None, Some(org)) if !catalog.orgs.contains_key(&org) => format!("organization {org}"),
            _ => return Ok(()),
        };
        if self.told.len() == MOST {
            self.more += 1;
            return Ok(());
        }
        self.told.push(format!(
            "{}: {what} is not in this store; the {} keeps this permission, which allows nothing here",
            granted.place(),
            self.holder,
        ));
        Ok(())
    }

    /// The texts for the user.
    pub(super) fn told(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!(
                "{} more permissions of {}s are for what this store lacks",
                self.more, self.holder
            ));
        }
        self.told
    }
}
