//! The body of `POST /api/v2/authorizations`, parsed and validated like the server does.
//!
//! Source: `authorization/http_server.go`, `auth.go`, `authz.go` and `status.go` in
//! influxdata/influxdb, and the answers of a running 2.9.1.

use serde_json::{Map, Value};

use crate::metadata::Id;
use crate::metadata::permission::{Action, INSTANCE, Permission, types_of};

/// The content of such a body.
#[derive(Debug)]
pub struct PostRequest {
    /// Whether the token is active; as on the server, active is the default.
    pub active: bool,
    /// The organization, if given.
    pub org_id: Option<Id>,
    /// The owner, if given.
    pub user_id: Option<Id>,
    /// The description, if given.
    pub description: Option<String>,
    /// At least one.
    pub permissions: Vec<Permission<'static>>,
}

impl PostRequest {
    /// Parses a body. The valid resource types are those of the newest release with this schema.
    ///
    /// # Errors
    /// The reason, in the server's own words where it has a fixed text.
    pub fn parse(body: &[u8], migrations: u64) -> Result<Self, String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|cause| format!("{STRUCTURE}{cause}"))?;
        let Value::Object(body) = body else {
            let found = kind_of(&body);
            return Err(format!(
                "{STRUCTURE}json: cannot unmarshal {found} into Go value of type \
                 authorization.postAuthorizationRequest"
            ));
        };
        // Like the server, decode everything first and validate then.
        let status = text(&body, "status", "influxdb.Status")?;
        let org_id = id(&body, "orgID", "orgID")?;
        let user_id = id(&body, "userID", "userID")?;
        let description = text(&body, "description", "string")?;
        let asked = permissions(&body)?;
        if asked.is_empty() {
            return Err("authorization must include permissions".into());
        }
        let permissions = asked
            .into_iter()
            .map(|permission| permission.judge(migrations))
            .collect::<Result<_, String>>()?;
        let active = match status.as_deref() {
            None | Some("" | "active") => true,
            Some("inactive") => false,
            Some(_) => return Err("invalid status: must be active or inactive".into()),
        };
        Ok(Self {
            active,
            org_id,
            user_id,
            description: description.filter(|text| !text.is_empty()),
            permissions,
        })
    }
}

/// Refuses permissions for another organization than the token's, and those that no server grants.
///
/// # Errors
/// The reason, in the server's own words.
pub fn fits(permissions: &[Permission<'_>], org: Id) -> Result<(), String> {
    for permission in permissions {
        if permission.resource.org_id.is_some_and(|id| id != org) {
            return Err(format!("permission {permission} is not for org id {org}"));
        }
    }
    match permissions.iter().find(|p| p.resource.kind == INSTANCE) {
        Some(permission) => Err(format!(
            "permission {permission} is not allowed: {permission} is unauthorized"
        )),
        None => Ok(()),
    }
}

/// The server's prefix for errors of its decoder.
const STRUCTURE: &str = "invalid json structure: ";

/// A permission that is not validated yet.
#[derive(Default)]
struct Asked {
    action: String,
    kind: String,
    id: Option<Id>,
    org_id: Option<Id>,
}

impl Asked {
    fn judge(self, migrations: u64) -> Result<Permission<'static>, String> {
        if self.kind != INSTANCE && !types_of(migrations).contains(&self.kind.as_str()) {
            return Err(UNKNOWN_TYPE.into());
        }
        let action = Action::ALL
            .into_iter()
            .find(|action| action.to_string() == self.action)
            .ok_or("invalid action type for permission: unknown action for permission")?;
        Ok(Permission::new(action, self.kind, self.id, self.org_id))
    }
}

/// The server's error for an unknown resource type.
pub const UNKNOWN_TYPE: &str =
    "invalid resource type for permission: unknown resource type for permission";

fn permissions(body: &Map<String, Value>) -> Result<Vec<Asked>, String> {
    let list = match field(body, "permissions") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(unfit(other, "permissions", "[]influxdb.Permission")),
    };
    list.iter().map(permission).collect()
}

fn permission(value: &Value) -> Result<Asked, String> {
    let permission = match value {
        Value::Null => return Ok(Asked::default()),
        Value::Object(permission) => permission,
        other => return Err(unfit(other, "permissions", "influxdb.Permission")),
    };
    let action = text_at(
        permission,
        "action",
        "permissions.action",
        "influxdb.Action",
    )?;
    let resource = match field(permission, "resource") {
        None | Some(Value::Null) => &Map::new(),
        Some(Value::Object(resource)) => resource,
        Some(other) => return Err(unfit(other, "permissions.resource", "influxdb.Resource")),
    };
    let kind = text_at(
        resource,
        "type",
        "permissions.resource.type",
        "influxdb.ResourceType",
    )?;
    Ok(Asked {
        action: action.unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        id: id(resource, "id", "permissions.resource.id")?,
        org_id: id(resource, "orgID", "permissions.resource.orgID")?,
    })
}

/// A field by its name. As in Go, case is ignored, and of several fields the last one counts.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut fields = object.iter().rev();
    fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn text(object: &Map<String, Value>, name: &str, of: &str) -> Result<Option<String>, String> {
    text_at(object, name, name, of)
}

fn text_at(
    object: &Map<String, Value>,
    name: &str,
    path: &str,
    of: &str,
) -> Result<Option<String>, String> {
    match field(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(unfit(other, path, of)),
    }
}

fn id(object: &Map<String, Value>, name: &str, path: &str) -> Result<Option<Id>, String> {
    match field(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(cause) => Err(format!("{STRUCTURE}{cause}")),
        },
        Some(other) => Err(unfit(other, path, "platform.ID")),
    }
}

/// The error of Go's decoder for a value of the wrong type.
fn unfit(value: &Value, path: &str, of: &str) -> String {
    format!(
        "{STRUCTURE}json: cannot unmarshal {} into Go struct field \
         postAuthorizationRequest.{path} of type {of}",
        kind_of(value)
    )
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<PostRequest, String> {
        PostRequest::parse(body.as_bytes(), 21)
    }

    const ONE: &str = r#"[{"action":"read","resource":{"type":"buckets"}}]"#;

    #[test]
    fn what_is_left_out_is_left_to_others() {
        let body = parse(&format!(
            r#"{{"PERMISSIONS":{ONE},"description":"","userID":null,"token":"t"}}"#
        ))
        .unwrap();
        assert!(body.active && body.org_id.is_none() && body.user_id.is_none());
        assert!(body.description.is_none());
        assert_eq!(body.permissions[0].to_string(), "read:buckets");
    }

    #[test]
    fn what_is_wrong_is_told_in_the_servers_words() {
        for (body, told) in [
            ("{}", "authorization must include permissions"),
            ("[]", "cannot unmarshal array into Go value"),
            ("{", "invalid json structure: "),
            (r#"{"permissions":[null]}"#, UNKNOWN_TYPE),
            (r#"{"permissions":[{"action":"read"}]}"#, UNKNOWN_TYPE),
            (r#"{"permissions":{}}"#, "cannot unmarshal object"),
            (
                r#"{"permissions":[{"action":"x","resource":{"type":"tasks"}}]}"#,
                "unknown action for permission",
            ),
            (
                r#"{"permissions":[{"action":"read","resource":{"type":"tasks","id":7}}]}"#,
                "cannot unmarshal number into Go struct field \
                 postAuthorizationRequest.permissions.resource.id of type platform.ID",
            ),
            (r#"{"orgID":"7"}"#, "id must have a length of 16 bytes"),
        ] {
            let error = parse(body).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).unwrap_err().starts_with(STRUCTURE));
    }

    #[test]
    fn a_type_that_is_newer_than_the_store() {
        let body = r#"{"permissions":[{"action":"read","resource":{"type":"remotes"}}]}"#;
        assert!(PostRequest::parse(body.as_bytes(), 19).is_ok());
        let error = PostRequest::parse(body.as_bytes(), 18).unwrap_err();
        assert_eq!(error, UNKNOWN_TYPE);
    }

    #[test]
    fn what_no_server_gives() {
        let org = Id::new(1).unwrap();
        let of = |kind, org| [Permission::new(Action::Read, kind, None, org)];
        assert!(fits(&of("buckets", Some(org)), org).is_ok());
        assert!(fits(&of("buckets", None), org).is_ok());
        let error = fits(&of("buckets", Id::new(2)), org).unwrap_err();
        assert!(error.ends_with("/buckets is not for org id 0000000000000001"));
        let error = fits(&of(INSTANCE, None), org).unwrap_err();
        assert_eq!(
            error,
            "permission read:instance is not allowed: read:instance is unauthorized"
        );
    }
}
