//! `auth verify`: which authorization a token is, and whether a server would accept it now.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::pasted_token::{Form, Reading, What, readings};
use crate::metadata::token_hash::PREFIX;
use crate::metadata::{
    Authorization, Can, Catalog, Id, Storage, TokenHash, authenticate, authorization, names,
};
use crate::ops::auth::list::{AuthDetails, Lister};
use crate::ops::auth::next_step;
use crate::ops::resolve;
use crate::secret::Token;
use crate::store::Snapshot;

/// The reason that goes with `allowed: false`.
pub const NOT_ALLOWED: &str = "its permissions do not allow what was asked";

/// The answer.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verified<'a> {
    /// Whether some request to `/api/v2` with the token, as it was given, would be accepted.
    pub authenticates: bool,
    /// Whether its permissions allow what was asked; none when nothing was.
    pub allowed: Option<bool>,
    /// The authorization it is; none when it is unknown.
    pub authorization: Option<AuthDetails<'a>>,
    /// The form in which the given text is the token of the authorization; none when it is the
    /// token itself, or unknown.
    #[serde(rename = "matchedAs")]
    pub matched_as: Option<Form>,
    /// Why not, what to change, or where only some endpoints refuse it.
    pub reasons: Vec<String>,
    /// The command that helps, with what it does; none when the answer is "yes".
    pub hint: Option<String>,
}

impl Verified<'_> {
    /// Whether the answer is "yes".
    #[must_use]
    pub fn is_yes(&self) -> bool {
        self.authenticates && self.allowed != Some(false)
    }
}

/// What a given text is in a store.
enum Identified {
    /// The token of an authorization.
    Token(Id),
    /// A form of the token of an authorization.
    Form(Id, Reading),
    /// The ID of an authorization.
    Id(Id),
}

/// Judges `token` and hands the answer to `use_it`. If the store does not know it, the forms that
/// people paste are tried. Names in `can` are looked up in the organization called `org`, else in
/// the authorization's own.
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
    let Some(identified) = identify(snapshot, token)? else {
        let (reasons, hint) = why_unknown(snapshot, token)?;
        return Ok(use_it(&Verified {
            authenticates: false,
            allowed: can.map(|_| false),
            authorization: None,
            matched_as: None,
            reasons,
            hint: Some(hint),
        }));
    };
    let (Identified::Token(id) | Identified::Form(id, _) | Identified::Id(id)) = identified;
    let lister = Lister::of_one(snapshot, catalog, id, false)?;
    let catalog = lister.catalog();
    let answer = authorization::with(snapshot, id, |record| {
        let org = org.unwrap_or(record.org_id);
        if let Some(can) = can {
            can.must_exist(Some(org), catalog)?;
        }
        let entry = lister.entry(record);
        let allowed = can.map(|can| can.allowed(&record.permissions, org, catalog));
        let (matched_as, accepted, mut reasons) = identified.judged(token, record);
        reasons.extend(entry.problems.iter().cloned());
        // Of a hashed record the token is known only here.
        let sendable = match &identified {
            Identified::Token(_) if record.storage() == Storage::Hashed => {
                authenticate::can_be_sent(token.reveal(), &mut reasons)
            }
            Identified::Form(_, reading) if record.storage() == Storage::Hashed => {
                authenticate::can_be_sent(reading.token.reveal(), &mut reasons)
            }
            _ => true,
        };
        if allowed == Some(false) {
            reasons.push(NOT_ALLOWED.into());
        }
        let usable = entry.usable == Some(true) && sendable;
        let hint = match &identified {
            Identified::Form(_, reading) if reading.store_differs() => {
                Some(next_step::for_odd_token(record.id))
            }
            _ if !usable => Some(next_step::for_unusable(record, catalog)),
            Identified::Id(_) => Some(next_step::for_id(record)),
            _ => can
                .filter(|_| allowed == Some(false))
                .map(next_step::for_permission),
        };
        Ok(use_it(&Verified {
            authenticates: usable && accepted,
            allowed,
            authorization: Some(entry),
            matched_as,
            reasons,
            hint,
        }))
    })?;
    answer.unwrap_or_else(|| {
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("authorization {id} was there and then was not"),
        ))
    })
}

/// Finds the authorization that `token` belongs to, in whatever form.
///
/// # Errors
/// When the file can't be read, or a page or record on the way to the token is damaged.
fn identify(snapshot: &dyn Snapshot, token: &Token) -> Result<Option<Identified>> {
    if let Some(id) = authenticate::find(snapshot, token)? {
        return Ok(Some(Identified::Token(id)));
    }
    let forms = readings(token.reveal());
    let texts = || std::iter::once(token).chain(forms.iter().map(|form| &form.token));
    let ids: Vec<Id> = texts()
        .filter_map(|text| text.reveal().parse().ok())
        .collect();
    for form in forms {
        if let Some(id) = authenticate::find(snapshot, &form.token)? {
            return Ok(Some(Identified::Form(id, form)));
        }
    }
    for id in ids {
        if authorization::with(snapshot, id, |_| ())?.is_some() {
            return Ok(Some(Identified::Id(id)));
        }
    }
    Ok(None)
}

impl Identified {
    /// The form, whether a server takes the text as it was given for the token, and what to change.
    fn judged(
        &self,
        given: &Token,
        record: &Authorization<'_>,
    ) -> (Option<Form>, bool, Vec<String>) {
        let id = record.id;
        match self {
            Self::Token(_) => (None, true, Vec::new()),
            Self::Id(_) => {
                let reason = format!("{id} is the ID of an authorization, not its token");
                (Some(Form::Id), false, vec![reason])
            }
            Self::Form(_, reading) => {
                // As in a header.
                let trimmed = given.reveal().trim_end_matches([' ', '\t']);
                if trimmed == reading.token.reveal() {
                    let reason = "remove the spaces at its end: a server ignores them in a header, \
                                  but not in a 1.x password";
                    return (Some(Form::Spaces), true, vec![reason.into()]);
                }
                (Some(reading.form()), false, changes(reading, id))
            }
        }
    }
}

/// What to change so that the given text becomes the token.
fn changes(reading: &Reading, id: Id) -> Vec<String> {
    let commands: Vec<&str> = reading
        .differences
        .iter()
        .filter_map(|difference| match difference.what {
            What::Pasted(command) => Some(command),
            What::Stored(_) => None,
        })
        .collect();
    let mut reasons = Vec::new();
    if !commands.is_empty() {
        reasons.push(format!("to get the token, {}", commands.join(", then ")));
    }
    for difference in &reading.differences {
        if let What::Stored(what) = difference.what {
            reasons.push(format!(
                "the token of authorization {id} itself {what}; the given text lacks that"
            ));
        }
    }
    reasons
}

/// What may be said to somebody whose token is not known, and the command that helps.
fn why_unknown(snapshot: &dyn Snapshot, token: &Token) -> Result<(Vec<String>, String)> {
    let text = token.reveal();
    let mut reasons = vec![String::from(
        "no index entry leads to it (the server answers \"unauthorized access\")",
    )];
    let mut hint = next_step::for_unknown();
    if text.starts_with(PREFIX) {
        reasons.push("it is a hash, not a token; a hash opens nothing".into());
        hint = next_step::for_hash();
    }
    if snapshot
        .get(names::LEGACY_AUTHORIZATION_INDEX, text.as_bytes())?
        .is_some()
    {
        reasons.push("it is the user name of a 1.x-compatible authorization, not a token".into());
        hint = next_step::for_user_name();
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
        hint = next_step::for_lost_value(id);
    }
    Ok((reasons, hint))
}
