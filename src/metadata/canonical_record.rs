//! Authorization records as InfluxDB writes them: all fields in its own order, no space between
//! them, no escapes. Nearly all records are like that. They are split here many times faster than a
//! JSON parser can; all others go through the parser.

use std::cell::RefCell;

use memchr::{memchr, memmem};
use serde_json::value::RawValue;

use crate::metadata::{Id, go_json};

/// A record, split into its fields. Optional ones are empty if they are missing.
pub(super) struct CanonicalRecord<'a> {
    pub(super) id: Id,
    pub(super) token: &'a str,
    pub(super) hashed_token: &'a str,
    pub(super) status: &'a str,
    pub(super) description: &'a str,
    pub(super) org_id: Id,
    pub(super) user_id: Option<Id>,
    /// Valid JSON: a list.
    pub(super) permissions: &'a str,
    pub(super) created_at: &'a str,
    pub(super) updated_at: &'a str,
}

/// What every record begins with, before the rest of its ID.
const ID: &[u8] = br#"{"id":"#;
/// The length of an ID with its quotes.
const QUOTED_ID: usize = 18;
/// What follows the permissions. In valid permissions it can't occur.
const AFTER_PERMISSIONS: &[u8] = br#"],"createdAt":""#;

thread_local! {
    static END: memmem::Finder<'static> = memmem::Finder::new(AFTER_PERMISSIONS);
    /// The permissions that were found valid last. Most records have the same.
    static VALID: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<'a> CanonicalRecord<'a> {
    /// `None` if the record has any other form, or can't be decoded.
    pub(super) fn parse(record: &'a [u8]) -> Option<Self> {
        let (id, rest) = id(record.strip_prefix(ID)?)?;
        let (token, rest) = optional(rest, br#","token":"#)?;
        let (hashed_token, rest) = optional(rest, br#","hashedToken":"#)?;
        let (status, rest) = text(rest.strip_prefix(br#","status":"#)?)?;
        let (description, rest) = text(rest.strip_prefix(br#","description":"#)?)?;
        let (org_id, rest) = self::id(rest.strip_prefix(br#","orgID":"#)?)?;
        let (user_id, rest) = match rest.strip_prefix(br#","userID":"#) {
            Some(value) => self::id(value).map(|(id, rest)| (Some(id), rest))?,
            None => (None, rest),
        };
        let rest = rest.strip_prefix(br#","permissions":"#)?;
        let end = END.with(|end| end.find(rest))?;
        let (permissions, rest) = rest.split_at_checked(end + 1)?;
        let (created_at, rest) = text(rest.strip_prefix(br#","createdAt":"#)?)?;
        let (updated_at, rest) = text(rest.strip_prefix(br#","updatedAt":"#)?)?;
        let permissions = std::str::from_utf8(permissions).ok()?;
        let right = rest == b"}"
            && go_json::is_time(created_at.as_bytes())
            && go_json::is_time(updated_at.as_bytes())
            && is_list(permissions);
        right.then_some(Self {
            id,
            token,
            hashed_token,
            status,
            description,
            org_id,
            user_id,
            permissions,
            created_at,
            updated_at,
        })
    }
}

/// A record with only a plaintext token, up to its token: what is before the field of the token, the
/// token, and everything from the quote after it. `None` if it has any other form. The caller has
/// decoded the record before.
pub(super) fn around_token(record: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    const FIELD: &[u8] = br#""token":""#;
    let before = ID.len() + QUOTED_ID + 1;
    let parsed = CanonicalRecord::parse(record)?;
    if parsed.token.is_empty() || !parsed.hashed_token.is_empty() {
        return None;
    }
    let (before, rest) = record.split_at_checked(before)?;
    let (token, after) = rest
        .strip_prefix(FIELD)?
        .split_at_checked(parsed.token.len())?;
    Some((before, token, after))
}

/// Whether this is a list in JSON.
fn is_list(text: &str) -> bool {
    text.starts_with('[')
        && VALID.with_borrow_mut(|valid| {
            if valid == text {
                return true;
            }
            let is_valid =
                serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text);
            if is_valid {
                valid.clear();
                valid.push_str(text);
            }
            is_valid
        })
}

fn id(json: &[u8]) -> Option<(Id, &[u8])> {
    let (quoted, rest) = json.split_at_checked(QUOTED_ID)?;
    let digits = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some((Id::from_bytes(digits).ok()?, rest))
}

/// The field's text if `json` begins with the field, otherwise an empty one. InfluxDB leaves out
/// empty tokens and hashes.
fn optional<'a>(json: &'a [u8], name: &[u8]) -> Option<(&'a str, &'a [u8])> {
    match json.strip_prefix(name) {
        Some(value) => text(value),
        None => Some(("", json)),
    }
}

/// A JSON string without escapes at the start of `json`, and what follows it.
fn text(json: &[u8]) -> Option<(&str, &[u8])> {
    let inside = json.strip_prefix(b"\"")?;
    let (text, rest) = inside.split_at_checked(memchr(b'"', inside)?)?;
    let is_plain = |plain, byte: &u8| plain & (*byte >= b' ') & (*byte != b'\\');
    let plain = text.iter().fold(true, is_plain);
    let text = std::str::from_utf8(text).ok().filter(|_| plain)?;
    Some((text, rest.get(1..)?))
}
