//! `auth verify`: which authorization a token is, and whether a server would accept it now.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{Can, Catalog, Storage, TokenHash, authenticate, authorization, names};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::resolve;
use crate::secret::Token;
use crate::store::Snapshot;

/// The reason that goes with `allowed: false`.
pub const NOT_ALLOWED: &str = "its permissions do not allow what was asked";

/// The answer.
#[derive(Serialize)]
pub struct Verified<'a> {
    /// Whether some request with the token would be accepted.
    pub authenticates: bool,
    /// Whether its permissions allow what was asked; none when nothing was.
    pub allowed: Option<bool>,
    /// The authorization it is; none when it is unknown.
    pub authorization: Option<AuthDetails<'a>>,
    /// Why not, or where only some endpoints refuse it.
    pub reasons: Vec<String>,
}

impl Verified<'_> {
    /// Whether the answer is "yes".
    #[must_use]
    pub fn is_yes(&self) -> bool {
        self.authenticates && self.allowed != Some(false)
    }
}

/// Judges `token` and hands the answer to `use_it`. Names in `can` are looked up in the
/// organization called `org`, else in the authorization's own.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when `can` or `org` name what does not exist;
/// [`ErrorKind::Corrupt`] when a page or record on the way to the token is damaged.
pub fn verify<T>(
    snapshot: &dyn Snapshot,
    token: &Token,
    can: Option<&Can>,
    org: Option<&str>,
    use_it: impl FnOnce(&Verified<'_>) -> T,
) -> Result<T> {
    let catalog = Catalog::load(snapshot)?;
    let org = org
        .map(|name| resolve::org_named(&catalog, name).map(|org| org.id))
        .transpose()?;
    let Some(id) = authenticate::find(snapshot, token)? else {
        return Ok(use_it(&Verified {
            authenticates: false,
            allowed: can.map(|_| false),
            authorization: None,
            reasons: why_unknown(snapshot, token)?,
        }));
    };
    let lister = Lister::of_one(snapshot, catalog, id, false)?;
    let catalog = lister.catalog();
    let answer = authorization::with(snapshot, id, |record| {
        let org = org.unwrap_or(record.org_id);
        if let Some(can) = can {
            can.must_exist(Some(org), catalog)?;
        }
        let entry = lister.entry(record);
        let allowed = can.map(|can| can.allowed(&record.permissions, org, catalog));
        let mut reasons = entry.problems.clone();
        // Of a hashed record the token is known only here.
        let sendable = record.storage() != Storage::Hashed
            || authenticate::can_be_sent(token.reveal(), &mut reasons);
        if allowed == Some(false) {
            reasons.push(NOT_ALLOWED.into());
        }
        Ok(use_it(&Verified {
            authenticates: entry.usable == Some(true) && sendable,
            allowed,
            authorization: Some(entry),
            reasons,
        }))
    })?;
    answer.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("authorization {id} was there and then was not"),
        ))
    })
}

/// What may be said to somebody whose token is not known.
fn why_unknown(snapshot: &dyn Snapshot, token: &Token) -> Result<Vec<String>> {
    let text = token.reveal();
    let mut reasons = vec![String::from(
        "no index entry leads to it (the server answers \"unauthorized access\")",
    )];
    if text.starts_with(PREFIX) {
        reasons.push("it is a hash, not a token; a hash opens nothing".into());
    }
    if text.trim() != text {
        reasons.push("it has white space at its ends".into());
    } else if text.contains(['"', '\'']) {
        reasons.push("it contains quotes; are they part of it?".into());
    }
    if snapshot
        .get(names::LEGACY_AUTHORIZATION_INDEX, text.as_bytes())?
        .is_some()
    {
        reasons.push("it is the user name of a 1.x-compatible authorization, not a token".into());
    }
    let mut holder = None;
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        let holds = match record.storage() {
            Storage::Plaintext | Storage::Both => {
                Token::new(record.token.clone().into_owned()) == *token
            }
            Storage::Hashed => TokenHash::parse(&record.hashed_token)
                .is_ok_and(|hash| hash.matches(text.as_bytes())),
            Storage::Missing => false,
        };
        if holds {
            holder = Some(record.id);
        }
    })?;
    if let Some(id) = holder {
        reasons.push(format!(
            "authorization {id} holds it, but its index entry is missing or leads elsewhere"
        ));
    }
    Ok(reasons)
}
