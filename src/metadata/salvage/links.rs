//! Which index entry leads to a record, and what else shows that a record is in use.

use crate::metadata::json::Object;
use crate::metadata::name_index::{bucket_key, org_key, user_key};
use crate::metadata::{Id, names};

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// The bucket of the index.
    pub(super) index: &'static [u8],
    pub(super) key: Vec<u8>,
    pub(super) target: Vec<u8>,
}

/// The indexes of records, each with the bucket of the records.
pub(super) const INDEXES: &[(&[u8], &[u8])] = &[
    (names::AUTHORIZATION_INDEX, names::AUTHORIZATIONS),
    (names::AUTHORIZATION_HASHED_INDEX, names::AUTHORIZATIONS),
    (
        names::LEGACY_AUTHORIZATION_INDEX,
        names::LEGACY_AUTHORIZATIONS,
    ),
    (names::USER_INDEX, names::USERS),
    (names::ORGANIZATION_INDEX, names::ORGANIZATIONS),
    (names::BUCKET_INDEX, names::BUCKETS),
    (names::MAPPINGS_BY_USER, names::MAPPINGS),
];

/// The text of a field.
pub(super) fn text(object: &Object<'_>, name: &str) -> String {
    let value = object.get(name);
    value
        .and_then(|value| serde_json::from_slice(value).ok())
        .unwrap_or_default()
}

/// The ID in a field.
pub(super) fn id(object: &Object<'_>, name: &str) -> Option<Id> {
    text(object, name).parse().ok()
}

/// The entries that influxd writes for a record; none for buckets without an index.
pub(super) fn links(bucket: &[u8], key: &[u8], value: &[u8]) -> Vec<Link> {
    let link = |index, entry: Vec<u8>| Link {
        index,
        key: entry,
        target: key.to_vec(),
    };
    let Some(object) = Object::parse(value) else {
        return Vec::new();
    };
    let mut links = Vec::new();
    match bucket {
        names::AUTHORIZATIONS => {
            let (token, hash) = (text(&object, "token"), text(&object, "hashedToken"));
            if !token.is_empty() {
                links.push(link(names::AUTHORIZATION_INDEX, token.into_bytes()));
            } else if !hash.is_empty() {
                links.push(link(names::AUTHORIZATION_HASHED_INDEX, hash.into_bytes()));
            }
        }
        names::LEGACY_AUTHORIZATIONS => {
            let name = text(&object, "token");
            links.push(link(names::LEGACY_AUTHORIZATION_INDEX, name.into_bytes()));
        }
        names::USERS => links.push(link(names::USER_INDEX, user_key(&text(&object, "name")))),
        names::ORGANIZATIONS => links.push(link(
            names::ORGANIZATION_INDEX,
            org_key(&text(&object, "name")),
        )),
        names::BUCKETS => {
            if let Some(org) = id(&object, "orgID") {
                let entry = bucket_key(org, &text(&object, "name"));
                links.push(link(names::BUCKET_INDEX, entry));
            }
        }
        names::MAPPINGS => {
            if let Some(user) = id(&object, "userID") {
                let mut entry = user.to_string().into_bytes();
                entry.push(b'/');
                entry.extend_from_slice(key);
                links.push(link(names::MAPPINGS_BY_USER, entry));
            }
        }
        _ => {}
    }
    links.retain(|link| !link.key.is_empty());
    links
}
