//! Differences of authorizations, with tokens and 1.x-compatible.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::metadata::authorization::Authorization;
use crate::metadata::differences::{
    Comparison, Described, How, Kind, Side, bucket_name, org_name, text, undecodable, user_name,
};
use crate::metadata::permission::Permission;
use crate::metadata::{Catalog, Storage, TokenHash, names};

impl Comparison<'_> {
    /// Authorizations.
    pub(super) fn tokens(&mut self) -> Result<()> {
        let bucket = names::AUTHORIZATIONS;
        self.records(Kind::Token, bucket, token, |comparison, key, was, is| {
            let decode = |value| <Authorization<'_>>::decode(bucket, key, value);
            let (Ok(was), Ok(is)) = (decode(was), decode(is)) else {
                comparison.fields(Kind::Token, key, "", []);
                return;
            };
            let name = &is.description;
            let value = match same_value(&was, &is) {
                Some(true) => None,
                Some(false) => Some(How::Value),
                None => Some(How::ValueUnknown),
            };
            if let Some(how) = value {
                let name = name.to_string();
                comparison.push(Kind::Token, how, text(key), name, None, None);
            }
            let mut fields = comparison.shared_fields(&was, &is);
            let kept = (storage(&was).to_owned(), storage(&is).to_owned());
            fields.push((How::Storage, kept.0, kept.1));
            if value.is_some() {
                comparison.named_fields(Kind::Token, key, name, fields);
            } else {
                comparison.fields(Kind::Token, key, name, fields);
            }
        })
    }

    /// 1.x-compatible authorizations.
    pub(super) fn v1_authorizations(&mut self) -> Result<()> {
        let bucket = names::LEGACY_AUTHORIZATIONS;
        self.records(
            Kind::V1Auth,
            bucket,
            v1_authorization,
            |comparison, key, was, is| {
                let decode = |value| <Authorization<'_>>::decode(bucket, key, value);
                let (Ok(was), Ok(is)) = (decode(was), decode(is)) else {
                    comparison.fields(Kind::V1Auth, key, "", []);
                    return;
                };
                let mut fields = comparison.shared_fields(&was, &is);
                fields.push((How::Name, was.token.to_string(), is.token.to_string()));
                comparison.fields(Kind::V1Auth, key, &is.token, fields);
            },
        )
    }

    /// The fields that both sorts of authorizations have.
    fn shared_fields(
        &self,
        was: &Authorization<'_>,
        is: &Authorization<'_>,
    ) -> Vec<(How, String, String)> {
        let (before, after) = (&self.before.catalog, &self.after.catalog);
        let owner = |catalog: &Catalog, record: &Authorization<'_>| match record.user_id {
            Some(id) => user_name(catalog, id),
            None => String::new(),
        };
        let mut fields = vec![
            (
                How::Status,
                was.shown_status().to_owned(),
                is.shown_status().to_owned(),
            ),
            (
                How::Description,
                was.description.to_string(),
                is.description.to_string(),
            ),
        ];
        if was.user_id != is.user_id {
            fields.push((How::User, owner(before, was), owner(after, is)));
        }
        if was.org_id != is.org_id {
            let orgs = (org_name(before, was.org_id), org_name(after, is.org_id));
            fields.push((How::Organization, orgs.0, orgs.1));
        }
        let (had, has): (BTreeSet<_>, BTreeSet<_>) = (
            was.permissions.iter().collect(),
            is.permissions.iter().collect(),
        );
        let list = |permissions: &mut dyn Iterator<Item = &&Permission<'_>>, catalog| {
            let named: Vec<String> = permissions.map(|p| permission(p, catalog)).collect();
            named.join(", ")
        };
        fields.push((
            How::Permissions,
            list(&mut had.difference(&has), before),
            list(&mut has.difference(&had), after),
        ));
        fields
    }
}

/// Whether both records hold the same token; none if one has a SHA-256 hash and the other a SHA-512
/// hash.
fn same_value(was: &Authorization<'_>, is: &Authorization<'_>) -> Option<bool> {
    let has_none = |record: &Authorization<'_>| record.storage() == Storage::Missing;
    match (has_none(was), has_none(is)) {
        (true, true) => return Some(true),
        (true, false) | (false, true) => return Some(false),
        (false, false) => {}
    }
    if !was.token.is_empty() && !is.token.is_empty() {
        return Some(was.token == is.token);
    }
    let (Ok(was_hash), Ok(is_hash)) = (
        TokenHash::parse(&was.hashed_token),
        TokenHash::parse(&is.hashed_token),
    ) else {
        let matches = |hash: &str, token: &str| {
            TokenHash::parse(hash).is_ok_and(|hash| hash.matches(token.as_bytes()))
        };
        return Some(if was.token.is_empty() && is.token.is_empty() {
            was.hashed_token == is.hashed_token
        } else {
            matches(&is.hashed_token, &was.token) || matches(&was.hashed_token, &is.token)
        });
    };
    if !was.token.is_empty() {
        return Some(is_hash.matches(was.token.as_bytes()));
    }
    if !is.token.is_empty() {
        return Some(was_hash.matches(is.token.as_bytes()));
    }
    (was_hash.variant() == is_hash.variant()).then(|| was_hash.digest() == is_hash.digest())
}

/// How a token is kept, with the function of its hash.
fn storage(record: &Authorization<'_>) -> &'static str {
    match (record.storage(), TokenHash::parse(&record.hashed_token)) {
        (Storage::Hashed, Ok(hash)) => hash.variant().name(),
        (storage, _) => storage.name(),
    }
}

fn token(side: &Side<'_>, key: &[u8], value: &[u8]) -> Described {
    let Ok(record) = <Authorization<'_>>::decode(names::AUTHORIZATIONS, key, value) else {
        return undecodable();
    };
    let kind = record.class().kind.name();
    let owner = match record.user_id {
        Some(id) => format!(" of {}", user_name(&side.catalog, id)),
        None => String::new(),
    };
    Described {
        name: record.description.to_string(),
        summary: Some(format!(
            "{kind} token{owner} in {}, {}, {}",
            org_name(&side.catalog, record.org_id),
            record.shown_status(),
            storage(&record)
        )),
    }
}

fn v1_authorization(side: &Side<'_>, key: &[u8], value: &[u8]) -> Described {
    let Ok(record) = <Authorization<'_>>::decode(names::LEGACY_AUTHORIZATIONS, key, value) else {
        return undecodable();
    };
    let permissions: Vec<String> = record
        .permissions
        .iter()
        .map(|granted| permission(granted, &side.catalog))
        .collect();
    Described {
        name: record.token.to_string(),
        summary: Some(format!(
            "in {}, {}: {}",
            org_name(&side.catalog, record.org_id),
            record.shown_status(),
            permissions.join(", ")
        )),
    }
}

/// A permission with the names of what it is about: `write:buckets/metrics of acme`.
fn permission(granted: &Permission<'_>, catalog: &Catalog) -> String {
    let resource = &granted.resource;
    let mut text = format!("{}:{}", granted.action, resource.kind);
    if let Some(id) = resource.id {
        let name = match &*resource.kind {
            "buckets" => bucket_name(catalog, id),
            "orgs" => org_name(catalog, id),
            "users" => user_name(catalog, id),
            _ => id.to_string(),
        };
        text.push('/');
        text.push_str(&name);
    }
    if let Some(org) = resource.org_id {
        text.push_str(" of ");
        text.push_str(&org_name(catalog, org));
    }
    text
}
