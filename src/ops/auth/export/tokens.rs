//! Tokens of an export.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::metadata::authenticate;
use crate::metadata::permission::{Permission, of_all_access, of_operator};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{
    Authorization, Catalog, Kind, Organization, Storage, TokenHash, User, authorization, names,
};
use crate::ops::auth::export::Work;
use crate::ops::auth::export::found_names::{org_name, user_name};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::permission_text::inline;
use crate::ops::auth::export::toml_list::Inline;
use crate::ops::auth::list::Selection;
use crate::secret::Token;

/// A token of the list.
pub(super) struct Exported {
    description: String,
    org: String,
    user: String,
    power: Power,
    active: bool,
    value: Value,
}

enum Power {
    /// `operator` or `all-access`.
    Kind(&'static str),
    Each(Vec<Inline>),
}

enum Value {
    Hash(String),
    Plain(Token),
}

/// Reads the tokens that pass the filters, ascending by ID, and what they need.
///
/// # Errors
/// When the file can't be read.
pub(super) fn collect(
    work: &mut Work<'_>,
    selection: &Selection,
    schema: u64,
    needed: &mut Needed,
) -> Result<Vec<Exported>> {
    let catalog = work.catalog;
    let mut tokens = Vec::new();
    let mut skipped = Vec::new();
    let findings = authorization::scan(work.snapshot, names::AUTHORIZATIONS, &mut |record| {
        if !selection.takes(record, catalog) {
            return;
        }
        match exported(record, catalog, schema, needed) {
            Ok(token) => tokens.push(token),
            Err(why) => skipped.push((record.id, record.description.to_string(), why)),
        }
    })?;
    for (id, description, why) in skipped {
        work.skip("token", id, &description, why);
    }
    let hidden = !findings.is_empty();
    work.findings.extend(findings);
    work.contains.tokens.hidden = hidden;
    work.contains.values.hidden = hidden;
    Ok(tokens)
}

/// The token, or why it can't be in a list.
fn exported(
    record: &Authorization<'_>,
    catalog: &Catalog,
    schema: u64,
    needed: &mut Needed,
) -> Result<Exported, String> {
    let org = catalog.orgs.get(&record.org_id);
    let org = org.ok_or("its organization was deleted")?;
    if org_name(org.id, catalog).is_none() {
        return Err("influxd does not find its organization by name".into());
    }
    let user = record.user_id.ok_or("it has no user")?;
    let user = catalog.users.get(&user).ok_or("its user was deleted")?;
    if user_name(user.id, catalog).is_none() {
        return Err("influxd does not find its user by name".into());
    }
    if record.permissions.is_empty() {
        return Err("it has no permissions".into());
    }
    let value = value(record)?;
    needed.orgs.insert(org.id);
    needed.users.insert(user.id);
    if record.class().kind == Kind::Operator {
        needed.operators.insert(user.id);
    }
    needed.add_resources(&record.permissions, catalog);
    Ok(Exported {
        description: record.description.to_string(),
        org: org.name.clone(),
        user: user.name.clone(),
        power: power(record, org, user, schema, catalog),
        active: record.is_active(),
        value,
    })
}

/// The value: the hash, or the token where only plaintext is stored.
fn value(record: &Authorization<'_>) -> Result<Value, String> {
    let plain = &*record.token;
    let hash = TokenHash::parse(&record.hashed_token);
    // Of both, a server compares with the plaintext.
    let is_right = |hash: &TokenHash| plain.is_empty() || hash.matches(plain.as_bytes());
    match (record.storage(), hash) {
        (Storage::Missing, _) => Err("it has no token".into()),
        (Storage::Hashed | Storage::Both, Ok(hash)) if is_right(&hash) => {
            match hash.is_complete() {
                true => Ok(Value::Hash(hash.to_phc())),
                false => Err("its hash has the wrong length, so it matches no token".into()),
            }
        }
        (Storage::Hashed, _) => Err("its hash can't be decoded".into()),
        _ => {
            let mut reasons = Vec::new();
            if plain.starts_with(PREFIX) || !authenticate::can_be_sent(plain, &mut reasons) {
                return Err("no server accepts its token".into());
            }
            Ok(Value::Plain(Token::new(plain.to_owned())))
        }
    }
}

/// The permissions. The kind alone if they are exactly those that a server of this schema gives: the
/// other server gets those of its own release, as after an upgrade.
fn power(
    record: &Authorization<'_>,
    org: &Organization,
    user: &User,
    schema: u64,
    catalog: &Catalog,
) -> Power {
    let own: BTreeSet<&Permission<'_>> = record.permissions.iter().collect();
    let is = |permissions: &[Permission<'_>]| permissions.iter().collect::<BTreeSet<_>>() == own;
    if is(&of_operator(schema)) {
        return Power::Kind("operator");
    }
    if is(&of_all_access(schema, org.id, user.id)) {
        return Power::Kind("all-access");
    }
    let each = record.permissions.iter();
    Power::Each(each.map(|one| inline(one, org, catalog)).collect())
}

/// Writes the tokens.
pub(super) fn write(work: &mut Work<'_>, tokens: &[Exported]) {
    for token in tokens {
        let list = &mut work.list;
        list.entry("token");
        list.text("description", &token.description);
        list.text("org", &token.org);
        list.text("user", &token.user);
        match &token.power {
            Power::Kind(kind) => list.text("kind", kind),
            Power::Each(each) => list.list("permissions", each),
        }
        list.text("status", if token.active { "active" } else { "inactive" });
        match &token.value {
            Value::Hash(hash) => list.text("hash", hash),
            Value::Plain(value) => {
                list.text("value", value.reveal());
                work.contains.values.readable += 1;
            }
        }
        work.contains.tokens.readable += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> String {
        format!(r#"{{"id":"0000000000000a01","orgID":"0000000000000001",{fields}}}"#)
    }

    #[test]
    fn the_value_that_a_server_compares_with() {
        let right = TokenHash::of(crate::metadata::Variant::Sha512, b"plain").to_phc();
        let wrong = TokenHash::of(crate::metadata::Variant::Sha512, b"other").to_phc();
        for (fields, expected) in [
            (r#""token":"plain""#.to_owned(), Ok("plain")),
            (format!(r#""hashedToken":"{right}""#), Ok(&*right)),
            (
                format!(r#""token":"plain","hashedToken":"{right}""#),
                Ok(&*right),
            ),
            (
                format!(r#""token":"plain","hashedToken":"{wrong}""#),
                Ok("plain"),
            ),
            (r#""token":"""#.to_owned(), Err("it has no token")),
            (
                r#""hashedToken":"x""#.to_owned(),
                Err("its hash can't be decoded"),
            ),
            (
                r#""hashedToken":"$influxdb2-sha256$AAAA""#.to_owned(),
                Err("its hash has the wrong length, so it matches no token"),
            ),
            (
                r#""token":"two\nlines""#.to_owned(),
                Err("no server accepts its token"),
            ),
            (
                format!(r#""token":"{wrong}""#),
                Err("no server accepts its token"),
            ),
        ] {
            let text = record(&fields);
            let record: Authorization<'_> = serde_json::from_str(&text).unwrap();
            let found = value(&record).map(|value| match value {
                Value::Hash(hash) => hash,
                Value::Plain(token) => token.reveal().to_owned(),
            });
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{fields}");
        }
    }
}
