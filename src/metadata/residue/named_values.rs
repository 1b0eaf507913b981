//! Values that have the name of a secret beside them: `token = "…"` in a telegraf configuration,
//! `INFLUX_TOKEN=…`, `"token": "…"`, `?token=…`, `Authorization: Token …`. The text may be inside a
//! JSON string, so that its quotes are escaped.
//!
//! A value in such a place may be anything. So a caller must compare it with a hash.

use std::ops::Range;

use memchr::memmem;
use zeroize::Zeroizing;

use crate::metadata::encodings::{percent_decoded, unescape};

/// Maximum length of a quoted value, in bytes as written.
const LONGEST_QUOTED: usize = 4096;
/// Maximum length of a value without quotes. Such values may overlap.
const LONGEST_BARE: usize = 512;
/// Maximum length of the rest of a name, such as `_08371deae98c8000`.
const LONGEST_REST: usize = 40;
/// Maximum white space around a separator.
const MOST_SPACE: usize = 16;
/// Maximum number of backslashes before a quote: three levels of JSON in JSON.
const MOST_BACKSLASHES: usize = 7;
/// The maximum length of everything from the name to the end of the value.
pub(super) const LONGEST: usize = LONGEST_QUOTED + LONGEST_REST + 4 * MOST_SPACE;

/// The parts of names to search for. What is before them does not matter.
const NAMES: [&str; 6] = ["oken", "OKEN", "assword", "ASSWORD", "p=", "://"];

/// Searches for the names.
pub(super) struct NamedValues {
    finders: [memmem::Finder<'static>; NAMES.len()],
}

/// What follows a name.
enum Value {
    /// No value.
    None,
    /// It may continue after these bytes.
    Open,
    /// Between quotes: the place of the text, and the quote.
    Quoted(Range<usize>, u8),
    /// From here to a place that depends on the syntax.
    Bare(usize),
}

impl NamedValues {
    pub(super) fn new() -> Self {
        Self {
            finders: NAMES.map(memmem::Finder::new),
        }
    }

    /// Calls `found` for every possible value in `bytes`, with its place as written, name included.
    /// Returns the start of the first name whose value does not end in `bytes`.
    pub(super) fn search(
        &self,
        bytes: &[u8],
        found: &mut dyn FnMut(&[u8], Range<usize>),
    ) -> Option<usize> {
        let mut open: Option<usize> = None;
        for (finder, name) in self.finders.iter().zip(NAMES) {
            for at in finder.find_iter(bytes) {
                let end = at + name.len();
                let mut mark = |is_open: bool| {
                    if is_open && bytes.len() - at < LONGEST {
                        open = Some(open.map_or(at, |open| open.min(at)));
                    }
                };
                let value = match name {
                    "p=" => match at.checked_sub(1).and_then(|before| bytes.get(before)) {
                        Some(b'?' | b'&') => after_separator(bytes, end),
                        _ => Value::None,
                    },
                    "://" => {
                        mark(password_of_url(bytes, at, end, found));
                        Value::None
                    }
                    _ => after_name(bytes, end),
                };
                match value {
                    Value::None => {}
                    Value::Open => mark(true),
                    Value::Quoted(text, quote) => quoted(bytes, at, text, quote, found),
                    Value::Bare(start) => mark(bare(bytes, at, start, found)),
                }
            }
        }
        open
    }
}

/// The value after a name that ends at `at`.
fn after_name(bytes: &[u8], mut at: usize) -> Value {
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    at += rest(at)
        .iter()
        .take(LONGEST_REST)
        .take_while(is_name)
        .count();
    if let Some((_, _, after)) = quote_at(bytes, at) {
        at = after;
    }
    let space = spaces(rest(at));
    at += space;
    let after = rest(at);
    match after {
        [] => Value::Open,
        [b'=' | b':', ..] => after_separator(bytes, at + 1),
        [b'%', b'3', b'D' | b'd' | b'A' | b'a', ..] => after_separator(bytes, at + 3),
        // The header: `Authorization: Token …`.
        _ if space > 0 => Value::Bare(at),
        _ => Value::None,
    }
}

fn after_separator(bytes: &[u8], mut at: usize) -> Value {
    let rest = |at: usize| bytes.get(at..).unwrap_or_default();
    if rest(at).starts_with(b">") {
        at += 1;
    }
    at += spaces(rest(at));
    let Some((backslashes, quote, start)) = quote_at(bytes, at) else {
        return match rest(at).iter().all(|byte| *byte == b'\\') {
            true => Value::Open,
            false => Value::Bare(at),
        };
    };
    // Three quotes are the start of a multi-line text.
    let start = match rest(start) {
        [one, two, ..] if backslashes == 0 && *one == quote && *two == quote => start + 2,
        _ => start,
    };
    match end_of_quoted(rest(start), backslashes, quote) {
        Some(length) => Value::Quoted(start..start + length, quote),
        None if rest(start).len() < LONGEST_QUOTED => Value::Open,
        None => Value::None,
    }
}

/// White space, as it is in a URL too.
fn spaces(bytes: &[u8]) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'+');
    let plain = bytes.iter().take(MOST_SPACE).take_while(is_space).count();
    match bytes.get(plain..) {
        Some([b'%', b'2', b'0', ..]) => plain + 3,
        _ => plain,
    }
}

/// A quote, with the backslashes before it: their number, the quote, and the index after it.
fn quote_at(bytes: &[u8], at: usize) -> Option<(usize, u8, usize)> {
    let rest = bytes.get(at..)?;
    let is_backslash = |byte: &&u8| **byte == b'\\';
    let backslashes = rest
        .iter()
        .take(MOST_BACKSLASHES)
        .take_while(is_backslash)
        .count();
    let quote = *rest.get(backslashes)?;
    matches!(quote, b'"' | b'\'' | b'`').then_some((backslashes, quote, at + backslashes + 1))
}

/// The length of a text up to the quote that ends it, which has as many backslashes before it as
/// the quote at its start.
fn end_of_quoted(text: &[u8], backslashes: usize, quote: u8) -> Option<usize> {
    let near = text.get(..LONGEST_QUOTED).unwrap_or(text);
    for at in memchr::memchr_iter(quote, near) {
        let before = near.get(..at).unwrap_or_default();
        let run = before.iter().rev().take_while(|b| **b == b'\\').count();
        let ends = match (backslashes, quote) {
            // Without escapes.
            (0, b'\'' | b'`') => true,
            (0, _) => run % 2 == 0,
            _ => run == backslashes,
        };
        if ends {
            return Some(at - if backslashes == 0 { 0 } else { run });
        }
    }
    None
}

/// Passes a quoted text, as written and decoded.
fn quoted(
    bytes: &[u8],
    name: usize,
    text: Range<usize>,
    quote: u8,
    found: &mut dyn FnMut(&[u8], Range<usize>),
) {
    let raw = bytes.get(text.clone()).unwrap_or_default();
    let place = name..(text.end + MOST_BACKSLASHES + 1).min(bytes.len());
    each_reading(raw, &mut |reading| found(reading, place.clone()));
    if quote != b'\'' {
        return;
    }
    // A quote inside quotes: `''` in YAML, `'\''` in a shell. The text goes on after it.
    let mut joined = Zeroizing::new(raw.to_vec());
    let mut at = text.end;
    for _ in 0..MOST_SPACE {
        let rest = bytes.get(at..).unwrap_or_default();
        let skip = if rest.starts_with(br"'\''") {
            4
        } else if rest.starts_with(br"'\\''") {
            5
        } else if rest.starts_with(b"''") {
            2
        } else {
            return;
        };
        let more = bytes.get(at + skip..).unwrap_or_default();
        let Some(length) = end_of_quoted(more, 0, quote) else {
            return;
        };
        joined.push(b'\'');
        joined.extend_from_slice(more.get(..length).unwrap_or_default());
        if joined.len() > LONGEST_QUOTED {
            return;
        }
        at += skip + length;
        each_reading(&joined, &mut |reading| found(reading, name..at));
    }
}

/// Passes a text without quotes with every end it may have. Returns whether it may go on after
/// these bytes.
fn bare(
    bytes: &[u8],
    name: usize,
    start: usize,
    found: &mut dyn FnMut(&[u8], Range<usize>),
) -> bool {
    let rest = bytes.get(start..).unwrap_or_default();
    let near = rest.get(..LONGEST_BARE).unwrap_or(rest);
    let until = |ends: &dyn Fn(u8) -> bool| near.iter().take_while(|byte| !ends(**byte)).count();
    let blank = |byte: u8| byte <= b' ' || byte == 0x7f;
    let quote = |byte: u8| matches!(byte, b'"' | b'\'' | b'`');
    let longest = until(&|byte| blank(byte) || quote(byte));
    let plain = until(&|byte| blank(byte) || quote(byte) || byte == b'\\');
    let word = until(&|byte| blank(byte) || quote(byte) || b"\\,;&#<>(){}[]@".contains(&byte));
    let mut last = 0;
    for length in [word, plain, longest] {
        if length <= last {
            continue;
        }
        last = length;
        let text = near.get(..length).unwrap_or_default();
        let place = name..start + length;
        each_reading(text, &mut |reading| {
            found(reading, place.clone());
            // An escaped line end was a line end once.
            let first = reading
                .split(|byte| blank(*byte))
                .next()
                .unwrap_or_default();
            if first.len() < reading.len() {
                found(first, place.clone());
            }
        });
    }
    longest == rest.len() && longest < LONGEST_BARE
}

/// The password in `https://user:password@host`. Returns whether it may go on after these bytes.
fn password_of_url(
    bytes: &[u8],
    at: usize,
    end: usize,
    found: &mut dyn FnMut(&[u8], Range<usize>),
) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let near = rest.get(..LONGEST_BARE).unwrap_or(rest);
    let is_end = |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'"' | b'\'' | b'\\' | b'?');
    let host = near.iter().position(is_end).unwrap_or(near.len());
    let near = near.get(..host).unwrap_or_default();
    let close = near.iter().rposition(|byte| *byte == b'@');
    let colon = near.iter().position(|byte| *byte == b':');
    if let (Some(colon), Some(close)) = (colon, close) {
        let password = near.get(colon + 1..close).unwrap_or_default();
        each_reading(password, &mut |reading| found(reading, at..end + close));
    }
    host == rest.len() && host < LONGEST_BARE
}

/// Passes a value as written, and with escapes of JSON and URLs decoded.
fn each_reading(raw: &[u8], found: &mut dyn FnMut(&[u8])) {
    let mut text = Zeroizing::new(raw.to_vec());
    // A configuration escapes it, and up to two levels of JSON around it.
    for _ in 0..=3 {
        if text.is_empty() {
            return;
        }
        found(&text);
        if let Some(decoded) = percent_decoded(&text) {
            found(&decoded);
        }
        if !text.contains(&b'\\') {
            return;
        }
        let mut next = Zeroizing::new(Vec::with_capacity(text.len()));
        if unescape(&text, &mut next).is_none() {
            return;
        }
        text = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(text: &str, token: &str) -> bool {
        let mut there = false;
        NamedValues::new().search(text.as_bytes(), &mut |value, place| {
            assert!(place.end <= text.len());
            there |= value == token.as_bytes();
        });
        there
    }

    #[test]
    fn a_chosen_token_is_found_in_every_syntax() {
        let json = |text: &str| {
            let quoted = serde_json::to_string(text).unwrap();
            quoted.get(1..quoted.len() - 1).unwrap().to_owned()
        };
        let mut cases = 0;
        for token in [
            "x",
            "my-super-secret-admin-token",
            "p&q=r %41",
            "two words",
            "tökén",
            "a\"b",
            "back\\slash",
        ] {
            let toml = format!("  token = \"{}\"\n", json(token));
            let percent: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let texts = [
                toml.clone(),
                json(&toml),
                json(&json(&toml)),
                format!("{{\"name\":\"x\",\"config\":{}}}", serde_json::json!(toml)),
                format!("{{\"apiToken\": {}}}", serde_json::json!(token)),
                format!("token: '{token}'\n"),
                json(&format!("token: '{token}'\n")),
                format!("export INFLUX_TOKEN='{token}'\n"),
                format!("INFLUX_TOKEN_08371deae98c8000=\"{}\"", json(token)),
                format!("token = '''{token}'''"),
                format!("password = \"{}\"", json(token)),
                format!("https://host/api?org=o&token={percent}&x=y"),
                format!("https://host/write?u=user&p={percent}&db=d"),
                format!("https://user:{percent}@host/write"),
                format!("Authorization%3A%20Token%20{percent}\""),
            ];
            for text in texts {
                assert!(finds(&text, token), "{text}");
                cases += 1;
            }
        }
        for (text, token) in [
            ("INFLUX_TOKEN=chosen\n", "chosen"),
            ("INFLUX_TOKEN=chosen\\nNEXT=1", "chosen"),
            ("token: chosen # why", "chosen"),
            ("Authorization: Token chosen\r\n", "chosen"),
            ("--token chosen --org x", "chosen"),
            ("token => 'chosen'", "chosen"),
            ("token='it'\\''s'", "it's"),
            ("token: 'it''s'", "it's"),
        ] {
            assert!(finds(text, token), "{text}");
            cases += 1;
        }
        println!("cases: named-values {cases}");
    }

    #[test]
    fn a_value_that_is_cut_is_open_and_work_is_bounded() {
        let search = |text: &str| NamedValues::new().search(text.as_bytes(), &mut |_, _| {});
        assert_eq!(search("xx token = \"chos"), Some(4));
        assert_eq!(search("xx token"), Some(4));
        assert_eq!(search("token = \"chosen\"\n"), None);
        for text in [
            "token=",
            "token='",
            "token=\\\"",
            "token",
            "://a:",
            "&p=%41",
            "token=''",
        ] {
            let text = text.repeat((1 << 20) / text.len());
            let mut bytes = 0;
            NamedValues::new().search(text.as_bytes(), &mut |value, _| bytes += value.len());
            assert!(bytes < 600 << 20, "{bytes}");
        }
    }
}
