//! Permissions of tokens, and the server's rule for them.
//!
//! Source: `auth.go` and `authz.go` in influxdata/influxdb.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::metadata::Id;
use crate::metadata::json::push_string;

/// The action of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read.
    Read,
    /// Write.
    Write,
}

impl Action {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The resource types of InfluxDB OSS in the server's order, which is also the order of permissions
/// in an operator token. The last one, `instance`, means all types.
pub const RESOURCE_TYPES: [&str; 23] = [
    "authorizations",
    "buckets",
    "dashboards",
    "orgs",
    "sources",
    "tasks",
    "telegrafs",
    "users",
    "variables",
    "scrapers",
    "secrets",
    "labels",
    "views",
    "documents",
    "notificationRules",
    "notificationEndpoints",
    "checks",
    "dbrp",
    "notebooks",
    "annotations",
    "remotes",
    "replications",
    "instance",
];

/// How many of [`RESOURCE_TYPES`] InfluxDB 2.0 had.
pub const TYPES_OF_2_0: usize = 18;

/// How many of [`RESOURCE_TYPES`] InfluxDB 2.1 had.
pub const TYPES_OF_2_1: usize = 20;

/// How many of [`RESOURCE_TYPES`] an operator token has since 2.2: all except `instance`.
pub const OPERATOR_TYPES: usize = 22;

/// The type that means every resource; only tokens created on 2.4 can have it.
pub const INSTANCE: &str = "instance";

/// The resource of a permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Resource<'a> {
    /// One of [`RESOURCE_TYPES`], or a type of another release.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// The ID of a single resource.
    #[serde(default)]
    pub id: Option<Id>,
    /// The organization, for all resources of the type in it.
    #[serde(default, rename = "orgID")]
    pub org_id: Option<Id>,
}

/// One permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Permission<'a> {
    /// The action.
    pub action: Action,
    /// The resource.
    #[serde(borrow)]
    pub resource: Resource<'a>,
}

impl<'a> Permission<'a> {
    /// A permission or request, optionally limited by `id` and `org_id`.
    pub fn new(
        action: Action,
        kind: impl Into<Cow<'a, str>>,
        id: Option<Id>,
        org_id: Option<Id>,
    ) -> Self {
        Self {
            action,
            resource: Resource {
                kind: kind.into(),
                id,
                org_id,
            },
        }
    }

    /// Whether this permission allows `request`, by the server's rule.
    #[must_use]
    pub fn allows(&self, request: &Permission<'_>) -> bool {
        let (granted, asked) = (&self.resource, &request.resource);
        if self.action != request.action {
            return false;
        }
        if granted.kind == INSTANCE {
            return true;
        }
        if granted.kind != asked.kind {
            return false;
        }
        match (granted.id, granted.org_id) {
            (None, None) => true,
            (None, Some(org)) => asked.org_id == Some(org),
            // The organization is not compared then.
            (Some(id), _) => asked.id == Some(id),
        }
    }

    /// Appends it as influxd writes it in records.
    pub fn push_json(&self, out: &mut Vec<u8>) {
        let mut text = |before: &str, value: &str| {
            out.extend_from_slice(before.as_bytes());
            push_string(value, out);
        };
        text("{\"action\":", &self.action.to_string());
        text(",\"resource\":{\"type\":", &self.resource.kind);
        if let Some(id) = self.resource.id {
            text(",\"id\":", &id.to_string());
        }
        if let Some(id) = self.resource.org_id {
            text(",\"orgID\":", &id.to_string());
        }
        out.extend_from_slice(b"}}");
    }

    /// An owned copy.
    #[must_use]
    pub fn into_owned(self) -> Permission<'static> {
        Permission {
            action: self.action,
            resource: Resource {
                kind: Cow::Owned(self.resource.kind.into_owned()),
                id: self.resource.id,
                org_id: self.resource.org_id,
            },
        }
    }
}

/// The resource types of the newest release with this schema, without `instance`.
#[must_use]
pub fn types_of(migrations: u64) -> &'static [&'static str] {
    let types = match migrations {
        0..=15 => TYPES_OF_2_0,
        16..=18 => TYPES_OF_2_1,
        _ => OPERATOR_TYPES,
    };
    RESOURCE_TYPES.get(..types).unwrap_or_default()
}

/// The permissions of an operator token as the release of this schema generates them. Later
/// migrations (16 and 19) recognise exactly these and extend them.
#[must_use]
pub fn of_operator(migrations: u64) -> Vec<Permission<'static>> {
    types_of(migrations)
        .iter()
        .flat_map(|kind| Action::ALL.map(|action| Permission::new(action, *kind, None, None)))
        .collect()
}

/// The permissions of an all-access token of one organization and user, in the order of the influx
/// CLI: the organization is read-only, and the only user is this user.
#[must_use]
pub fn of_all_access(migrations: u64, org: Id, user: Id) -> Vec<Permission<'static>> {
    let both = |kind, id, org| Action::ALL.map(|action| Permission::new(action, kind, id, org));
    types_of(migrations)
        .iter()
        .flat_map(|kind| match *kind {
            "orgs" => vec![Permission::new(Action::Read, *kind, Some(org), None)],
            "users" => both(*kind, Some(user), None).to_vec(),
            _ => both(*kind, None, Some(org)).to_vec(),
        })
        .collect()
}

/// A permission on all resources of a type, as the influx CLI (2.4 and later) requests it: those of
/// one organization, but organizations and users everywhere.
#[must_use]
pub fn of_type(action: Action, kind: &'static str, org: Id) -> Permission<'static> {
    let is_global = matches!(kind, "orgs" | "users");
    Permission::new(action, kind, None, (!is_global).then_some(org))
}

/// The permissions of the login of an owner, or of a member, of an organization: those in the
/// organization, and those on its own user.
#[must_use]
pub fn of_login(owner: bool, org: Id, user: Id) -> Vec<Permission<'static>> {
    let actions = || {
        Action::ALL
            .into_iter()
            .filter(|a| owner || *a == Action::Read)
    };
    let of_org = types_of(u64::MAX).iter().flat_map(|kind| {
        actions().map(|action| match *kind {
            "orgs" => Permission::new(action, *kind, Some(org), None),
            _ => Permission::new(action, *kind, None, Some(org)),
        })
    });
    let own = Action::ALL.map(|action| Permission::new(action, "users", Some(user), None));
    of_org.chain(own).collect()
}

/// The form in which the server and `influxd recovery auth list` print it.
impl fmt::Display for Permission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resource { kind, id, org_id } = &self.resource;
        write!(f, "{}:", self.action)?;
        if let Some(org) = org_id {
            write!(f, "orgs/{org}/")?;
        }
        f.write_str(kind)?;
        if let Some(id) = id {
            write!(f, "/{id}")?;
        }
        Ok(())
    }
}

/// Whether any of `granted` allows `request`.
#[must_use]
pub fn allows(granted: &[Permission<'_>], request: &Permission<'_>) -> bool {
    granted.iter().any(|permission| permission.allows(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> Option<Id> {
        Id::new(n)
    }

    #[test]
    fn the_servers_rule() {
        use Action::{Read, Write};
        let p = |a, t, i, o| Permission::new(a, t, i, o);
        let cases = [
            (
                p(Read, "buckets", None, None),
                p(Write, "buckets", None, None),
                false,
            ),
            (
                p(Read, "instance", None, None),
                p(Read, "tasks", id(7), id(1)),
                true,
            ),
            (
                p(Read, "instance", None, None),
                p(Write, "tasks", id(7), id(1)),
                false,
            ),
            (
                p(Read, "buckets", None, None),
                p(Read, "tasks", None, None),
                false,
            ),
            (
                p(Read, "buckets", None, None),
                p(Read, "buckets", id(7), id(1)),
                true,
            ),
            (
                p(Read, "buckets", None, id(1)),
                p(Read, "buckets", id(7), id(1)),
                true,
            ),
            (
                p(Read, "buckets", None, id(1)),
                p(Read, "buckets", id(7), id(2)),
                false,
            ),
            (
                p(Read, "buckets", None, id(1)),
                p(Read, "buckets", id(7), None),
                false,
            ),
            (
                p(Read, "buckets", None, id(1)),
                p(Read, "buckets", None, None),
                false,
            ),
            (
                p(Read, "buckets", id(7), None),
                p(Read, "buckets", id(7), id(1)),
                true,
            ),
            (
                p(Read, "buckets", id(7), id(2)),
                p(Read, "buckets", id(7), id(1)),
                true,
            ),
            (
                p(Read, "buckets", id(7), id(1)),
                p(Read, "buckets", id(8), id(1)),
                false,
            ),
            (
                p(Read, "buckets", id(7), id(1)),
                p(Read, "buckets", None, id(1)),
                false,
            ),
        ];
        for (granted, asked, expected) in &cases {
            assert_eq!(granted.allows(asked), *expected, "{granted} / {asked}");
        }
        println!("cases: permission-rule {}", cases.len());
    }

    #[test]
    fn operators_of_each_release() {
        for (migrations, count) in [(11, 36), (15, 36), (16, 40), (18, 40), (19, 44), (21, 44)] {
            assert_eq!(of_operator(migrations).len(), count, "{migrations}");
        }
    }

    #[test]
    fn all_access_of_each_release() {
        let (org, user) = (id(1).unwrap(), id(2).unwrap());
        for (migrations, count) in [(15, 35), (18, 39), (20, 43), (21, 43)] {
            let permissions = of_all_access(migrations, org, user);
            assert_eq!(permissions.len(), count, "{migrations}");
            let on =
                |kind: &'static str| permissions.iter().filter(move |p| p.resource.kind == kind);
            assert!(on("orgs").all(|p| p.action == Action::Read && p.resource.id == Some(org)));
            assert!(on("users").all(|p| p.resource.id == Some(user)));
            assert!(on("tasks").all(|p| p.resource.org_id == Some(org)));
        }
        assert_eq!(of_type(Action::Read, "users", org).resource.org_id, None);
    }

    #[test]
    fn text_form() {
        let text = |t, i, o| Permission::new(Action::Read, t, i, o).to_string();
        assert_eq!(text("buckets", None, None), "read:buckets");
        assert_eq!(
            text("buckets", None, id(1)),
            "read:orgs/0000000000000001/buckets"
        );
        assert_eq!(
            text("buckets", id(2), id(1)),
            "read:orgs/0000000000000001/buckets/0000000000000002"
        );
        assert_eq!(text("orgs", id(2), None), "read:orgs/0000000000000002");
    }
}
