//! `auth list`: the authorizations of a store, filtered, as the server's API shows them.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndex, TokenIndexes, Verdict, judge};
use crate::metadata::authorization::{Undecoded, classify};
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::permission::{Action, Permission};
use crate::metadata::shown_tokens::ShownTokens;
use crate::metadata::{
    Authorization, Can, Catalog, Class, Id, Kind, Schema, Storage, authorization, lost_records,
    names, parallel_scan, v1_access,
};
use crate::ops::resolve;
use crate::store::{Inspect, Snapshot};

/// Which authorizations to show; what is `None` does not filter.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// The one with this ID.
    pub id: Option<Id>,
    /// Of the user with this name.
    pub user: Option<String>,
    /// Of the user with this ID, deleted or not.
    pub user_id: Option<Id>,
    /// Of the organization with this name.
    pub org: Option<String>,
    /// Of the organization with this ID, deleted or not.
    pub org_id: Option<Id>,
    /// Active or not.
    pub active: Option<bool>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Stored like this.
    pub storage: Option<Storage>,
    /// Whose user or organization is gone.
    pub orphaned: bool,
    /// That may do this, by permission alone.
    pub can: Option<Can>,
}

impl Filters {
    /// Whether nothing is filtered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            id,
            user,
            user_id,
            org,
            org_id,
            active,
            kind,
            storage,
            orphaned,
            can,
        } = self;
        let names = user.is_none() && org.is_none();
        let ids = id.is_none() && user_id.is_none() && org_id.is_none();
        let states = active.is_none() && kind.is_none() && storage.is_none() && !orphaned;
        names && ids && states && can.is_none()
    }
}

/// One authorization as the API shows it, and what boltkey knows beyond. Its permissions are
/// [`NamedPermission`]s, or their JSON.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Authorization"))]
pub struct AuthDetails<'a, P = Vec<NamedPermission<'a>>> {
    /// Its identifier.
    pub id: Id,
    /// The raw token if it was asked for and is stored in plaintext, else `REDACTED`; `N/A`
    /// when the record has none. The 1.x user name of a 1.x-compatible authorization. None only
    /// for a token that is not made yet, or is nobody's but its owner's.
    pub token: Option<&'a str>,
    /// `active` or `inactive`, or an unknown word as written.
    pub status: &'a str,
    /// May be empty.
    pub description: &'a str,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// That organization's name; none when it was deleted.
    pub org: Option<&'a str>,
    /// Its owner, if it has one.
    #[serde(rename = "userID")]
    pub user_id: Option<Id>,
    /// The owner's name; none when the user was deleted.
    pub user: Option<&'a str>,
    /// With the names of what they are about.
    pub permissions: P,
    /// RFC 3339, as written.
    #[serde(rename = "createdAt")]
    pub created_at: &'a str,
    /// RFC 3339, as written.
    #[serde(rename = "updatedAt")]
    pub updated_at: &'a str,
    /// What sort of token it is.
    pub kind: Kind,
    /// Whether some request with it would be accepted now; none if unknown.
    pub usable: Option<bool>,
    /// How the token is kept.
    pub storage: Storage,
    /// What is wrong with it, or refused somewhere.
    pub problems: Vec<String>,
    /// Only for 1.x-compatible authorizations: whether a password is set.
    #[serde(rename = "hasPassword", skip_serializing_if = "Option::is_none")]
    pub has_password: Option<bool>,
}

/// A permission with the names the API adds.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedPermission<'a> {
    /// What one may do.
    pub action: Action,
    /// With what.
    pub resource: NamedResource<'a>,
}

/// A resource with the names the API adds.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NamedResource<'a> {
    /// One of InfluxDB's resource types.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// One single resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// All resources of an organization.
    #[serde(rename = "orgID", skip_serializing_if = "Option::is_none")]
    pub org_id: Option<Id>,
    /// The name of the bucket, organization or user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The organization's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<&'a str>,
}

impl<'a> NamedPermission<'a> {
    /// Adds the names as the server's API does: where a named object is gone, neither its name
    /// nor the organization's is given.
    #[must_use]
    pub fn of(permission: &'a Permission<'_>, catalog: &'a Catalog) -> Self {
        let resource = &permission.resource;
        let mut named = NamedResource {
            kind: &resource.kind,
            id: resource.id,
            org_id: resource.org_id,
            name: None,
            org: None,
        };
        let org_name = |id: Id| catalog.orgs.get(&id).map(|org| org.name.as_str());
        let gone = match resource.id {
            Some(id) => {
                let (has_name, name) = match &*resource.kind {
                    "buckets" => (true, catalog.buckets.get(&id).map(|b| b.name.as_str())),
                    "orgs" => (true, org_name(id)),
                    "users" => (true, catalog.users.get(&id).map(|u| u.name.as_str())),
                    _ => (false, None),
                };
                named.name = name;
                has_name && name.is_none()
            }
            None => false,
        };
        if !gone {
            named.org = resource.org_id.and_then(org_name);
        }
        Self {
            action: permission.action,
            resource: named,
        }
    }
}

/// Everything that entries are made with: names, indexes, filters.
pub struct Lister {
    catalog: Catalog,
    indexes: TokenIndexes,
    selection: Selection,
    reveal: bool,
    /// The schema; 0 if unknown.
    migrations: u64,
    skipped: Vec<Finding>,
}

/// What a list lacks.
pub struct Skipped {
    /// Why.
    pub findings: Vec<Finding>,
    /// Whether damage hides authorizations.
    pub hidden: bool,
}

/// Some consecutive entries as text, and what was met on the way.
#[derive(Default)]
struct Part {
    text: Vec<u8>,
    undecodable: Undecodable,
    /// By organization and the permissions as written: most tokens of a large store have the
    /// same as many others.
    grants: HashMap<Id, HashMap<Box<str>, Grant>>,
}

/// What follows from permissions alone.
struct Grant {
    class: Class,
    /// With names, as the API shows them.
    json: Box<RawValue>,
    /// Whether the filters take it.
    taken: bool,
}

/// The filters with their names looked up.
pub(crate) struct Selection {
    filters: Filters,
    user: Option<Id>,
    org: Option<Id>,
}

impl Lister {
    /// Reads names and indexes of a store. `reveal` shows tokens stored in plaintext.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NoSuchRecord`] when a filter names what does not exist; else as
    /// [`Snapshot::scan`].
    pub fn new(snapshot: &dyn Snapshot, filters: Filters, reveal: bool) -> Result<Self> {
        let mut catalog = Catalog::load(snapshot)?;
        let selection = Selection::new(filters, &catalog)?;
        let (indexes, damage) = TokenIndexes::load(snapshot)?;
        let mut skipped = std::mem::take(&mut catalog.skipped);
        skipped.append(&mut catalog.indexes.damage);
        skipped.extend(damage);
        Ok(Self {
            catalog,
            indexes,
            selection,
            reveal,
            migrations: Schema::load(snapshot)?.migrations,
            skipped,
        })
    }

    /// The same for one authorization, with the names of the store, without reading all there is of
    /// the others. Nothing is to be listed with it.
    ///
    /// # Errors
    /// When the file can't be read, or the record not be decoded.
    pub fn of_one(
        snapshot: &dyn Snapshot,
        mut catalog: Catalog,
        id: Id,
        reveal: bool,
    ) -> Result<Self> {
        let selection = Selection::new(Filters::default(), &catalog)?;
        let indexes =
            authorization::with(snapshot, id, |record| TokenIndexes::of(snapshot, [record]))?;
        Ok(Self {
            selection,
            indexes: indexes.transpose()?.unwrap_or_default(),
            reveal,
            migrations: Schema::load(snapshot)?.migrations,
            skipped: std::mem::take(&mut catalog.skipped),
            catalog,
        })
    }

    /// Looks for damage that hides records, so that what is missing is not called deleted.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn find_hidden(&mut self, snapshot: &dyn Snapshot, inspect: &dyn Inspect) -> Result<()> {
        let lost = lost_records::find_hidden(snapshot, inspect, &mut self.catalog.hidden)?;
        self.skipped.extend(lost);
        Ok(())
    }

    /// Adds what was skipped while `bucket` was read.
    fn ended(mut self, findings: Vec<Finding>, bucket: &[u8]) -> Skipped {
        let hidden = !findings.is_empty() || self.catalog.hidden.hides(bucket);
        self.skipped.extend(findings);
        Skipped {
            findings: self.skipped,
            hidden,
        }
    }

    /// As [`Self::of_one`] for a 1.x-compatible authorization, whose token is a 1.x user name.
    ///
    /// # Errors
    /// As [`Self::of_one`].
    pub fn of_one_legacy(snapshot: &dyn Snapshot, catalog: Catalog, id: Id) -> Result<Self> {
        let bucket = names::LEGACY_AUTHORIZATIONS;
        let indexes = authorization::with_in(snapshot, bucket, id, |record| {
            TokenIndexes::of_legacy(snapshot, record)
        })?;
        let mut lister = Self::of_one(snapshot, catalog, id, true)?;
        lister.indexes = indexes.transpose()?.unwrap_or_default();
        Ok(lister)
    }

    /// The names that entries refer to.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Replaces names that contain a token.
    pub fn leave_out_tokens(&mut self, shown: &mut ShownTokens<'_>) {
        shown.leave_out_of_catalog(&mut self.catalog);
    }

    /// Hands every authorization that passes the filters to `sink`, ascending by ID, and
    /// returns what had to be skipped.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn list(
        self,
        snapshot: &dyn Snapshot,
        sink: &mut dyn FnMut(&AuthDetails<'_>),
    ) -> Result<Skipped> {
        let damage = authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
            if self.selection.takes(record, &self.catalog) {
                sink(&self.entry(record));
            }
        })?;
        Ok(self.ended(damage, names::AUTHORIZATIONS))
    }

    /// The same for large stores: `render` turns each entry into text, on all processors, and
    /// `sink` gets the texts in the order of IDs, many entries in each.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn render(
        self,
        snapshot: &dyn Snapshot,
        render: &(impl Fn(&AuthDetails<'_, &RawValue>, &mut Vec<u8>) + Sync),
        sink: &mut impl FnMut(Vec<u8>),
    ) -> Result<Skipped> {
        let mut undecodable = Undecodable::default();
        let mut damage = parallel_scan::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut Part, key, value| {
                if let Err(finding) = self.render_one(part, key, value, render) {
                    part.undecodable.push(finding);
                }
            },
            &mut |part| {
                undecodable.append(part.undecodable);
                sink(part.text);
            },
        )?;
        damage.extend(undecodable.into_findings(names::AUTHORIZATIONS));
        Ok(self.ended(damage, names::AUTHORIZATIONS))
    }

    fn render_one(
        &self,
        part: &mut Part,
        key: &[u8],
        value: &[u8],
        render: &impl Fn(&AuthDetails<'_, &RawValue>, &mut Vec<u8>),
    ) -> Result<(), Finding> {
        let bucket = names::AUTHORIZATIONS;
        let record = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value)?;
        let org = record.org_id;
        let grants = part.grants.entry(org).or_default();
        let text = record.permissions.text();
        if !grants.contains_key(text) {
            let grant = self
                .grant(record.permissions, org)
                .map_err(|cause| undecodable_record(bucket, key, &cause))?;
            grants.insert(text.into(), grant);
        }
        let taken = self.selection.takes_record(&record, &self.catalog);
        if let (true, Some(grant)) = (taken, grants.get(text))
            && grant.taken
        {
            let entry = self.entry_with(&record, grant.class, &*grant.json);
            render(&entry, &mut part.text);
        }
        Ok(())
    }

    /// Works out what depends on the permissions alone.
    fn grant(&self, permissions: Undecoded<'_>, org: Id) -> Result<Grant, serde_json::Error> {
        let permissions = permissions.decode()?;
        let class = classify(&permissions, org);
        Ok(Grant {
            class,
            json: to_raw_value(&self.named(&permissions))?,
            taken: self
                .selection
                .takes_grant(&permissions, class, org, &self.catalog),
        })
    }

    /// As [`Self::list`] for the 1.x-compatible authorizations, whose token is a 1.x user name.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn list_legacy(
        mut self,
        snapshot: &dyn Snapshot,
        sink: &mut dyn FnMut(&AuthDetails<'_>),
    ) -> Result<Skipped> {
        let mut passwords = HashMap::new();
        let mut damage = snapshot.scan(names::LEGACY_PASSWORDS, &mut |key, value| {
            passwords.insert(key.to_vec(), !value.is_empty());
            std::ops::ControlFlow::Continue(())
        })?;
        let (raw, more) = TokenIndex::load(snapshot, names::LEGACY_AUTHORIZATION_INDEX)?;
        damage.extend(more);
        self.indexes.raw = raw;
        self.reveal = true;
        damage.extend(authorization::scan(
            snapshot,
            names::LEGACY_AUTHORIZATIONS,
            &mut |record| {
                if !self.selection.takes(record, &self.catalog) {
                    return;
                }
                let key = record.id.to_string().into_bytes();
                let has_password = passwords.get(&key).copied().unwrap_or(false);
                sink(&self.legacy_entry(record, has_password));
            },
        )?);
        Ok(self.ended(damage, names::LEGACY_AUTHORIZATIONS))
    }

    /// One record as the API shows it.
    #[must_use]
    pub fn entry<'a>(&'a self, record: &'a Authorization<'_>) -> AuthDetails<'a> {
        self.entry_with(record, record.class(), self.named(&record.permissions))
    }

    /// One 1.x-compatible authorization as the API shows it.
    #[must_use]
    pub fn legacy_entry<'a>(
        &'a self,
        record: &'a Authorization<'_>,
        has_password: bool,
    ) -> AuthDetails<'a> {
        let may_be_hidden = self.catalog.hidden.hides(names::LEGACY_PASSWORDS);
        let password = (has_password || !may_be_hidden).then_some(has_password);
        let verdict = v1_access::judge(record, &self.catalog, &self.indexes, password);
        let permissions = self.named(&record.permissions);
        AuthDetails {
            has_password: Some(has_password),
            ..self.entry_judged(record, record.class(), permissions, verdict)
        }
    }

    fn named<'a>(&'a self, permissions: &'a [Permission<'_>]) -> Vec<NamedPermission<'a>> {
        permissions
            .iter()
            .map(|permission| NamedPermission::of(permission, &self.catalog))
            .collect()
    }

    fn entry_with<'a, P, N>(
        &'a self,
        record: &'a Authorization<'_, P>,
        class: Class,
        permissions: N,
    ) -> AuthDetails<'a, N> {
        let verdict = judge(record, &self.catalog, &self.indexes);
        self.entry_judged(record, class, permissions, verdict)
    }

    fn entry_judged<'a, P, N>(
        &'a self,
        record: &'a Authorization<'_, P>,
        class: Class,
        permissions: N,
        verdict: Verdict,
    ) -> AuthDetails<'a, N> {
        let usable = verdict.known();
        let mut problems = verdict.reasons;
        let lacks: Vec<&str> = class.lacks(self.migrations).collect();
        if !lacks.is_empty() {
            let refused = match class.kind {
                Kind::Operator => ", so servers refuse it backup, restore and their configuration",
                _ => "",
            };
            problems.push(format!(
                "it lacks the permissions for {}, which newer tokens of this kind have{refused}",
                lacks.join(", ")
            ));
        }
        let storage = record.storage();
        if storage == Storage::Both {
            problems.push("it holds plaintext and hash; influxd never hashes the rest away".into());
        }
        let org = self.catalog.orgs.get(&record.org_id);
        let user = record.user_id.and_then(|id| self.catalog.users.get(&id));
        AuthDetails {
            id: record.id,
            token: Some(match storage {
                Storage::Missing => "N/A",
                Storage::Plaintext | Storage::Both if self.reveal => &record.token,
                _ => "REDACTED",
            }),
            status: record.shown_status(),
            description: &record.description,
            org_id: record.org_id,
            org: org.map(|org| org.name.as_str()),
            user_id: record.user_id,
            user: user.map(|user| user.name.as_str()),
            permissions,
            created_at: &record.created_at,
            updated_at: &record.updated_at,
            kind: class.kind,
            usable,
            storage,
            problems,
            has_password: None,
        }
    }
}

impl Selection {
    /// Looks the names up.
    pub(crate) fn new(filters: Filters, catalog: &Catalog) -> Result<Self> {
        let user = match &filters.user {
            Some(name) => Some(resolve::user_named(catalog, name)?.id),
            None => filters.user_id,
        };
        let org = match &filters.org {
            Some(name) => Some(resolve::org_named(catalog, name)?.id),
            None => filters.org_id,
        };
        if let Some(can) = &filters.can {
            can.must_exist(org, catalog)?;
        }
        Ok(Self { filters, user, org })
    }

    /// Whether `record` passes.
    pub(crate) fn takes(&self, record: &Authorization<'_>, catalog: &Catalog) -> bool {
        self.takes_record(record, catalog)
            && self.takes_grant(&record.permissions, record.class(), record.org_id, catalog)
    }

    /// Whether what is asked of the record, its permissions aside, holds.
    fn takes_record<P>(&self, record: &Authorization<'_, P>, catalog: &Catalog) -> bool {
        let filters = &self.filters;
        filters.id.is_none_or(|id| record.id == id)
            && self.user.is_none_or(|id| record.user_id == Some(id))
            && self.org.is_none_or(|id| record.org_id == id)
            && filters
                .active
                .is_none_or(|active| record.is_active() == active)
            && filters
                .storage
                .is_none_or(|storage| record.storage() == storage)
            && (!filters.orphaned || is_orphaned(record, catalog))
    }

    /// Whether what is asked of the permissions holds.
    fn takes_grant(
        &self,
        permissions: &[Permission<'_>],
        class: Class,
        org: Id,
        catalog: &Catalog,
    ) -> bool {
        let Filters { kind, can, .. } = &self.filters;
        kind.is_none_or(|kind| class.kind == kind)
            && can
                .as_ref()
                .is_none_or(|can| can.allowed(permissions, org, catalog))
    }
}

/// Whether its user or its organization was deleted; the API hides such records.
#[must_use]
pub fn is_orphaned<P>(record: &Authorization<'_, P>, catalog: &Catalog) -> bool {
    !catalog.orgs.contains_key(&record.org_id)
        || record
            .user_id
            .is_some_and(|id| !catalog.users.contains_key(&id))
}
