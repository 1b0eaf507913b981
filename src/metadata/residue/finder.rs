//! Finds token-like texts in raw bytes, which may be truncated anywhere.
//!
//! It searches for two forms:
//!
//! * generated tokens, `[A-Za-z0-9_-]{86}==`, anywhere. Word boundaries are not required: a token
//!   that is an index key directly follows the hex digits of the previous entry.
//! * the text of a JSON record's `"token"` field, of any form.
//!
//! It uses two fast substring searches; single bytes are examined only near a match.

use std::ops::Range;

use memchr::{memchr2, memmem};
use zeroize::Zeroizing;

use crate::metadata::encodings::unescape;
use crate::metadata::residue::named_values::NamedValues;
use crate::store::MAX_KEY_SIZE;

/// Length of a generated token: 64 random bytes in padded base64.
pub(super) const GENERATED: usize = 88;
/// Its length without the padding.
const BODY: usize = GENERATED - 2;
/// A stored SHA-512 hash ends like a generated token; this prefix distinguishes it.
const SHA512_PREFIX: &[u8] = b"$influxdb2-sha512$";
/// The maximum length of a generated token with its prefix, or of the start of a `"token"` field,
/// that may cross the border of two chunks.
const BORDER: usize = SHA512_PREFIX.len() + GENERATED;
/// The maximum length of a token field as JSON. A token is an index key, so it has at most
/// [`MAX_KEY_SIZE`] bytes. Each byte may be escaped as `\u00xx`, and the name and white space are
/// added.
const LONGEST_FIELD: usize = 6 * MAX_KEY_SIZE + 64;
/// The maximum white space around the colon of a field.
const MOST_SPACE: usize = 16;

/// How sure it is that a candidate is a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metadata) enum Form {
    /// It has the form of a generated token, or stands in the `"token"` field of a JSON record.
    Token,
    /// It is beside a name such as `token`. It may be any text, so only a comparison with a hash
    /// tells.
    Named,
}

/// The callback for candidates: the text, and its byte range as offsets given by the caller of the
/// finder.
pub(in crate::metadata) trait Found: FnMut(&[u8], Range<u64>, Form) {}

impl<F: FnMut(&[u8], Range<u64>, Form)> Found for F {}

/// Searches runs of bytes that are passed in chunks, and calls a callback for each candidate. A
/// candidate may be passed more than once.
pub(in crate::metadata) struct Finder {
    padding: memmem::Finder<'static>,
    field: memmem::Finder<'static>,
    /// None if values with a name are not searched for.
    named: Option<NamedValues>,
    // None of these grows beyond its first capacity, so reallocation leaves no copies of secrets.
    /// The end of the previous chunk, in which a candidate may begin.
    carry: Zeroizing<Vec<u8>>,
    /// Scratch: the carry and the start of the current chunk.
    window: Zeroizing<Vec<u8>>,
    /// Scratch: an unescaped text.
    text: Zeroizing<Vec<u8>>,
}

impl Finder {
    pub(in crate::metadata) fn new() -> Self {
        let room = LONGEST_FIELD + 2 * BORDER;
        Self {
            padding: memmem::Finder::new("=="),
            field: memmem::Finder::new("\"token\""),
            named: None,
            carry: Zeroizing::new(Vec::with_capacity(room)),
            window: Zeroizing::new(Vec::with_capacity(room + LONGEST_FIELD)),
            text: Zeroizing::new(Vec::with_capacity(MAX_KEY_SIZE)),
        }
    }

    /// Searches also for values beside a name such as `token`.
    pub(in crate::metadata) fn with_named_values() -> Self {
        Self {
            named: Some(NamedValues::new()),
            ..Self::new()
        }
    }

    /// Searches the next chunk, which begins at offset `at`; `continued` says that it directly
    /// follows the last one.
    pub(in crate::metadata) fn feed(
        &mut self,
        chunk: &[u8],
        at: u64,
        continued: bool,
        found: &mut impl Found,
    ) {
        if !continued {
            self.carry.clear();
        }
        let joined = !self.carry.is_empty();
        if joined {
            self.feed_border(chunk, at, found);
            if chunk.len() <= BORDER {
                return;
            }
        }
        // Candidates this close to the border were found together with the bytes before them.
        let first = if joined { SHA512_PREFIX.len() } else { 0 };
        self.generated(chunk, at, first, found);
        let open = self.values(chunk, at, found);
        // A field that began before this chunk is still open, so there is no other.
        if open.is_some() || self.carry.is_empty() {
            let short = chunk.len().saturating_sub(BORDER);
            self.keep(chunk, open.map_or(short, |open| open.min(short)));
        }
    }

    /// Searches the carry together with the start of `chunk`. Afterwards the carry is empty, unless
    /// it already has what the next chunk needs.
    fn feed_border(&mut self, chunk: &[u8], at: u64, found: &mut impl Found) {
        let mut window = std::mem::take(&mut self.window);
        window.clear();
        let at = at - self.carry.len() as u64;
        window.extend_from_slice(&self.carry);
        // Only candidates that cross the border are new; earlier ones would lack bytes before them.
        let first = window.len().saturating_sub(GENERATED - 1);
        self.carry.clear();
        let (start, rest) = chunk.split_at_checked(BORDER).unwrap_or((chunk, &[]));
        window.extend_from_slice(start);
        self.generated(&window, at, first, found);
        let mut open = self.values(&window, at, found);
        if let Some(begin) = open.filter(|_| !rest.is_empty()) {
            let reach = LONGEST_FIELD.saturating_sub(window.len() - begin);
            window.extend_from_slice(rest.get(..reach).unwrap_or(rest));
            let rest = window.get(begin..).unwrap_or_default();
            open = self
                .values(rest, at + begin as u64, found)
                .map(|further| begin + further);
        }
        let short = window.len().saturating_sub(BORDER);
        if rest.is_empty() {
            self.keep(&window, open.map_or(short, |open| open.min(short)));
        } else if let Some(open) = open {
            self.keep(&window, open.min(short));
        }
        self.window = window;
    }

    fn keep(&mut self, bytes: &[u8], from: usize) {
        self.carry.clear();
        self.carry
            .extend_from_slice(bytes.get(from..).unwrap_or_default());
    }

    /// Reports every generated token in `bytes` (at offset `at`) that begins at index `first` or
    /// later.
    fn generated(&self, bytes: &[u8], at: u64, first: usize, found: &mut impl Found) {
        // Matches don't overlap, and of several `=` in a row the first two always match.
        for end in self.padding.find_iter(bytes) {
            let Some(begin) = end.checked_sub(BODY).filter(|begin| *begin >= first) else {
                continue;
            };
            let Some((before, rest)) = bytes.split_at_checked(begin) else {
                continue;
            };
            let Some(token) = rest.get(..GENERATED) else {
                continue;
            };
            if is_generated(token) && !ends_in_hash_prefix(before) {
                let at = at + begin as u64;
                found(token, at..at + GENERATED as u64, Form::Token);
            }
        }
    }

    /// Reports the values of fields and, if they are searched for, values with a name. Returns the
    /// start of the first one whose end is not in `bytes`.
    fn values(&mut self, bytes: &[u8], at: u64, found: &mut impl Found) -> Option<usize> {
        let field = self.fields(bytes, at, found);
        let named = self.named.as_ref().and_then(|named| {
            named.search(bytes, &mut |text, place| {
                let place = at + place.start as u64..at + place.end as u64;
                found(text, place, Form::Named);
            })
        });
        field.into_iter().chain(named).min()
    }

    /// Reports the value of every `"token"` field in `bytes` (at offset `at`). Returns the start of
    /// a field whose end is not in `bytes`.
    fn fields(&mut self, bytes: &[u8], at: u64, found: &mut impl Found) -> Option<usize> {
        for begin in self.field.find_iter(bytes) {
            let value = bytes.get(begin + 7..).unwrap_or_default();
            let at = at + begin as u64;
            match string_after_colon(value) {
                Value::None => {}
                Value::Open if bytes.len() - begin < LONGEST_FIELD => return Some(begin),
                Value::Open => {}
                Value::Text(raw) => {
                    self.text.clear();
                    // Generated tokens were already reported.
                    if unescape(raw, &mut self.text).is_some() && !is_generated(&self.text) {
                        // An upper bound with all white space and quotes.
                        let length = 7 + 2 * MOST_SPACE + 4 + raw.len();
                        let length = length.min(bytes.len() - begin) as u64;
                        found(&self.text, at..at + length, Form::Token);
                    }
                }
            }
        }
        None
    }
}

/// Whether `text` has the form of a generated token.
pub(super) fn is_generated(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == GENERATED
        && text
            .strip_suffix(b"==")
            .is_some_and(|body| body.iter().rev().all(plain))
}

/// Whether `before` ends in the prefix of a SHA-512 hash, or is a truncated part of it.
fn ends_in_hash_prefix(before: &[u8]) -> bool {
    let near = before.len().saturating_sub(SHA512_PREFIX.len());
    before
        .get(near..)
        .is_some_and(|near| !near.is_empty() && SHA512_PREFIX.ends_with(near))
}

/// The value after a field's name.
enum Value<'a> {
    /// Not a string.
    None,
    /// Possibly a string that continues after these bytes.
    Open,
    /// The string between its quotes, with its escapes.
    Text(&'a [u8]),
}

fn string_after_colon(bytes: &[u8]) -> Value<'_> {
    let mut rest = bytes;
    for expected in [b':', b'"'] {
        let space = rest
            .iter()
            .take(MOST_SPACE)
            .take_while(|byte| byte.is_ascii_whitespace())
            .count();
        rest = match rest.get(space..).and_then(|rest| rest.split_first()) {
            None => return Value::Open,
            Some((byte, rest)) if *byte == expected => rest,
            Some(_) => return Value::None,
        };
    }
    let mut end = 0;
    loop {
        let tail = rest.get(end..).unwrap_or_default();
        let Some(hit) = memchr2(b'"', b'\\', tail) else {
            return Value::Open;
        };
        end += hit;
        if end > 6 * MAX_KEY_SIZE {
            return Value::None;
        }
        match rest.get(end) {
            Some(b'"') => return Value::Text(rest.get(..end).unwrap_or_default()),
            _ => end += 2,
        }
    }
}
