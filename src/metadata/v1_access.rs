//! Whether the 1.x endpoints (`/query`, `/write`) accept a 1.x-compatible authorization with the
//! right password. Their rules are stricter than those of `/api/v2`.
//!
//! Source: `v1/authorization/authorizer.go`, `http/legacy/influx1x_authentication_handler.go` in
//! influxdata/influxdb.

use crate::metadata::authenticate::{Met, TokenIndexes, Verdict, has_index_entry};
use crate::metadata::{Authorization, Catalog};

/// Judges a request with the name and the right password of this authorization. `has_password` is
/// none if damage may hide the password.
#[must_use]
pub fn judge<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    indexes: &TokenIndexes,
    has_password: Option<bool>,
) -> Verdict {
    let mut reasons = Vec::new();
    let conditions = [
        has_name(authorization, catalog, indexes, &mut reasons),
        is_active(authorization, &mut reasons),
        has_owner(authorization, catalog, &mut reasons),
        has_org(authorization, catalog, &mut reasons),
        password_is_set(has_password, &mut reasons),
    ];
    Verdict::of(&conditions, reasons)
}

/// Judges a request with an API token as the password. The 1.x endpoints accept one with every name
/// that is no 1.x user.
#[must_use]
pub fn judge_token<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    indexes: &TokenIndexes,
) -> Verdict {
    let mut reasons = Vec::new();
    let conditions = [
        has_index_entry(authorization, catalog, indexes, &mut reasons),
        is_active(authorization, &mut reasons),
        has_owner(authorization, catalog, &mut reasons),
        has_org(authorization, catalog, &mut reasons),
    ];
    Verdict::of(&conditions, reasons)
}

/// Whether influxd finds the record by its user name.
fn has_name<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    indexes: &TokenIndexes,
    reasons: &mut Vec<String>,
) -> Met {
    if authorization.token.is_empty() {
        reasons.push("the record has no 1.x user name".into());
        return Met::No;
    }
    let found = has_index_entry(authorization, catalog, indexes, reasons);
    if authorization.token.contains(':') {
        reasons.push(
            "its user name contains a colon: only u= and p= in an address can carry it, not basic \
             authentication"
                .into(),
        );
    }
    found
}

fn is_active<P>(authorization: &Authorization<'_, P>, reasons: &mut Vec<String>) -> Met {
    if !authorization.is_active() {
        reasons.push("the authorization is inactive".into());
    }
    authorization.is_active().into()
}

/// Whether its owner exists and is active. A user without a status is not.
fn has_owner<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    reasons: &mut Vec<String>,
) -> Met {
    let Some(id) = authorization.user_id else {
        reasons.push("it has no owner, and 1.x endpoints (/write, /query) require one".into());
        return Met::No;
    };
    match catalog.users.get(&id).map(|user| user.status.as_str()) {
        Some("active") => return Met::Yes,
        Some("inactive") => reasons.push("its owner is inactive".into()),
        Some(_) => reasons.push(
            "its owner has no status, and 1.x endpoints (/write, /query) require an active user"
                .into(),
        ),
        None if catalog.may_have_user(id) => {
            reasons.push(format!(
                "its owner {id} can't be found, and damage may hide it"
            ));
            return Met::Unknown;
        }
        None => reasons.push(format!("its owner {id} was deleted")),
    }
    Met::No
}

/// Whether its organization exists, whose databases it may see.
fn has_org<P>(
    authorization: &Authorization<'_, P>,
    catalog: &Catalog,
    reasons: &mut Vec<String>,
) -> Met {
    let id = authorization.org_id;
    if catalog.orgs.contains_key(&id) {
        return Met::Yes;
    }
    if catalog.may_have_org(id) {
        reasons.push(format!(
            "its organization {id} can't be found, and damage may hide it"
        ));
        return Met::Unknown;
    }
    reasons.push(format!("its organization {id} was deleted"));
    Met::No
}

fn password_is_set(has_password: Option<bool>, reasons: &mut Vec<String>) -> Met {
    match has_password {
        Some(true) => Met::Yes,
        Some(false) => {
            reasons.push("no password is set".into());
            Met::No
        }
        None => {
            reasons.push("damage may hide its password".into());
            Met::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::names;
    use crate::store::Model;

    const ID: &str = "0000000000000a01";

    /// A store with users 1 (active), 2 (inactive) and 3 (without a status), organization 1, and an
    /// index entry.
    fn store() -> Model {
        let mut model = Model::default();
        for (user, status) in [(1, "active"), (2, "inactive"), (3, "")] {
            let id = format!("{user:016x}");
            let record = format!(r#"{{"id":"{id}","name":"u{user}","status":"{status}"}}"#);
            model.put(names::USERS, id.as_bytes(), record.as_bytes());
        }
        let org = r#"{"id":"0000000000000001","name":"acme"}"#;
        model.put(names::ORGANIZATIONS, b"0000000000000001", org.as_bytes());
        for name in ["collectd", "a:b"] {
            model.put(
                names::LEGACY_AUTHORIZATION_INDEX,
                name.as_bytes(),
                ID.as_bytes(),
            );
        }
        model
    }

    #[test]
    fn what_the_server_asks_for() {
        let model = store();
        let catalog = Catalog::load(&model).unwrap();
        for (name, status, user, org, password, expected, reason) in [
            ("collectd", "active", 1, 1, Some(true), Some(true), ""),
            ("collectd", "", 1, 1, Some(true), Some(true), ""),
            ("a:b", "active", 1, 1, Some(true), Some(true), "colon"),
            (
                "collectd",
                "inactive",
                1,
                1,
                Some(true),
                Some(false),
                "inactive",
            ),
            (
                "collectd",
                "active",
                2,
                1,
                Some(true),
                Some(false),
                "owner is inactive",
            ),
            (
                "collectd",
                "active",
                3,
                1,
                Some(true),
                Some(false),
                "no status",
            ),
            (
                "collectd",
                "active",
                4,
                1,
                Some(true),
                Some(false),
                "was deleted",
            ),
            (
                "collectd",
                "active",
                1,
                2,
                Some(true),
                Some(false),
                "organization",
            ),
            (
                "collectd",
                "active",
                1,
                1,
                Some(false),
                Some(false),
                "no password",
            ),
            ("collectd", "active", 1, 1, None, None, "damage"),
            ("other", "active", 1, 1, Some(true), Some(false), "missing"),
            (
                "",
                "active",
                1,
                1,
                Some(true),
                Some(false),
                "no 1.x user name",
            ),
        ] {
            let text = format!(
                r#"{{"id":"{ID}","token":"{name}","status":"{status}","orgID":"{org:016x}","userID":"{user:016x}"}}"#
            );
            let record: Authorization<'_> = serde_json::from_str(&text).unwrap();
            let indexes = TokenIndexes::of_legacy(&model, &record).unwrap();
            let verdict = judge(&record, &catalog, &indexes, password);
            assert_eq!(verdict.known(), expected, "{text}: {verdict:?}");
            assert_eq!(
                verdict.reasons.len(),
                usize::from(!reason.is_empty()),
                "{verdict:?}"
            );
            assert!(
                verdict.reasons.iter().all(|told| told.contains(reason)),
                "{verdict:?}"
            );
        }
        let text = format!(r#"{{"id":"{ID}","token":"collectd","orgID":"0000000000000001"}}"#);
        let record: Authorization<'_> = serde_json::from_str(&text).unwrap();
        let indexes = TokenIndexes::of_legacy(&model, &record).unwrap();
        assert!(!judge(&record, &catalog, &indexes, Some(true)).authenticates);
    }
}
