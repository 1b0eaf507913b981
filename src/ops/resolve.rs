//! Finds the user and the organization of a command: named, or the only one.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::lookup::{Lookup, Named};
use crate::metadata::{Bucket, Catalog, Id, Organization, User, names};

/// How a user or an organization is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// By its name.
    Name(String),
    /// By its ID.
    Id(Id),
}

/// In messages, after "called" or the like.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "called {name:?}"),
            Self::Id(id) => write!(f, "with the ID {id}"),
        }
    }
}

/// Finds the user. `several` is the error kind if there are several and none is named.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none, or none of that name.
pub fn user<'c>(catalog: &'c Catalog, by: Option<&By>, several: ErrorKind) -> Result<&'c User> {
    let users = || catalog.users.values();
    let names = || users().map(|user| user.name.as_str());
    match by {
        Some(By::Name(name)) => user_named(catalog, name),
        Some(By::Id(id)) => with_id(&catalog.users, *id, names()),
        None => only(users()).map_err(|none| {
            if !none {
                return ambiguous("users", "--user", several, names());
            }
            Error::new(
                ErrorKind::NoSuchRecord,
                "the store has no user who could own a token",
            )
            .with_hint(
                "check that this is the right file with boltkey status; if it is, start influxd \
                 and set it up in the browser or with influx setup, which a server without users \
                 offers",
            )
        }),
    }
}

/// Finds the organization, like [`user`].
///
/// # Errors
/// As [`user`].
pub fn org<'c>(
    catalog: &'c Catalog,
    by: Option<&By>,
    several: ErrorKind,
) -> Result<&'c Organization> {
    let orgs = || catalog.orgs.values();
    let names = || orgs().map(|org| org.name.as_str());
    match by {
        Some(By::Name(name)) => org_named(catalog, name),
        Some(By::Id(id)) => with_id(&catalog.orgs, *id, names()),
        None => only(orgs()).map_err(|none| {
            if !none {
                return ambiguous("organizations", "--org", several, names());
            }
            Error::new(
                ErrorKind::NoSuchRecord,
                "the store has no organization a token could belong to",
            )
            .with_hint(
                "check that this is the right file with boltkey status; a server without any \
                 organization offers its setup when it starts",
            )
        }),
    }
}

/// The user of this name.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none, or record and index disagree.
pub(crate) fn user_named<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c User> {
    let names = catalog.users.values().map(|user| user.name.as_str());
    named(&catalog.user_by_name(name), name, names)
}

/// The organization of this name.
///
/// # Errors
/// As [`user_named`].
pub(crate) fn org_named<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Organization> {
    let names = catalog.orgs.values().map(|org| org.name.as_str());
    named(&catalog.org_by_name(name), name, names)
}

/// The bucket of this name in an organization.
///
/// # Errors
/// As [`user_named`].
pub(crate) fn bucket_named<'c>(catalog: &'c Catalog, org: Id, name: &str) -> Result<&'c Bucket> {
    let buckets = catalog.buckets.values();
    let names = buckets.filter(|bucket| bucket.org_id == org);
    let names = names.map(|bucket| bucket.name.as_str());
    named(&catalog.bucket_by_name(org, name), name, names)
}

/// The record that influxd finds by a name, if the record has that name.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when there is none, or record and index disagree.
pub(crate) fn named<'c, 'n, T: Named>(
    lookup: &Lookup<'c, T>,
    name: &str,
    all: impl Iterator<Item = &'n str>,
) -> Result<&'c T> {
    if let Some(found) = lookup.found() {
        return Ok(found);
    }
    let Some(problem) = lookup.problem() else {
        return Err(no_such(T::WHAT, &By::Name(name.into()), all));
    };
    let message = format!("{} {name:?}: {problem}", T::WHAT);
    Err(Error::new(ErrorKind::NoSuchRecord, message).with_hint(what_helps(lookup)))
}

/// Refuses a name that a new record can't get. `existing` is the hint if influxd finds a record by
/// this name.
///
/// # Errors
/// [`ErrorKind::Refused`].
pub(crate) fn must_be_free<T: Named>(
    lookup: &Lookup<'_, T>,
    name: &str,
    existing: &str,
) -> Result<()> {
    if lookup.is_free() {
        return Ok(());
    }
    let message = match lookup.problem() {
        None => format!("{} with name {name:?} already exists", T::WHAT),
        Some(problem) => format!("{} name {name:?} is taken: {problem}", T::WHAT),
    };
    let error = Error::new(ErrorKind::Refused, message);
    Err(match lookup {
        Lookup::Found(_) => error.with_hint(existing),
        _ => error.with_hint(what_helps(lookup)),
    })
}

/// The hint if record and index disagree.
fn what_helps<T: Named>(lookup: &Lookup<'_, T>) -> String {
    let records = match lookup {
        Lookup::NoEntry(records)
        | Lookup::Blocked { records, .. }
        | Lookup::Elsewhere { records, .. } => records.as_slice(),
        Lookup::Found(_) | Lookup::Nobody => &[],
    };
    let is_user = T::INDEX == names::USER_INDEX;
    match (lookup, records) {
        (Lookup::NoEntry(_) | Lookup::Blocked { .. }, [only]) if is_user => format!(
            "boltkey repair creates the entry; boltkey user password --id {} sets a password too",
            only.id()
        ),
        (Lookup::Blocked { to: Some(id), .. }, []) if is_user => format!(
            "boltkey repair frees the name; boltkey user delete --id {id} deletes the rest of that \
             user too"
        ),
        (Lookup::Blocked { .. }, []) => {
            "boltkey repair frees the name, or choose another name".into()
        }
        (_, [_]) => "boltkey repair --dry-run shows how the entry would be corrected, and boltkey \
                     repair corrects it"
            .into(),
        _ => "use the ID where a command accepts one; boltkey check shows which record and entry \
              disagree"
            .into(),
    }
}

/// The record with this ID.
fn with_id<'c, 'n, T: Named>(
    records: &'c BTreeMap<Id, T>,
    id: Id,
    all: impl Iterator<Item = &'n str>,
) -> Result<&'c T> {
    records
        .get(&id)
        .ok_or_else(|| no_such(T::WHAT, &By::Id(id), all))
}

/// The only item; otherwise `Err(true)` if there is none.
fn only<T>(mut all: impl Iterator<Item = T>) -> Result<T, bool> {
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (first, _) => Err(first.is_none()),
    }
}

fn ambiguous<'n>(
    what: &str,
    option: &str,
    kind: ErrorKind,
    names: impl Iterator<Item = &'n str>,
) -> Error {
    let names = listed(names.collect());
    Error::new(kind, format!("there are several {what}: {names}"))
        .with_hint(format!("choose one with {option} NAME"))
}

/// The error for an unknown name; the hint lists existing names, the most similar first.
pub(crate) fn no_such<'n>(what: &str, by: &By, names: impl Iterator<Item = &'n str>) -> Error {
    let mut names: Vec<&str> = names.collect();
    if let By::Name(name) = by {
        names.sort_by_cached_key(|known| distance(known, name));
    }
    Error::new(ErrorKind::NoSuchRecord, format!("there is no {what} {by}"))
        .with_hint(format!("there are: {}", listed(names)))
}

/// A few quoted names, and the number of the others.
fn listed(names: Vec<&str>) -> String {
    const MOST: usize = 20;
    let more = names.len().saturating_sub(MOST);
    let mut texts: Vec<String> = names
        .into_iter()
        .take(MOST)
        .map(|name| format!("{name:?}"))
        .collect();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    if texts.is_empty() {
        return String::from("none");
    }
    texts.join(", ")
}

/// The number of letters to add, drop or replace to turn one name into the other. Ignores case, and
/// compares only the start of long names.
fn distance(one: &str, other: &str) -> usize {
    const LONGEST: usize = 64;
    let start = |name: &str| -> String {
        let small = name.chars().flat_map(char::to_lowercase);
        small.take(LONGEST).collect()
    };
    strsim::levenshtein(&start(one), &start(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("alice", "Alice", 0),
            ("alice", "alcie", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_names_come_first() {
        let names = ["carol", "alice", "bob"];
        let error = no_such("user", &By::Name("alcie".into()), names.into_iter());
        assert_eq!(error.hint(), Some(r#"there are: "alice", "carol", "bob""#));
        let many: Vec<String> = (0..25).map(|n| format!("user {n}")).collect();
        let error = no_such(
            "user",
            &By::Id(Id::new(7).unwrap()),
            many.iter().map(String::as_str),
        );
        assert!(error.message().contains("with the ID 0000000000000007"));
        assert!(error.hint().unwrap().ends_with("\"user 19\", and 5 more"));
    }
}
