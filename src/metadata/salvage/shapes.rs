//! Which bucket a pair is from, by the shape of its key and value. Leaves do not carry the name of
//! their bucket.

use crate::metadata::json::Object;
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Id, names};

/// What a pair looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// An authorization, or one that is compatible with 1.x: only the indexes tell them apart.
    Authorization,
    /// A password hash of a user, or of an authorization that is compatible with 1.x.
    Password,
    /// An index entry whose key is a generated token.
    Token,
    /// An index entry whose key is a name, or a chosen token: it is of one of several buckets.
    Name,
    /// Of this bucket only.
    Of(&'static [u8]),
}

const DASHBOARDS: &[u8] = b"dashboardsv2";
const CELLS: &[u8] = b"dashboardcellviewsv1";
const CHECKS: &[u8] = b"checksv1";
const RULES: &[u8] = b"notificationRulev1";
const ENDPOINTS: &[u8] = b"notificationEndpointv1";
const VARIABLES: &[u8] = b"variablesv1";
const LABELS: &[u8] = b"labelsv1";
const LABEL_MAPPINGS: &[u8] = b"labelmappingsv1";
const SCRAPERS: &[u8] = b"scraperv2";
const TELEGRAF: &[u8] = b"telegrafv1";
const STACKS: &[u8] = b"v1_pkger_stacks";

/// Records with an ID as key, by fields that no record of another bucket has together. The first
/// that fits counts.
const BY_FIELDS: &[(&[&str], Shape)] = &[
    (&["permissions", "orgID"], Shape::Authorization),
    (&["retentionPeriod", "orgID"], Shape::Of(names::BUCKETS)),
    (&["flux", "orgID"], Shape::Of(names::TASKS)),
    (&["config", "metadata"], Shape::Of(TELEGRAF)),
    (&["defaultRP"], Shape::Of(names::SOURCES)),
    (&["started_at"], Shape::Of(names::MIGRATIONS)),
    (&["cells", "meta"], Shape::Of(DASHBOARDS)),
    (&["database", "retention_policy"], Shape::Of(names::DBRP)),
    (&["statusRules", "endpointID"], Shape::Of(RULES)),
    (&["statusMessageTemplate", "query"], Shape::Of(CHECKS)),
    (&["arguments", "selected"], Shape::Of(VARIABLES)),
    (&["bucketID", "url"], Shape::Of(SCRAPERS)),
    (&["events", "orgID"], Shape::Of(STACKS)),
    (&["type", "status", "orgID"], Shape::Of(ENDPOINTS)),
];

/// The shape of a pair; `None` if no bucket has such pairs.
pub(super) fn shape(key: &[u8], value: &[u8]) -> Option<Shape> {
    if value.trim_ascii_start().first() == Some(&b'{') {
        return json(key, value);
    }
    if key == names::TSM_METADATA_KEY {
        return crate::metadata::tsm::decode(value)
            .is_ok()
            .then_some(Shape::Of(names::TSM_METADATA));
    }
    if key == names::INSTANCE_KEY && Id::from_bytes(value).is_ok() {
        return Some(Shape::Of(names::INSTANCE));
    }
    if value.starts_with(b"$2") {
        let is_hash = value.len() == 60 && value.iter().all(u8::is_ascii_graphic);
        return (is_hash && Id::from_bytes(key).is_ok()).then_some(Shape::Password);
    }
    if is_mapping_entry(key, value) {
        return Some(Shape::Of(names::MAPPINGS_BY_USER));
    }
    if Id::from_bytes(value).is_ok() && std::str::from_utf8(key).is_ok() {
        return Some(if key.starts_with(PREFIX.as_bytes()) {
            Shape::Of(names::AUTHORIZATION_HASHED_INDEX)
        } else if is_generated_token(key) {
            Shape::Token
        } else {
            Shape::Name
        });
    }
    None
}

/// Whether a pair can be of this bucket; true for buckets whose pairs have no certain shape.
pub(super) fn fits(bucket: &[u8], key: &[u8], value: &[u8]) -> bool {
    let named = |wanted: &[u8]| shape(key, value) == of(wanted);
    if bucket == names::AUTHORIZATIONS || bucket == names::LEGACY_AUTHORIZATIONS {
        return shape(key, value) == Some(Shape::Authorization);
    }
    if bucket == names::USER_PASSWORDS || bucket == names::LEGACY_PASSWORDS {
        return shape(key, value) == Some(Shape::Password);
    }
    if bucket == names::AUTHORIZATION_INDEX {
        return matches!(shape(key, value), Some(Shape::Token | Shape::Name));
    }
    let names = [
        names::USER_INDEX,
        names::ORGANIZATION_INDEX,
        names::BUCKET_INDEX,
        names::LEGACY_AUTHORIZATION_INDEX,
    ];
    if names.contains(&bucket) {
        return Id::from_bytes(value).is_ok();
    }
    if of(bucket).is_some() {
        return named(bucket);
    }
    match shape(key, value) {
        None | Some(Shape::Token | Shape::Name) => true,
        Some(Shape::Of(known)) => known == bucket,
        // Of another bucket.
        Some(Shape::Authorization | Shape::Password) => false,
    }
}

/// Whether a pair can be a record of this bucket, whatever fields it has. A page that was written in
/// part may have any bytes between its elements.
pub(super) fn decodes(bucket: &[u8], key: &[u8], value: &[u8]) -> bool {
    let is_object = value.trim_ascii_start().first() == Some(&b'{');
    let is_json = || serde_json::from_slice::<&serde_json::value::RawValue>(value).is_ok();
    let by_id = [
        names::AUTHORIZATIONS,
        names::LEGACY_AUTHORIZATIONS,
        names::USERS,
        names::ORGANIZATIONS,
        names::BUCKETS,
        names::TASKS,
        names::SOURCES,
        names::MIGRATIONS,
        names::DBRP,
    ];
    let indexes = [
        names::AUTHORIZATION_INDEX,
        names::AUTHORIZATION_HASHED_INDEX,
        names::LEGACY_AUTHORIZATION_INDEX,
        names::USER_INDEX,
        names::ORGANIZATION_INDEX,
        names::BUCKET_INDEX,
    ];
    if by_id.contains(&bucket) {
        let object = Object::parse(value);
        let id = object.and_then(|object| crate::metadata::salvage::links::id(&object, "id"));
        return is_json() && id.is_some() && id == Id::from_bytes(key).ok();
    }
    if indexes.contains(&bucket) {
        return Id::from_bytes(value).is_ok();
    }
    match bucket {
        names::MAPPINGS => shape(key, value) == Some(Shape::Of(names::MAPPINGS)),
        names::MAPPINGS_BY_USER => is_mapping_entry(key, value),
        names::USER_PASSWORDS | names::LEGACY_PASSWORDS => {
            shape(key, value) == Some(Shape::Password)
        }
        names::TSM_METADATA => crate::metadata::tsm::decode(value).is_ok(),
        _ => !is_object || is_json(),
    }
}

/// The shape of a bucket whose pairs have one of their own.
fn of(bucket: &[u8]) -> Option<Shape> {
    let known = [
        names::USERS,
        names::ORGANIZATIONS,
        names::BUCKETS,
        names::MAPPINGS,
        names::MAPPINGS_BY_USER,
        names::AUTHORIZATION_HASHED_INDEX,
        names::MIGRATIONS,
        names::TSM_METADATA,
        names::INSTANCE,
        names::SOURCES,
        names::TASKS,
    ];
    known
        .into_iter()
        .find(|known| *known == bucket)
        .map(Shape::Of)
}

fn json(key: &[u8], value: &[u8]) -> Option<Shape> {
    serde_json::from_slice::<&serde_json::value::RawValue>(value).ok()?;
    let object = Object::parse(value)?;
    let id = |name: &str| {
        let text: String = serde_json::from_slice(object.get(name)?).ok()?;
        text.parse::<Id>().ok()
    };
    if let Ok(key) = Id::from_bytes(key) {
        if id("id") != Some(key) {
            // Its plugins have no ID.
            return None;
        }
        let has = |field: &&str| object.get(field).is_some();
        let known = BY_FIELDS.iter().find(|(fields, _)| fields.iter().all(has));
        if let Some((_, shape)) = known {
            return Some(*shape);
        }
        if !has(&"name") {
            return None;
        }
        let only = |fields: &[&str]| object.fields().all(|(name, _)| fields.contains(&name));
        return if has(&"status") && only(&["id", "name", "oauthID", "status"]) {
            Some(Shape::Of(names::USERS))
        } else if has(&"createdAt") && !has(&"orgID") {
            Some(Shape::Of(names::ORGANIZATIONS))
        } else if has(&"orgID") && only(&["id", "orgID", "name", "properties"]) {
            Some(Shape::Of(LABELS))
        } else {
            None
        };
    }
    let (first, second) = key.split_at_checked(16)?;
    let (first, second) = (Id::from_bytes(first).ok(), Id::from_bytes(second).ok());
    if let (Some(first), Some(second)) = (first, second) {
        if object.get("mappingType").is_some() {
            let mapping = (id("resourceID"), id("userID"));
            return (mapping == (Some(first), Some(second))).then_some(Shape::Of(names::MAPPINGS));
        }
        if object.get("labelID").is_some() {
            return Some(Shape::Of(LABEL_MAPPINGS));
        }
        if id("id") == Some(second) && object.get("properties").is_some() {
            return Some(Shape::Of(CELLS));
        }
    }
    let is_run = object.get("scheduledFor").is_some() && key.get(16) == Some(&b'/');
    is_run.then_some(Shape::Of(names::TASK_RUNS))
}

/// `userID/resourceIDuserID` → `resourceIDuserID`.
fn is_mapping_entry(key: &[u8], value: &[u8]) -> bool {
    let Some((user, rest)) = key.split_at_checked(16) else {
        return false;
    };
    let mapping = rest.strip_prefix(b"/");
    value.len() == 32 && Id::from_bytes(user).is_ok() && mapping == Some(value)
}

/// 64 bytes in base64, as influxd generates tokens.
pub(crate) fn is_generated_token(key: &[u8]) -> bool {
    key.len() == 88
        && key.ends_with(b"==")
        && key
            .iter()
            .take(86)
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
