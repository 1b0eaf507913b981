//! A default description for a token, made from its permissions.

use crate::metadata::authorization::classify;
use crate::metadata::permission::{Action, Permission};
use crate::metadata::{Catalog, Kind, Organization, User};

/// At most this many permissions are listed.
const MOST: usize = 8;

/// "Read buckets metrics Write buckets _tasks", or the kind of token.
pub(crate) fn describe(
    permissions: &[Permission<'_>],
    user: &User,
    org: &Organization,
    catalog: &Catalog,
) -> String {
    match classify(permissions, org.id).kind {
        Kind::Operator => return format!("{}'s Operator Token", user.name),
        Kind::AllAccess => return format!("{}'s All-Access Token for {}", user.name, org.name),
        Kind::Custom => {}
    }
    let mut texts: Vec<String> = Vec::new();
    for permission in permissions.iter().take(MOST) {
        let action = match permission.action {
            Action::Read => "Read",
            Action::Write => "Write",
        };
        let kind = &permission.resource.kind;
        texts.push(match name_of(permission, catalog) {
            Some(name) => format!("{action} {kind} {name}"),
            None => format!("{action} {kind}"),
        });
    }
    let more = permissions.len().saturating_sub(MOST);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(" ")
}

/// The name of the single resource, or its ID if it has no name.
fn name_of(permission: &Permission<'_>, catalog: &Catalog) -> Option<String> {
    let resource = &permission.resource;
    let id = resource.id?;
    let name = match &*resource.kind {
        "buckets" => catalog.buckets.get(&id).map(|bucket| &bucket.name),
        "orgs" => catalog.orgs.get(&id).map(|org| &org.name),
        "users" => catalog.users.get(&id).map(|user| &user.name),
        _ => None,
    };
    Some(name.cloned().unwrap_or_else(|| id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::permission::{of_all_access, of_operator};
    use crate::metadata::{Bucket, Id};

    #[test]
    fn what_it_says() {
        let id = |n| Id::new(n).unwrap();
        let user: User =
            serde_json::from_str(r#"{"id":"0000000000000002","name":"alice"}"#).unwrap();
        let org: Organization =
            serde_json::from_str(r#"{"id":"0000000000000001","name":"acme"}"#).unwrap();
        let mut catalog = Catalog::default();
        for (n, name) in [(7, "metrics"), (8, "_tasks")] {
            let text = format!(r#"{{"id":"{n:016x}","orgID":"0000000000000001","name":"{name}"}}"#);
            let bucket: Bucket = serde_json::from_str(&text).unwrap();
            catalog.buckets.insert(bucket.id, bucket);
        }
        let describe =
            |permissions: &[Permission<'_>]| describe(permissions, &user, &org, &catalog);
        let on = |action, n| Permission::new(action, "buckets", Some(id(n)), Some(org.id));
        assert_eq!(
            describe(&[on(Action::Read, 7), on(Action::Write, 8)]),
            "Read buckets metrics Write buckets _tasks"
        );
        assert_eq!(
            describe(&[on(Action::Read, 9)]),
            "Read buckets 0000000000000009"
        );
        let all = Permission::new(Action::Write, "tasks", None, Some(org.id));
        assert_eq!(describe(&[all]), "Write tasks");
        assert_eq!(describe(&of_operator(21)), "alice's Operator Token");
        assert_eq!(
            describe(&of_all_access(21, org.id, user.id)),
            "alice's All-Access Token for acme"
        );
        let many: Vec<_> = of_operator(21).into_iter().take(10).collect();
        assert!(describe(&many).ends_with("and 2 more"));
    }
}
