//! `auth export`: organizations, users, buckets, tokens and 1.x access of a store as a list for
//! `apply`, so that the same tokens and 1.x users work on another server.
//!
//! Each kind of record has a file with the function that writes its section of the list.

mod buckets;
mod found_names;
mod mappings;
mod needed;
mod passwords;
mod people;
mod permission_text;
mod tokens;
mod toml_list;
mod v1_users;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Catalog, Id, Schema, lost_records, names};
use crate::ops::auth::export::needed::Needed;
use crate::ops::auth::export::toml_list::TomlList;
use crate::ops::auth::list::{Filters, Selection};
use crate::ops::known::Number;
use crate::store::{Inspect, Snapshot};

/// What to export.
pub struct Options<'a> {
    /// Which tokens and 1.x users. With filters, only what these need is exported with them.
    pub filters: Filters,
    /// Whether to include the hashes of passwords.
    pub with_passwords: bool,
    /// The name of the store in the list.
    pub source: &'a str,
}

/// A list and what it contains.
pub struct Export {
    /// The list, in TOML.
    pub list: Zeroizing<Vec<u8>>,
    /// The numbers.
    pub contains: Contains,
    /// What the list can't contain.
    pub skipped: Vec<Skipped>,
    /// The fields of [`Contains`] that damage makes incomplete.
    pub incomplete: Vec<&'static str>,
    /// Records that can't be decoded.
    pub findings: Vec<Finding>,
}

/// Numbers of records in a list.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Contains {
    /// Organizations.
    pub orgs: Number,
    /// Users.
    pub users: Number,
    /// Buckets, without the system buckets.
    pub buckets: Number,
    /// Hashes of passwords, of users and of 1.x users.
    pub passwords: Number,
    /// Tokens.
    pub tokens: Number,
    /// Those of the tokens with their value.
    pub values: Number,
    /// 1.x users.
    pub v1_users: Number,
    /// Mappings of 1.x databases.
    pub mappings: Number,
}

/// A record that is not in the list.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// The kind of record: `token`, `user`, `org`, `bucket`, `v1`, `dbrp`, `password`, or `role` for
    /// what a user is allowed by another record.
    pub kind: &'static str,
    /// Its ID.
    pub id: Id,
    /// Its name or description.
    pub name: String,
    /// Why it is not in the list.
    pub reason: String,
}

/// The state of an export.
struct Work<'a> {
    snapshot: &'a dyn Snapshot,
    catalog: &'a Catalog,
    options: &'a Options<'a>,
    list: TomlList,
    contains: Contains,
    skipped: Vec<Skipped>,
    findings: Vec<Finding>,
}

/// Makes the list.
///
/// # Errors
/// [`crate::ErrorKind::NoSuchRecord`] when a filter names something that does not exist; otherwise
/// when the file can't be read.
pub fn export(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    options: &Options<'_>,
) -> Result<Export> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let mut findings = std::mem::take(&mut catalog.skipped);
    findings.append(&mut catalog.indexes.damage);
    findings.extend(lost);
    let schema = Schema::load(snapshot)?.migrations;
    let selection = Selection::new(options.filters.clone(), &catalog)?;
    let mut work = Work {
        snapshot,
        catalog: &catalog,
        options,
        list: TomlList::default(),
        contains: Contains::default(),
        skipped: Vec::new(),
        findings,
    };
    work.list.comment(&format!(
        "Made by boltkey auth export from {}. boltkey apply makes another store match it:\n\
         these tokens and 1.x users then work there, with new IDs. Whoever reads a value can use \
         the token.",
        options.source
    ));
    let mut needed = Needed::new(work.options.filters.is_empty());
    let tokens = tokens::collect(&mut work, &selection, schema, &mut needed)?;
    let v1_users = v1_users::collect(&mut work, &selection, &mut needed)?;
    let mappings = mappings::collect(&mut work, &v1_users, schema, &mut needed)?;
    people::orgs(&mut work, &needed);
    people::users(&mut work, &needed)?;
    buckets::write(&mut work, &needed);
    tokens::write(&mut work, &tokens);
    v1_users::write(&mut work, &v1_users);
    mappings::write(&mut work, &mappings);
    Ok(work.finish())
}

impl Work<'_> {
    fn skip(&mut self, kind: &'static str, id: Id, name: &str, reason: impl Into<String>) {
        self.skipped.push(Skipped {
            kind,
            id,
            name: name.into(),
            reason: reason.into(),
        });
    }

    fn finish(mut self) -> Export {
        let hidden = &self.catalog.hidden;
        let contains = &mut self.contains;
        let mut incomplete = Vec::new();
        for (field, number, buckets) in [
            ("orgs", &mut contains.orgs, &[names::ORGANIZATIONS][..]),
            ("users", &mut contains.users, &[names::USERS]),
            ("buckets", &mut contains.buckets, &[names::BUCKETS]),
            (
                "passwords",
                &mut contains.passwords,
                &[
                    names::USERS,
                    names::USER_PASSWORDS,
                    names::LEGACY_AUTHORIZATIONS,
                    names::LEGACY_PASSWORDS,
                ],
            ),
            ("tokens", &mut contains.tokens, &[names::AUTHORIZATIONS]),
            ("values", &mut contains.values, &[names::AUTHORIZATIONS]),
            (
                "v1Users",
                &mut contains.v1_users,
                &[names::LEGACY_AUTHORIZATIONS],
            ),
            ("mappings", &mut contains.mappings, &[names::DBRP]),
        ] {
            number.hidden |= buckets.iter().any(|bucket| hidden.hides(bucket));
            if number.hidden {
                incomplete.push(field);
            }
        }
        if !self.skipped.is_empty() {
            self.list.blank();
            self.list.comment("Not in this list:");
            for skipped in &self.skipped {
                let Skipped {
                    kind,
                    id,
                    name,
                    reason,
                } = skipped;
                self.list
                    .comment(&format!("{kind} {name:?} ({id}): {reason}"));
            }
        }
        Export {
            list: self.list.finish(),
            contains: self.contains,
            skipped: self.skipped,
            incomplete,
            findings: self.findings,
        }
    }
}
