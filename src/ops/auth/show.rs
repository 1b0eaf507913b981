//! `auth show`: one authorization in full, and who else has to do with it.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::permission::{Action, Permission, allows};
use crate::metadata::{Authorization, Catalog, Id, authorization, names};
use crate::ops::auth::list::{AuthDetails, Lister, is_orphaned};
use crate::ops::auth::next_step;
use crate::store::Snapshot;

/// One authorization in full.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown<'a> {
    /// As `auth list` shows it.
    #[serde(flatten)]
    pub entry: AuthDetails<'a>,
    /// The user whose login has these permissions, whatever the token's status or storage.
    pub login: Option<&'a str>,
    /// Whether its user or organization was deleted: the API then answers 404 to whoever asks for
    /// it, and to whoever changes it, although the change holds. Deleting it works.
    #[serde(skip)]
    pub orphaned: bool,
    /// If a server rejects its token, the command that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other tokens that may see it over the API.
    #[serde(rename = "visibleTo")]
    pub visible_to: Vec<Other>,
    /// Other tokens that may change or delete it over the API.
    #[serde(rename = "changeableBy")]
    pub changeable_by: Vec<Other>,
}

/// Another authorization, by name.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Other {
    /// Its identifier.
    pub id: Id,
    /// May be empty.
    pub description: String,
    /// Whether it is active.
    pub active: bool,
}

/// Hands the authorization with this ID to `use_it`, and returns what had to be skipped. If there is
/// none, a 1.x-compatible authorization with this ID is shown.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none; [`ErrorKind::Corrupt`] when it can't be
/// decoded; else as [`Snapshot::scan`].
pub fn show(
    snapshot: &dyn Snapshot,
    id: Id,
    reveal: bool,
    use_it: impl FnOnce(&Shown<'_>),
) -> Result<Vec<Finding>> {
    let catalog = Catalog::load(snapshot)?;
    let bucket = bucket_of(snapshot, id)?;
    let is_legacy = bucket == names::LEGACY_AUTHORIZATIONS;
    let lister = match is_legacy {
        true => Lister::of_one_legacy(snapshot, catalog, id)?,
        false => Lister::of_one(snapshot, catalog, id, reveal)?,
    };
    let password = match is_legacy {
        true => snapshot.get(names::LEGACY_PASSWORDS, id.to_string().as_bytes())?,
        false => None,
    };
    let skipped = authorization::with_in(snapshot, bucket, id, |record| {
        let (mut visible_to, changeable_by, skipped) = others(snapshot, record)?;
        let orphaned = is_orphaned(record, lister.catalog());
        if orphaned {
            visible_to.clear();
        }
        let entry = match is_legacy {
            true => lister.legacy_entry(record, password.is_some_and(|hash| !hash.is_empty())),
            false => lister.entry(record),
        };
        // A login gets no permissions from a 1.x-compatible authorization.
        let login = entry.user.filter(|_| !is_legacy);
        let hint = match (entry.usable != Some(false), is_legacy) {
            (false, false) => Some(next_step::for_unusable(record, lister.catalog())),
            (false, true) => {
                let has_password = entry.has_password == Some(true);
                Some(next_step::for_unusable_v1(
                    record,
                    lister.catalog(),
                    has_password,
                ))
            }
            (true, _) => None,
        };
        use_it(&Shown {
            entry,
            login,
            orphaned,
            hint,
            visible_to,
            changeable_by,
        });
        Ok(skipped)
    })?;
    skipped.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::NoSuchRecord,
            format!("there is no authorization {id}"),
        )
        .with_hint(
            "boltkey auth list shows all of them, also those that influxd hides, and boltkey v1 \
             auth list the 1.x-compatible ones",
        ))
    })
}

/// The bucket that has the authorization with this ID.
fn bucket_of(snapshot: &dyn Snapshot, id: Id) -> Result<&'static [u8]> {
    let key = id.to_string();
    let is_in = |bucket| Ok::<_, Error>(snapshot.get(bucket, key.as_bytes())?.is_some());
    Ok(
        match !is_in(names::AUTHORIZATIONS)? && is_in(names::LEGACY_AUTHORIZATIONS)? {
            true => names::LEGACY_AUTHORIZATIONS,
            false => names::AUTHORIZATIONS,
        },
    )
}

/// Which other tokens may see, and which may change `record`: each needs the permission for the
/// authorization and the one for its owner.
fn others(
    snapshot: &dyn Snapshot,
    record: &Authorization<'_>,
) -> Result<(Vec<Other>, Vec<Other>, Vec<Finding>)> {
    let requests = |action| {
        let authorization = Permission::new(
            action,
            "authorizations",
            Some(record.id),
            Some(record.org_id),
        );
        // Without an owner, only who may see or change every user can pass.
        let owner = Permission::new(action, "users", record.user_id, None);
        [authorization, owner]
    };
    let may = |other: &Authorization<'_>, action| {
        requests(action)
            .iter()
            .all(|request| allows(&other.permissions, request))
    };
    let (mut visible_to, mut changeable_by) = (Vec::new(), Vec::new());
    let skipped = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |other| {
        if other.id == record.id {
            return;
        }
        for (action, list) in [
            (Action::Read, &mut visible_to),
            (Action::Write, &mut changeable_by),
        ] {
            if may(other, action) {
                list.push(Other {
                    id: other.id,
                    description: other.description.clone().into_owned(),
                    active: other.is_active(),
                });
            }
        }
    })?;
    Ok((visible_to, changeable_by, skipped))
}
