//! Permission questions of the form `ACTION[:TYPE[/NAME-OR-ID]]`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::permission::{Action, Permission, RESOURCE_TYPES, allows, of_type};
use crate::metadata::{Bucket, Catalog, Id};

/// The question. A missing part means "any": `write` asks for any write permission, `write:buckets`
/// for one on any bucket, `write:buckets/metrics` for one on this bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Can {
    action: Action,
    kind: Option<&'static str>,
    target: Option<String>,
}

impl FromStr for Can {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (action, rest) = match text.split_once(':') {
            Some((action, rest)) => (action, Some(rest)),
            None => (text, None),
        };
        let action = Action::ALL
            .into_iter()
            .find(|known| known.to_string() == action)
            .ok_or("the action must be read or write, as in write:buckets/NAME")?;
        let (kind, target) = match rest.map(|rest| (rest, rest.split_once('/'))) {
            Some((_, Some((_, "")))) => {
                return Err("a name or an ID must follow the /, as in write:buckets/NAME".into());
            }
            Some((_, Some((kind, target)))) => (Some(kind), Some(target.to_owned())),
            Some((kind, None)) => (Some(kind), None),
            None => (None, None),
        };
        let kind = kind
            .map(|kind| {
                RESOURCE_TYPES
                    .into_iter()
                    .find(|known| *known == kind)
                    .ok_or_else(|| {
                        format!(
                            "unknown resource type; the types are {}",
                            RESOURCE_TYPES.join(", ")
                        )
                    })
            })
            .transpose()?;
        Ok(Self {
            action,
            kind,
            target,
        })
    }
}

impl fmt::Display for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        if let Some(kind) = self.kind {
            write!(f, ":{kind}")?;
        }
        match &self.target {
            Some(target) => write!(f, "/{target}"),
            None => Ok(()),
        }
    }
}

impl Can {
    /// The resource type, if the question names one.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        self.kind
    }

    /// The name or ID, if the question names one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The permission that grants exactly this to a token of `org`: for a whole type as the influx
    /// CLI requests it, otherwise for one resource. `None` when the name does not exist, or no type
    /// is named.
    #[must_use]
    pub fn grant(&self, org: Id, catalog: &Catalog) -> Option<Permission<'static>> {
        let kind = self.kind?;
        let Some(target) = self.target() else {
            return Some(of_type(self.action, kind, org));
        };
        if kind != "buckets" {
            return self.request(kind, org, catalog);
        }
        let bucket = find_bucket(catalog, org, target.parse().ok(), target)?;
        let (id, org) = (Some(bucket.id), Some(bucket.org_id));
        Some(Permission::new(self.action, kind, id, org))
    }

    /// Whether the permissions `granted` allow it; names are looked up in `org`. `false` when the
    /// name does not exist.
    #[must_use]
    pub fn allowed(&self, granted: &[Permission<'_>], org: Id, catalog: &Catalog) -> bool {
        let Some(kind) = self.kind else {
            return granted.iter().any(|p| p.action == self.action);
        };
        if self.target.is_none() {
            return granted.iter().any(|p| {
                p.action == self.action
                    && (p.resource.kind == kind
                        || p.resource.kind == crate::metadata::permission::INSTANCE)
            });
        }
        self.request(kind, org, catalog)
            .is_some_and(|request| allows(granted, &request))
    }

    /// Refuses a question that names something that does not exist in `org`, or in any organization
    /// when that is `None`.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`].
    pub fn must_exist(&self, org: Option<Id>, catalog: &Catalog) -> Result<()> {
        let (Some(kind), Some(target)) = (self.kind, &self.target) else {
            return Ok(());
        };
        let exists = match org {
            Some(org) => self.request(kind, org, catalog).is_some(),
            None => catalog
                .orgs
                .keys()
                .any(|org| self.request(kind, *org, catalog).is_some()),
        };
        if exists {
            return Ok(());
        }
        if let Some(problem) = self.name_problem(kind, org, catalog) {
            return Err(Error::new(
                ErrorKind::NoSuchRecord,
                format!("{target:?} among the {kind}: {problem}"),
            )
            .with_hint(
                "use the ID instead of the name; boltkey check shows which record and entry disagree",
            ));
        }
        let hint = match kind {
            "buckets" => {
                "boltkey bucket list shows names and IDs; choose the organization with \
                          --org"
            }
            "orgs" => "boltkey org list shows names and IDs",
            "users" => "boltkey user list shows names and IDs",
            _ => "use the ID (16 hex digits) for resources of this type",
        };
        Err(Error::new(
            ErrorKind::NoSuchRecord,
            format!("there is no {target:?} among the {kind}"),
        )
        .with_hint(hint))
    }

    /// How record and index disagree about the target's name, if they do.
    pub fn name_problem(&self, kind: &str, org: Option<Id>, catalog: &Catalog) -> Option<String> {
        let name = self.target.as_deref()?;
        match kind {
            "buckets" => match org {
                Some(org) => catalog.bucket_by_name(org, name).problem(),
                None => catalog
                    .orgs
                    .keys()
                    .find_map(|org| catalog.bucket_by_name(*org, name).problem()),
            },
            "orgs" => catalog.org_by_name(name).problem(),
            "users" => catalog.user_by_name(name).problem(),
            _ => None,
        }
    }

    /// The request the server would test.
    fn request(
        &self,
        kind: &'static str,
        org: Id,
        catalog: &Catalog,
    ) -> Option<Permission<'static>> {
        let target = self.target.as_deref()?;
        let id = target.parse::<Id>().ok();
        let request = |kind: &'static str, id, org| Permission::new(self.action, kind, id, org);
        match kind {
            "buckets" => {
                let bucket = find_bucket(catalog, org, id, target)?;
                if bucket.is_system() && self.action == Action::Read {
                    // For reading a system bucket, the server checks the permission on the
                    // organization.
                    return Some(request("orgs", Some(bucket.org_id), None));
                }
                Some(request(kind, Some(bucket.id), Some(bucket.org_id)))
            }
            "orgs" => {
                let by_id = id.and_then(|id| catalog.orgs.get(&id));
                let org = by_id.or_else(|| catalog.org_by_name(target).found())?;
                Some(request(kind, Some(org.id), None))
            }
            "users" => {
                let by_id = id.and_then(|id| catalog.users.get(&id));
                let user = by_id.or_else(|| catalog.user_by_name(target).found())?;
                Some(request(kind, Some(user.id), None))
            }
            _ => Some(request(kind, Some(id?), Some(org))),
        }
    }
}

fn find_bucket<'a>(
    catalog: &'a Catalog,
    org: Id,
    id: Option<Id>,
    name: &str,
) -> Option<&'a Bucket> {
    id.and_then(|id| catalog.buckets.get(&id))
        .or_else(|| catalog.bucket_by_name(org, name).found())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::lookup::Named;

    #[test]
    fn forms() {
        for good in ["read", "write:buckets", "write:buckets/a/b", "read:orgs/x"] {
            assert!(good.parse::<Can>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "delete",
            "read:",
            "read:bucket",
            "read:buckets/",
            "READ",
            "read:buckets,write",
        ] {
            assert!(bad.parse::<Can>().is_err(), "{bad}");
        }
        let can: Can = "write:buckets/a/b".parse().unwrap();
        assert_eq!(can.target.as_deref(), Some("a/b"));
    }

    #[test]
    fn answers() {
        let org = Id::new(1).unwrap();
        let mut catalog = Catalog::default();
        for (id, kind, name) in [(7, 0, "metrics"), (8, 1, "_tasks")] {
            let text = format!(
                r#"{{"id":"{id:016x}","orgID":"0000000000000001","type":{kind},"name":"{name}"}}"#
            );
            let bucket: Bucket = serde_json::from_str(&text).unwrap();
            catalog.indexes.buckets.insert(bucket.key(), bucket.id);
            catalog.buckets.insert(bucket.id, bucket);
        }
        let one = [Permission::new(
            Action::Write,
            "buckets",
            Id::new(7),
            Some(org),
        )];
        let reads_org = [Permission::new(Action::Read, "orgs", Some(org), None)];
        let cases: &[(&[Permission<'_>], &str, bool)] = &[
            (&one, "write", true),
            (&one, "read", false),
            (&one, "write:buckets", true),
            (&one, "write:tasks", false),
            (&one, "write:buckets/metrics", true),
            (&one, "write:buckets/0000000000000007", true),
            (&one, "write:buckets/_tasks", false),
            (&one, "write:buckets/none", false),
            (&reads_org, "read:buckets/_tasks", true),
            (&reads_org, "read:buckets/metrics", false),
        ];
        for (granted, question, expected) in cases {
            let can: Can = question.parse().unwrap();
            assert_eq!(can.allowed(granted, org, &catalog), *expected, "{question}");
        }
        println!("cases: can {}", cases.len());
    }

    #[test]
    fn grants() {
        let org = Id::new(1).unwrap();
        let mut catalog = Catalog::default();
        for (id, name) in [(7, "metrics"), (8, "_tasks")] {
            let text =
                format!(r#"{{"id":"{id:016x}","orgID":"0000000000000001","name":"{name}"}}"#);
            let bucket: Bucket = serde_json::from_str(&text).unwrap();
            catalog.indexes.buckets.insert(bucket.key(), bucket.id);
            catalog.buckets.insert(bucket.id, bucket);
        }
        let one = |kind, id| Permission::new(Action::Read, kind, Id::new(id), Some(org));
        for (text, expected) in [
            ("read:buckets/metrics", Some(one("buckets", 7))),
            ("read:buckets/_tasks", Some(one("buckets", 8))),
            ("read:buckets/0000000000000007", Some(one("buckets", 7))),
            ("read:buckets/none", None),
            ("read:tasks/0000000000000009", Some(one("tasks", 9))),
            ("read:tasks/none", None),
            ("read:orgs", Some(of_type(Action::Read, "orgs", org))),
            ("read", None),
        ] {
            let can: Can = text.parse().unwrap();
            assert_eq!(can.grant(org, &catalog), expected, "{text}");
        }
    }
}
