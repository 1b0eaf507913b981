//! What a token may do, in a few words: `everything`, `all of acme`, `read, write buckets/metrics;
//! read tasks`.

use std::collections::HashMap;

use crate::metadata::permission::{Action, INSTANCE, OPERATOR_TYPES, RESOURCE_TYPES};
use crate::metadata::{Hidden, Id, Kind, names};
use crate::ops::auth::list::{AuthDetails, NamedPermission, NamedResource};

/// What stands for a name that is not in the store: that it is deleted, or unknown because of damage.
pub struct Gone {
    /// For users.
    pub users: &'static str,
    /// For organizations.
    pub orgs: &'static str,
    /// For buckets.
    pub buckets: &'static str,
}

impl Gone {
    /// In a store of which damage hides these records.
    #[must_use]
    pub fn of(hidden: &Hidden) -> Self {
        let word = |bucket| match hidden.hides(bucket) {
            true => "(unknown)",
            false => "(deleted)",
        };
        Self {
            users: word(names::USERS),
            orgs: word(names::ORGANIZATIONS),
            buckets: word(names::BUCKETS),
        }
    }
}

/// Sums up the permissions of a token. The text is not escaped.
#[must_use]
pub fn access(entry: &AuthDetails<'_>, gone: &Gone) -> String {
    let permissions = entry.permissions.as_slice();
    match entry.kind {
        Kind::Operator => format!("everything{}", except(permissions)),
        Kind::AllAccess => {
            let org = match entry.org {
                Some(name) => name.to_owned(),
                None => format!("{} {}", entry.org_id, gone.orgs),
            };
            let all = format!("all of {org}{}", except(permissions));
            let beyond: Vec<&NamedPermission<'_>> = permissions
                .iter()
                .filter(|permission| !is_of(&permission.resource, entry.org_id))
                .collect();
            match beyond.is_empty() {
                true => all,
                false => format!("{all}; {}", listed(&beyond, entry.org_id, gone)),
            }
        }
        Kind::Custom if permissions.is_empty() => "nothing".into(),
        Kind::Custom => listed(&permissions.iter().collect::<Vec<_>>(), entry.org_id, gone),
    }
}

/// The types that a token of an older release lacks.
fn except(permissions: &[NamedPermission<'_>]) -> String {
    let has = |kind: &str| permissions.iter().any(|p| p.resource.kind == kind);
    if has(INSTANCE) {
        return String::new();
    }
    let types = RESOURCE_TYPES.iter().take(OPERATOR_TYPES);
    let missing: Vec<&str> = types.copied().filter(|kind| !has(kind)).collect();
    match missing.is_empty() {
        true => String::new(),
        false => format!(" except {}", missing.join(", ")),
    }
}

/// Whether an all-access token of this organization has it.
fn is_of(resource: &NamedResource<'_>, org: Id) -> bool {
    match resource.kind {
        "orgs" => resource.id == Some(org) || resource.org_id == Some(org),
        "users" => true,
        _ => resource.org_id == Some(org),
    }
}

/// Resources with the same actions together: both actions first, then read, then write.
fn listed(permissions: &[&NamedPermission<'_>], org: Id, gone: &Gone) -> String {
    let mut resources: Vec<(String, [bool; 2])> = Vec::new();
    let mut places = HashMap::new();
    for permission in permissions {
        let text = resource(&permission.resource, org, gone);
        let place = *places.entry(text.clone()).or_insert_with(|| {
            resources.push((text, [false; 2]));
            resources.len() - 1
        });
        if let Some((_, [reads, writes])) = resources.get_mut(place) {
            match permission.action {
                Action::Read => *reads = true,
                Action::Write => *writes = true,
            }
        }
    }
    let groups = [
        ("read, write", [true, true]),
        ("read", [true, false]),
        ("write", [false, true]),
    ];
    let groups = groups.iter().filter_map(|(verb, actions)| {
        let of_group = resources.iter().filter(|(_, has)| has == actions);
        let of_group: Vec<&str> = of_group.map(|(text, _)| text.as_str()).collect();
        let of_group = without_types(of_group);
        (!of_group.is_empty()).then(|| format!("{verb} {}", of_group.join(", ")))
    });
    groups.collect::<Vec<_>>().join("; ")
}

/// Replaces the list of all types that an organization has by one word.
fn without_types(resources: Vec<&str>) -> Vec<&str> {
    let types = RESOURCE_TYPES.iter().take(OPERATOR_TYPES).copied();
    let types = types.filter(|kind| !matches!(*kind, "orgs" | "users"));
    let has_all = types.clone().all(|kind| resources.contains(&kind));
    if !has_all {
        return resources;
    }
    let others = resources.into_iter();
    let others = others.filter(|resource| !RESOURCE_TYPES.contains(resource));
    ["all types"].into_iter().chain(others).collect()
}

/// A resource: its type, its name, and its organization unless that is the token's own.
fn resource(resource: &NamedResource<'_>, org: Id, gone: &Gone) -> String {
    let mut text = resource.kind.to_owned();
    if let Some(id) = resource.id {
        text.push('/');
        match resource.name {
            Some(name) => text.push_str(name),
            None => text.push_str(&id.to_string()),
        }
        // The API names these.
        let missing = match resource.kind {
            "buckets" => gone.buckets,
            "orgs" => gone.orgs,
            "users" => gone.users,
            _ => "",
        };
        if resource.name.is_none() && !missing.is_empty() {
            text.push_str(&format!(" {missing}"));
        }
    }
    let is_global = matches!(resource.kind, "orgs" | "users" | INSTANCE);
    match (resource.org_id, resource.id) {
        (Some(id), _) if id == org => {}
        (Some(id), _) => match resource.org {
            Some(name) => text.push_str(&format!(" of {name}")),
            None => text.push_str(&format!(" of {id}")),
        },
        (None, None) if !is_global => text.push_str(" of every org"),
        (None, _) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: u64 = 7;
    const GONE: Gone = Gone {
        users: "(deleted)",
        orgs: "(deleted)",
        buckets: "(deleted)",
    };

    fn permission<'a>(
        action: Action,
        kind: &'a str,
        id: Option<u64>,
        name: Option<&'a str>,
        org: Option<u64>,
    ) -> NamedPermission<'a> {
        NamedPermission {
            action,
            resource: NamedResource {
                kind,
                id: id.and_then(Id::new),
                org_id: org.and_then(Id::new),
                name,
                org: None,
            },
        }
    }

    #[test]
    fn resources_with_the_same_actions_are_together() {
        use Action::{Read, Write};
        let permissions = [
            permission(Read, "tasks", None, None, Some(ORG)),
            permission(Read, "buckets", Some(1), Some("metrics"), Some(ORG)),
            permission(Write, "buckets", Some(1), Some("metrics"), Some(ORG)),
            permission(Write, "buckets", Some(2), None, Some(ORG)),
            permission(Read, "checks", None, None, None),
            permission(Read, "users", None, None, None),
            permission(Read, "views", None, None, Some(8)),
        ];
        let all: Vec<_> = permissions.iter().collect();
        assert_eq!(
            listed(&all, Id::new(ORG).unwrap(), &GONE),
            "read, write buckets/metrics; read tasks, checks of every org, users, views of \
             0000000000000008; write buckets/0000000000000002 (deleted)"
        );
    }
}
