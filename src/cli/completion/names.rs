//! Names and IDs of a database, for completions: read within limits, without waiting for a lock, and
//! without any message.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::terminal::report::printable;
use crate::metadata::authorization::Undecoded;
use crate::metadata::{Authorization, Catalog, Id, names};
use crate::ops::files::time_limit::within_time;
use crate::store::{OpenOptions, Snapshot, Store};

/// The time for reading.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The longest file that is read, in bytes.
const LONGEST: u64 = 1 << 30;
/// The most names that are read.
const MOST: usize = 1000;
/// The longest description that is shown, in characters.
const LONGEST_DESCRIPTION: usize = 40;
/// A word of this length may be a token.
const LIKE_A_TOKEN: usize = 20;

/// What an argument means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    UserId,
    Org,
    OrgId,
    Bucket,
    BucketId,
    Authorization,
    LegacyAuthorization,
}

/// A name or ID, and what describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub value: String,
    pub description: String,
}

/// Those of this kind whose values begin so. None on any trouble.
pub(super) fn known(database: &Path, kind: Kind, start: &str) -> Vec<Known> {
    let (database, start): (PathBuf, String) = (database.to_path_buf(), start.to_owned());
    let read = move || read(&database, kind, &start).unwrap_or_default();
    within_time(PATIENCE, read).unwrap_or_default()
}

fn read(database: &Path, kind: Kind, start: &str) -> Option<Vec<Known>> {
    let metadata = database.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    let store = Store::open(database, &OpenOptions::default()).ok()?;
    let mut found = of_kind(store.snapshot(), kind, start)?;
    drop(store);
    // Others can't be typed, or are not what they seem.
    found.retain(|known| !known.value.is_empty() && printable(&known.value) == known.value);
    found.sort_by(|a, b| a.value.cmp(&b.value));
    found.dedup_by(|a, b| a.value == b.value);
    found.truncate(MOST);
    Some(found)
}

fn of_kind(snapshot: &dyn Snapshot, kind: Kind, start: &str) -> Option<Vec<Known>> {
    let catalog = Catalog::load(snapshot).ok()?;
    let name = |id: Id, name: &str, text: String| Known {
        value: name.to_owned(),
        description: if text.is_empty() {
            id.to_string()
        } else {
            text
        },
    };
    let id = |id: Id, name: &str| Known {
        value: id.to_string(),
        description: name.to_owned(),
    };
    let begins = |known: &Known| known.value.starts_with(start);
    let (users, orgs, buckets) = (
        catalog.users.values(),
        catalog.orgs.values(),
        catalog.buckets.values(),
    );
    let org_of = |org_id: Id| catalog.orgs.get(&org_id).map(|org| org.name.as_str());
    Some(match kind {
        Kind::User => users
            .map(|user| name(user.id, &user.name, user.status.clone()))
            .filter(begins)
            .collect(),
        Kind::UserId => users
            .map(|user| id(user.id, &user.name))
            .filter(begins)
            .collect(),
        Kind::Org => orgs
            .map(|org| name(org.id, &org.name, String::new()))
            .filter(begins)
            .collect(),
        Kind::OrgId => orgs
            .map(|org| id(org.id, &org.name))
            .filter(begins)
            .collect(),
        Kind::Bucket => buckets
            .map(|bucket| {
                let org = org_of(bucket.org_id).map(|org| format!("of {org}"));
                name(bucket.id, &bucket.name, org.unwrap_or_default())
            })
            .filter(begins)
            .collect(),
        Kind::BucketId => buckets
            .map(|bucket| id(bucket.id, &bucket.name))
            .filter(begins)
            .collect(),
        Kind::Authorization => authorizations(snapshot, &catalog, names::AUTHORIZATIONS, start)?,
        Kind::LegacyAuthorization => {
            authorizations(snapshot, &catalog, names::LEGACY_AUTHORIZATIONS, start)?
        }
    })
}

/// The first authorizations whose IDs begin so.
fn authorizations(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    bucket: &'static [u8],
    start: &str,
) -> Option<Vec<Known>> {
    let mut found = Vec::new();
    let read = snapshot.scan(bucket, &mut |key, value| {
        if !key.starts_with(start.as_bytes()) {
            return ControlFlow::Continue(());
        }
        if let Ok(record) = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value) {
            let user = record.user_id.and_then(|id| catalog.users.get(&id));
            let user = user.map_or(String::new(), |user| format!(" of {}", user.name));
            found.push(Known {
                value: record.id.to_string(),
                description: format!("{}{user}", shown(&record.description)),
            });
        }
        match found.len() < MOST {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    read.ok()?;
    Some(found)
}

/// A description, shortened. Not one that may contain a token.
fn shown(description: &str) -> String {
    let is_like_a_token = |word: &str| word.chars().count() >= LIKE_A_TOKEN;
    if description.split_whitespace().any(is_like_a_token) {
        return String::from("…");
    }
    let mut text: String = description.chars().take(LONGEST_DESCRIPTION).collect();
    if text.len() < description.len() {
        text.push('…');
    }
    text
}
