//! The tokens of a report: as `auth list` has them, without their values.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::permission::{Permission, RESOURCE_TYPES};
use crate::metadata::shown_tokens::{REMOVED, ShownTokens};
use crate::metadata::{Id, Kind, Storage};
use crate::ops::auth::access::{Gone, access};
use crate::ops::auth::list::{AuthDetails, Filters, Lister, NamedPermission};
use crate::ops::known::List;
use crate::store::Store;

/// One token, in the field names of the API and of `auth list`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedToken {
    /// Its identifier.
    pub id: Id,
    /// The 1.x user name; only for 1.x-compatible authorizations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `active` or `inactive`, or an unknown word as written.
    pub status: String,
    /// May be empty.
    pub description: String,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// That organization's name; none when it was deleted.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub org: Option<Arc<str>>,
    /// Its owner, if it has one.
    #[serde(rename = "userID")]
    pub user_id: Option<Id>,
    /// The owner's name; none when the user was deleted.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub user: Option<Arc<str>>,
    /// Its permissions, and what they mean.
    #[serde(flatten, serialize_with = "grant")]
    #[cfg_attr(test, schemars(with = "Grant"))]
    pub grant: Arc<Grant>,
    /// RFC 3339, as written.
    pub created_at: String,
    /// RFC 3339, as written.
    pub updated_at: String,
    /// What sort of token it is.
    pub kind: Kind,
    /// Whether some request with it would be accepted now; none if unknown.
    pub usable: Option<bool>,
    /// How the token is kept.
    pub storage: Storage,
    /// What is wrong with it, or refused somewhere.
    pub problems: Vec<String>,
    /// Whether its user or its organization was deleted; none if damage may hide them.
    pub orphaned: Option<bool>,
    /// Only for 1.x-compatible authorizations: whether a password is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_password: Option<bool>,
}

/// Permissions that many tokens of an organization may share.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Grant {
    /// With names, as the API shows them; none if they contain a token.
    #[cfg_attr(test, schemars(with = "Option<Vec<NamedPermission<'static>>>"))]
    permissions: Option<Box<RawValue>>,
    /// The permissions in a few words.
    pub access: String,
    /// The permissions by ID.
    #[serde(skip)]
    pub(super) held: Vec<Permission<'static>>,
}

/// A name that many records share.
pub(super) fn name<S: Serializer>(
    name: &Option<Arc<str>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    name.as_deref().serialize(serializer)
}

fn grant<S: Serializer>(grant: &Arc<Grant>, serializer: S) -> Result<S::Ok, S::Error> {
    grant.as_ref().serialize(serializer)
}

/// The state of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A server accepts it.
    Usable,
    /// Whether a server accepts it is unknown, because of damage.
    Unknown,
    /// Active, but no server accepts it.
    Unusable,
    /// Inactive.
    Inactive,
    /// Its user or its organization was deleted.
    Orphaned,
}

impl State {
    /// Its name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Unknown => "unknown",
            Self::Unusable => "unusable",
            Self::Inactive => "inactive",
            Self::Orphaned => "orphaned",
        }
    }
}

impl ReportedToken {
    /// Whether it works, and if not, the main reason.
    #[must_use]
    pub fn state(&self) -> State {
        if self.orphaned == Some(true) {
            State::Orphaned
        } else if self.status != "active" {
            State::Inactive
        } else {
            match self.usable {
                Some(true) => State::Usable,
                Some(false) => State::Unusable,
                None => State::Unknown,
            }
        }
    }
}

/// Reads the tokens and the 1.x-compatible authorizations of a store, and what had to be skipped.
///
/// # Errors
/// When the file can't be read.
pub(super) fn tokens(
    store: &Store,
    shown: &mut ShownTokens<'_>,
) -> Result<([List<ReportedToken>; 2], Vec<Finding>)> {
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let mut collect = |is_legacy: bool| -> Result<_> {
        let mut lister = Lister::new(snapshot, Filters::default(), false)?;
        lister.find_hidden(snapshot, inspect)?;
        lister.leave_out_tokens(shown);
        let mut entries = Collected {
            gone: Gone::of(&lister.catalog().hidden),
            hides_owners: {
                use crate::metadata::names::{ORGANIZATIONS, USERS};
                lister.catalog().hidden.hides_any(&[USERS, ORGANIZATIONS])
            },
            names: HashMap::new(),
            grants: HashMap::new(),
            tokens: Vec::new(),
            shown,
        };
        let mut sink = |entry: &AuthDetails<'_>| entries.add(entry);
        let skipped = match is_legacy {
            true => lister.list_legacy(snapshot, &mut sink)?,
            false => lister.list(snapshot, &mut sink)?,
        };
        Ok((List::new(entries.tokens, skipped.hidden), skipped.findings))
    };
    let (tokens, skipped) = collect(false)?;
    let (legacy, _) = collect(true)?;
    Ok(([tokens, legacy], skipped))
}

/// Owned copies of entries. What many of them have is there once.
struct Collected<'s, 't> {
    gone: Gone,
    /// Whether damage hides users or organizations.
    hides_owners: bool,
    names: HashMap<String, Arc<str>>,
    /// By organization, and permissions with names.
    grants: HashMap<(Id, String), Arc<Grant>>,
    tokens: Vec<ReportedToken>,
    shown: &'s mut ShownTokens<'t>,
}

impl Collected<'_, '_> {
    fn add(&mut self, entry: &AuthDetails<'_>) {
        let gone = entry.org.is_none() || entry.user_id.is_some() && entry.user.is_none();
        let token = ReportedToken {
            id: entry.id,
            username: match entry.has_password {
                Some(_) => entry.token.map(|name| self.text(name)),
                None => None,
            },
            status: match entry.status {
                "active" | "inactive" => entry.status.to_owned(),
                other => self.text(other),
            },
            description: self.text(entry.description),
            org_id: entry.org_id,
            org: entry.org.map(|name| self.name(name)),
            user_id: entry.user_id,
            user: entry.user.map(|name| self.name(name)),
            grant: self.grant(entry),
            created_at: self.time(entry.created_at),
            updated_at: self.time(entry.updated_at),
            kind: entry.kind,
            usable: entry.usable,
            storage: entry.storage,
            problems: entry.problems.iter().map(|text| self.text(text)).collect(),
            orphaned: match (gone, self.hides_owners) {
                (true, true) => None,
                (gone, _) => Some(gone),
            },
            has_password: entry.has_password,
        };
        self.tokens.push(token);
    }

    fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        self.shown.leave_out(&mut text);
        text
    }

    /// A time as written, which may be any text.
    fn time(&mut self, time: &str) -> String {
        const LONGEST: usize = 40;
        let is_time = time.len() <= LONGEST && time.starts_with(|c: char| c.is_ascii_digit());
        match is_time {
            true => time.to_owned(),
            false => self.text(time),
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(name.to_owned(), Arc::clone(&new));
        new
    }

    fn grant(&mut self, entry: &AuthDetails<'_>) -> Arc<Grant> {
        // All fields serialize.
        let json = to_raw_value(&entry.permissions).ok();
        let text = json.as_ref().map_or("", |json| json.get());
        let key = (entry.org_id, text.to_owned());
        if let Some(known) = self.grants.get(&key) {
            return Arc::clone(known);
        }
        let held = entry.permissions.iter().map(held).collect();
        // Types that no release knows may be any text.
        let kinds = entry
            .permissions
            .iter()
            .map(|granted| granted.resource.kind);
        let mut unknown = kinds.filter(|kind| !RESOURCE_TYPES.contains(kind));
        let contains_token = unknown.any(|kind| self.shown.are_in(kind)) || self.shown.are_in(text);
        let new = Arc::new(Grant {
            access: match contains_token {
                true => REMOVED.to_owned(),
                false => access(entry, &self.gone),
            },
            permissions: json.filter(|_| !contains_token),
            held,
        });
        self.grants.insert(key, Arc::clone(&new));
        new
    }
}

fn held(permission: &NamedPermission<'_>) -> Permission<'static> {
    let resource = &permission.resource;
    let kind = resource.kind.to_owned();
    Permission::new(permission.action, kind, resource.id, resource.org_id)
}
