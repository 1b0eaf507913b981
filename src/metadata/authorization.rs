//! Authorization records (`authorizationsv1`): decoding, storage, kind.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::canonical_record::CanonicalRecord;
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::permission::{
    Action, INSTANCE, OPERATOR_TYPES, Permission, RESOURCE_TYPES, TYPES_OF_2_0, TYPES_OF_2_1,
    allows, types_of,
};
use crate::metadata::{Id, go_json, names};
use crate::store::Snapshot;

/// An authorization record as it is stored, borrowed from the bytes of its value.
///
/// It contains the token, so it has no `Debug`. Its permissions are decoded, or kept as written
/// ([`Undecoded`]) where there are many records with the same permissions.
#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "P: Default + Deserialize<'de>")
)]
pub struct Authorization<'a, P = Vec<Permission<'a>>> {
    /// Its identifier.
    pub id: Id,
    /// The token in plaintext; empty when it is hashed. In a 1.x-compatible authorization, the
    /// 1.x user name.
    #[serde(default, borrow)]
    pub token: Cow<'a, str>,
    /// The token's hash; empty when there is none.
    #[serde(default, borrow)]
    pub hashed_token: Cow<'a, str>,
    /// As written; see [`Authorization::is_active`].
    #[serde(default, borrow)]
    pub status: Cow<'a, str>,
    /// May be empty.
    #[serde(default, borrow)]
    pub description: Cow<'a, str>,
    /// The organization it belongs to.
    #[serde(rename = "orgID")]
    pub org_id: Id,
    /// Its owner; a few records have none.
    #[serde(default, rename = "userID")]
    pub user_id: Option<Id>,
    /// Its permissions; `null` means none.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub permissions: P,
    /// RFC 3339, as written.
    #[serde(default = "zero_time", borrow, deserialize_with = "time")]
    pub created_at: Cow<'a, str>,
    /// RFC 3339, as written.
    #[serde(default = "zero_time", borrow, deserialize_with = "time")]
    pub updated_at: Cow<'a, str>,
}

/// How a record stores its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In plaintext.
    Plaintext,
    /// Only its hash.
    Hashed,
    /// Both: influxd compares with the plaintext only, and never removes it.
    Both,
    /// Neither: such a record can't authenticate.
    Missing,
}

/// The kind of a token, by its permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Everything, in every organization.
    Operator,
    /// Everything within its own organization.
    AllAccess,
    /// Anything less.
    Custom,
}

impl Kind {
    /// Its name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::AllAccess => "all-access",
            Self::Custom => "custom",
        }
    }
}

impl Storage {
    /// Its name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Hashed => "hashed",
            Self::Both => "both",
            Self::Missing => "missing",
        }
    }
}

/// A token's kind, and whether it lacks resource types of newer releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The kind.
    pub kind: Kind,
    /// Which of [`RESOURCE_TYPES`] an operator or all-access token lacks, as bits. Only those that
    /// later releases added.
    lacks: u32,
    /// If the permissions are exactly those of such a token of some release: the number of its
    /// resource types.
    release_types: Option<usize>,
}

impl Class {
    /// The resource types that the token lacks, compared with one that the newest release with this
    /// schema generates.
    pub fn lacks(self, migrations: u64) -> impl Iterator<Item = &'static str> {
        let types = types_of(migrations).iter().enumerate();
        types.filter_map(move |(at, kind)| (self.lacks & (1 << at) != 0).then_some(*kind))
    }

    /// Whether it is an operator or all-access token that no upgrade extended: its permissions are
    /// exactly those of an older release than this schema. A migration of influxd extends such tokens,
    /// but only those that have the list of the release before, and all-access tokens only if they have
    /// permissions on their own user. Some web interfaces of 2.0 made them with permissions on all users
    /// of the organization.
    #[must_use]
    pub fn is_missed(self, migrations: u64) -> bool {
        let types = types_of(migrations).len();
        self.release_types.is_some_and(|of| of < types)
    }

    /// Whether a server of the newest release accepts it as an operator token after it has migrated a
    /// store of this schema.
    #[must_use]
    pub fn becomes_operator(self, migrations: u64) -> bool {
        let types = types_of(migrations).len();
        self.kind == Kind::Operator && (self.lacks == 0 || self.release_types == Some(types))
    }
}

/// Permissions as they are written in the record.
#[derive(Clone, Copy, Default)]
pub struct Undecoded<'a>(&'a str);

impl<'a> Undecoded<'a> {
    /// The JSON text; empty when there is none.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Decodes them.
    ///
    /// # Errors
    /// When influxd can't decode them either.
    pub fn decode(self) -> Result<Vec<Permission<'a>>, serde_json::Error> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Undecoded<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(raw.get()))
    }
}

/// Permissions in one of their forms.
pub trait Permissions<'a>: Default + Deserialize<'a> {
    /// From valid JSON: a list. `None` if its elements are no permissions.
    fn from_json(json: &'a str) -> Option<Self>;
}

impl<'a> Permissions<'a> for Undecoded<'a> {
    fn from_json(json: &'a str) -> Option<Self> {
        Some(Self(json))
    }
}

impl<'a> Permissions<'a> for Vec<Permission<'a>> {
    fn from_json(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

impl<'a, P: Permissions<'a>> Authorization<'a, P> {
    /// A record as InfluxDB writes it; `None` if it has another form.
    fn canonical(value: &'a [u8]) -> Option<Self> {
        let record = CanonicalRecord::parse(value)?;
        Some(Self {
            id: record.id,
            token: record.token.into(),
            hashed_token: record.hashed_token.into(),
            status: record.status.into(),
            description: record.description.into(),
            org_id: record.org_id,
            user_id: record.user_id,
            permissions: P::from_json(record.permissions)?,
            created_at: record.created_at.into(),
            updated_at: record.updated_at.into(),
        })
    }

    /// Decodes the value at `key` of `bucket`.
    ///
    /// # Errors
    /// A finding, when influxd can't decode it either.
    pub fn decode(bucket: &[u8], key: &[u8], value: &'a [u8]) -> Result<Self, Finding> {
        if let Some(record) = Self::canonical(value) {
            return Ok(record);
        }
        // serde accepts a list of the field values as a record, but influxd does not.
        if value.trim_ascii_start().first() != Some(&b'{') {
            let cause = serde::de::Error::custom("not an object");
            return Err(undecodable_record(bucket, key, &cause));
        }
        // Text that was checked as UTF-8 is decoded faster.
        match std::str::from_utf8(value) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(value),
        }
        .map_err(|cause| undecodable_record(bucket, key, &cause))
    }
}

impl<P> Authorization<'_, P> {
    /// How the token is stored.
    #[must_use]
    pub fn storage(&self) -> Storage {
        match (self.token.is_empty(), self.hashed_token.is_empty()) {
            (false, true) => Storage::Plaintext,
            (true, false) => Storage::Hashed,
            (false, false) => Storage::Both,
            (true, true) => Storage::Missing,
        }
    }

    /// Whether the server treats it as active: a missing status is active, an unknown word is not.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(&*self.status, "" | "active")
    }

    /// The status as the server's API shows it.
    #[must_use]
    pub fn shown_status(&self) -> &str {
        if self.status.is_empty() {
            "active"
        } else {
            &self.status
        }
    }
}

impl Authorization<'_> {
    /// The kind of token.
    #[must_use]
    pub fn class(&self) -> Class {
        classify(&self.permissions, self.org_id)
    }
}

/// The kind of a token with these permissions in this organization. The first test is the server's
/// own test for an operator token.
#[must_use]
pub fn classify(permissions: &[Permission<'_>], org: Id) -> Class {
    let class = |kind, lacks| Class {
        kind,
        lacks,
        release_types: match kind {
            Kind::Operator => operator_of(permissions),
            Kind::AllAccess => all_access_of(permissions, org),
            Kind::Custom => None,
        },
    };
    // An operator token of the oldest release has 36 permissions, an all-access token 35. With
    // fewer, only `instance` can replace missing types.
    let by_instance = permissions.iter().any(|p| p.resource.kind == INSTANCE);
    if !by_instance && permissions.len() < 2 * TYPES_OF_2_0 - 3 {
        return class(Kind::Custom, 0);
    }
    // The types that are not allowed, if all of the first release are.
    let lacking = |allowed: &dyn Fn(Action, &'static str) -> bool| {
        let mut lacks = 0_u32;
        for (at, kind) in RESOURCE_TYPES.iter().take(OPERATOR_TYPES).enumerate() {
            if Action::ALL.iter().all(|action| allowed(*action, kind)) {
                continue;
            }
            if at < TYPES_OF_2_0 {
                return None;
            }
            lacks |= 1 << at;
        }
        Some(lacks)
    };
    let operator = |action, kind| allows(permissions, &Permission::new(action, kind, None, None));
    let all_access = |action, kind| match (action, kind) {
        (_, "users") | (Action::Write, "orgs") => true,
        (Action::Read, "orgs") => {
            allows(permissions, &Permission::new(action, kind, Some(org), None))
        }
        _ => allows(permissions, &Permission::new(action, kind, None, Some(org))),
    };
    if let Some(lacks) = lacking(&operator) {
        class(Kind::Operator, lacks)
    } else if let Some(lacks) = lacking(&all_access) {
        class(Kind::AllAccess, lacks)
    } else {
        class(Kind::Custom, 0)
    }
}

/// The number of resource types of the release whose operator tokens have exactly these permissions,
/// in any order.
fn operator_of(permissions: &[Permission<'_>]) -> Option<usize> {
    types_of_list(permissions, 0, &|permission| {
        let resource = &permission.resource;
        resource.id.is_none() && resource.org_id.is_none()
    })
}

/// The number of resource types of the release whose all-access tokens of this organization have
/// exactly these permissions, in any order. The permissions on users are for one of them, or for all of
/// the organization.
fn all_access_of(permissions: &[Permission<'_>], org: Id) -> Option<usize> {
    let of_org = (None, Some(org));
    let mut of_users = permissions.iter().filter(|p| p.resource.kind == "users");
    let users = of_users
        .next()
        .map(|p| (p.resource.id, p.resource.org_id))?;
    let is_user = users == of_org || (users.0.is_some() && users.1.is_none());
    if !is_user {
        return None;
    }
    types_of_list(permissions, 1, &|permission| {
        let resource = &permission.resource;
        let scope = (resource.id, resource.org_id);
        match (permission.action, &*resource.kind) {
            (Action::Write, "orgs") => false,
            (Action::Read, "orgs") => scope == (Some(org), None),
            (_, "users") => scope == users,
            _ => scope == of_org,
        }
    })
}

/// The number of resource types of the release that has exactly these types, each once for reading and
/// once for writing except `fewer` of them, if `fits` for each permission.
fn types_of_list(
    permissions: &[Permission<'_>],
    fewer: usize,
    fits: &dyn Fn(&Permission<'_>) -> bool,
) -> Option<usize> {
    let types = [TYPES_OF_2_0, TYPES_OF_2_1, OPERATOR_TYPES];
    types.into_iter().find(|types| {
        let mut wanted: HashSet<(Action, &str)> = RESOURCE_TYPES
            .iter()
            .take(*types)
            .flat_map(|kind| Action::ALL.map(|action| (action, *kind)))
            .collect();
        permissions.len() + fewer == wanted.len()
            && permissions.iter().all(|permission| {
                let resource = &permission.resource;
                fits(permission) && wanted.remove(&(permission.action, &*resource.kind))
            })
    })
}

/// Calls `visit` for every authorization of `bucket` ([`names::AUTHORIZATIONS`] or
/// [`names::LEGACY_AUTHORIZATIONS`]), ascending by ID. Records that influxd can't decode either,
/// and damaged parts of the bucket, are skipped and returned as findings.
///
/// # Errors
/// When the file can't be read.
pub fn scan(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    visit: &mut dyn FnMut(&Authorization<'_>),
) -> Result<Vec<Finding>> {
    let mut undecodable = Undecodable::default();
    let mut skipped = snapshot.scan(bucket, &mut |key, value| {
        match Authorization::decode(bucket, key, value) {
            Ok(authorization) => visit(&authorization),
            Err(finding) => undecodable.push(finding),
        }
        ControlFlow::Continue(())
    })?;
    skipped.extend(undecodable.into_findings(bucket));
    Ok(skipped)
}

/// Calls `visit` for every description. Records that can't be decoded are skipped.
///
/// # Errors
/// When the file can't be read; damage is in the findings.
pub fn scan_descriptions(
    snapshot: &dyn Snapshot,
    visit: &mut dyn FnMut(&str),
) -> Result<Vec<Finding>> {
    snapshot.scan(names::AUTHORIZATIONS, &mut |key, value| {
        let bucket = names::AUTHORIZATIONS;
        if let Ok(record) = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value) {
            visit(&record.description);
        }
        ControlFlow::Continue(())
    })
}

/// Calls `use_it` with the authorization of this ID; `None` when there is none.
///
/// # Errors
/// When the file can't be read, or the record can't be decoded.
pub fn with<T>(
    snapshot: &dyn Snapshot,
    id: Id,
    use_it: impl FnOnce(&Authorization<'_>) -> T,
) -> Result<Option<T>> {
    with_in(snapshot, names::AUTHORIZATIONS, id, use_it)
}

/// Like [`with`], for an authorization of `bucket` ([`names::AUTHORIZATIONS`] or
/// [`names::LEGACY_AUTHORIZATIONS`]).
///
/// # Errors
/// As [`with`].
pub fn with_in<T>(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    id: Id,
    use_it: impl FnOnce(&Authorization<'_>) -> T,
) -> Result<Option<T>> {
    let key = id.to_string();
    let Some(value) = snapshot.get(bucket, key.as_bytes())? else {
        return Ok(None);
    };
    let value = zeroize::Zeroizing::new(value);
    match serde_json::from_slice::<Authorization<'_>>(&value) {
        Ok(authorization) => Ok(Some(use_it(&authorization))),
        Err(_) => Err(crate::Error::new(
            crate::ErrorKind::Corrupt,
            format!("authorization {id} can't be decoded"),
        )
        .with_hint("boltkey check lists all records that influxd can't read")),
    }
}

fn null_is_empty<'de, D, P>(deserializer: D) -> Result<P, D::Error>
where
    D: serde::Deserializer<'de>,
    P: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time that influxd can read; `null` is the zero time.
fn time<'de: 'a, 'a, D>(deserializer: D) -> Result<Cow<'a, str>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    match Option::<Text<'a>>::deserialize(deserializer)? {
        Some(Text(text)) if go_json::is_time(text.as_bytes()) => Ok(text),
        Some(_) => Err(serde::de::Error::custom("invalid time")),
        None => Ok(zero_time()),
    }
}

/// Go's zero time, which the API shows for a record without a time.
fn zero_time<'a>() -> Cow<'a, str> {
    Cow::Borrowed("0001-01-01T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org() -> Id {
        Id::new(1).unwrap()
    }

    fn every(types: &[&'static str], org: Option<Id>) -> Vec<Permission<'static>> {
        types
            .iter()
            .flat_map(|kind| Action::ALL.map(|action| Permission::new(action, *kind, None, org)))
            .collect()
    }

    fn all_access(types: usize) -> Vec<Permission<'static>> {
        let mut permissions = every(&RESOURCE_TYPES[..types], Some(org()));
        permissions.retain(|p| !matches!(&*p.resource.kind, "orgs" | "users"));
        permissions.push(Permission::new(Action::Read, "orgs", Some(org()), None));
        permissions
    }

    #[test]
    fn kinds() {
        let mut nearly = every(&RESOURCE_TYPES[..OPERATOR_TYPES], None);
        nearly.remove(0);
        let instance = every(&[INSTANCE], None);
        let cases = [
            (
                every(&RESOURCE_TYPES[..OPERATOR_TYPES], None),
                Kind::Operator,
                false,
            ),
            (
                every(&RESOURCE_TYPES[..TYPES_OF_2_0], None),
                Kind::Operator,
                true,
            ),
            (instance, Kind::Operator, false),
            (nearly, Kind::Custom, false),
            (all_access(OPERATOR_TYPES), Kind::AllAccess, false),
            (all_access(TYPES_OF_2_0), Kind::AllAccess, true),
            (every(&["buckets"], Some(org())), Kind::Custom, false),
            (Vec::new(), Kind::Custom, false),
        ];
        for (permissions, kind, is_old) in &cases {
            let class = classify(permissions, org());
            let lacks = class.lacks(21).next().is_some();
            assert_eq!((class.kind, lacks), (*kind, *is_old));
        }
        println!("cases: kinds {}", cases.len());
    }

    #[test]
    fn an_upgrade_extends_only_the_exact_list_of_the_release_before() {
        // As TestUpgradesMissTokens of interop has seen it on real servers.
        let users = |id, org| Action::ALL.map(|action| Permission::new(action, "users", id, org));
        let of_users = |types: usize, id, org| {
            let mut permissions = all_access(types);
            permissions.extend(users(id, org));
            permissions
        };
        let of_user = |types| of_users(types, Id::new(7), None);
        let of_org = |types| of_users(types, None, Some(org()));
        let mut owner = of_user(TYPES_OF_2_0);
        owner.push(Permission::new(Action::Write, "orgs", Some(org()), None));
        let mut other_org = of_user(TYPES_OF_2_0);
        other_org[0].resource.org_id = Id::new(9);
        let operator = |types: usize| every(&RESOURCE_TYPES[..types], None);
        let mut one_more = operator(TYPES_OF_2_0);
        one_more.push(Permission::new(Action::Read, "remotes", None, None));
        let mut twice = operator(TYPES_OF_2_0);
        twice.pop();
        twice.push(twice[0].clone());
        let mut reversed = operator(TYPES_OF_2_1);
        reversed.reverse();
        // For each schema: whether it was missed, and whether it becomes an operator token.
        let cases = [
            (operator(TYPES_OF_2_0), 15, false, true),
            (operator(TYPES_OF_2_0), 16, true, false),
            (operator(TYPES_OF_2_0), 21, true, false),
            (operator(TYPES_OF_2_1), 15, false, false),
            (operator(TYPES_OF_2_1), 18, false, true),
            (reversed, 21, true, false),
            (operator(OPERATOR_TYPES), 21, false, true),
            (one_more, 21, false, false),
            (twice, 21, false, false),
            (all_access(TYPES_OF_2_0), 21, false, false),
            (of_user(TYPES_OF_2_0), 15, false, false),
            (of_user(TYPES_OF_2_0), 18, true, false),
            (of_user(TYPES_OF_2_1), 18, false, false),
            (of_user(TYPES_OF_2_1), 21, true, false),
            (of_user(OPERATOR_TYPES), 21, false, false),
            (of_org(TYPES_OF_2_0), 21, true, false),
            (of_org(TYPES_OF_2_1), 21, true, false),
            (of_org(OPERATOR_TYPES), 21, false, false),
            (of_users(TYPES_OF_2_0, None, None), 21, false, false),
            (of_users(TYPES_OF_2_0, None, Id::new(9)), 21, false, false),
            (owner, 21, false, false),
            (other_org, 21, false, false),
        ];
        for (n, (permissions, schema, missed, becomes)) in cases.iter().enumerate() {
            let class = classify(permissions, org());
            assert_eq!(class.is_missed(*schema), *missed, "{n}");
            assert_eq!(class.becomes_operator(*schema), *becomes, "{n}");
        }
        let old = classify(&operator(TYPES_OF_2_1), org());
        assert!(old.lacks(18).next().is_none());
        assert!(old.lacks(21).eq(["remotes", "replications"]));
        println!("cases: missed-tokens {}", cases.len());
    }

    #[test]
    fn what_influxd_reads_is_read() {
        let record = br#"{"id":"08371deae98c8000","status":"","description":"","orgID":"dd7cd2292f6e974a","permissions":null,"more":1}"#;
        let authorization: Authorization<'_> = serde_json::from_slice(record).unwrap();
        assert!(authorization.is_active());
        assert_eq!(authorization.storage(), Storage::Missing);
        assert_eq!(authorization.user_id, None);
        assert!(authorization.permissions.is_empty());
        for bad in [
            r#"{"id":"08371deae98c8000","orgID":""}"#,
            r#"{"id":"08371deae98c8000","orgID":"dd7cd2292f6e974a","userID":""}"#,
            r#"{"id":"0","orgID":"dd7cd2292f6e974a"}"#,
        ] {
            assert!(
                serde_json::from_str::<Authorization<'_>>(bad).is_err(),
                "{bad}"
            );
        }
    }
}
