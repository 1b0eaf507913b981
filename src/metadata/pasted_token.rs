//! What people paste instead of a token: with a line end, quotes or a variable name, encoded once
//! more, and so on. [`readings`] lists the tokens that a pasted text may stand for.

use std::collections::HashSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::encodings::percent_decoded;
use crate::secret::Token;
use crate::store::MAX_KEY_SIZE;

/// How a pasted text differs from a token. Of several differences, the last one in this order names
/// them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One of them has a line end that the other lacks.
    LineEnd,
    /// One of them has spaces at its ends that the other lacks.
    Spaces,
    /// Base64 padding (`=`) is missing, or there is too much of it.
    Padding,
    /// A byte order mark in front.
    Bom,
    /// Quotes around it.
    Quotes,
    /// The scheme of an HTTP header in front.
    Scheme,
    /// A name in front, as in a file of environment variables.
    Assignment,
    /// Percent-encoded, as in a URL.
    Percent,
    /// One of them is the base64 text of the other.
    Base64,
    /// The ID of an authorization.
    Id,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Its kind.
    pub form: Form,
    /// What has to be done with the pasted text, as a command; or what the store's token has that
    /// the pasted text lacks.
    pub what: What,
}

/// Who has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The pasted text: a command such as "remove the quotes".
    Pasted(&'static str),
    /// The token in the store: what it is, such as "ends in a line feed".
    Stored(&'static str),
}

/// A token that a pasted text may stand for.
pub struct Reading {
    /// The token.
    pub token: Token,
    /// The differences, at least one, in the order in which they are undone.
    pub differences: Vec<Difference>,
}

impl Reading {
    /// The form that names all differences.
    #[must_use]
    pub fn form(&self) -> Form {
        let forms = self.differences.iter().map(|difference| difference.form);
        forms.max().unwrap_or(Form::LineEnd)
    }

    /// Whether the token in the store has something that the pasted text lacks.
    #[must_use]
    pub fn store_differs(&self) -> bool {
        let mut differences = self.differences.iter();
        differences.any(|difference| matches!(difference.what, What::Stored(_)))
    }
}

/// The most differences that are undone one after the other.
const MOST_DIFFERENCES: usize = 5;

/// The most readings of one text: each is looked up in the store.
const MOST_READINGS: usize = 200;

/// The tokens that `pasted` may stand for, those with the fewest differences first, without
/// `pasted` itself.
#[must_use]
pub fn readings(pasted: &str) -> Vec<Reading> {
    let mut found = Found {
        seen: HashSet::from([key_digest(pasted.as_bytes())]),
        readings: Vec::new(),
    };
    // First everything that can be taken away.
    found.add_all(pasted, &[], &simpler);
    let mut next = 0;
    while let Some(reading) = found.readings.get(next) {
        next += 1;
        if reading.differences.len() < MOST_DIFFERENCES {
            let (text, path) = (reading.token.clone(), reading.differences.clone());
            found.add_all(text.reveal(), &path, &simpler);
        }
    }
    // Then, at each of these, what the token in the store may have in addition.
    let simple: Vec<(Token, Vec<Difference>)> = found
        .readings
        .iter()
        .map(|reading| (reading.token.clone(), reading.differences.clone()))
        .collect();
    found.add_all(pasted, &[], &richer);
    for (text, path) in simple {
        found.add_all(text.reveal(), &path, &richer);
    }
    let mut readings = found.readings;
    readings.sort_by_key(|reading| reading.differences.len());
    readings
}

/// Other texts made of one text, each with the difference.
type Step = Vec<(Zeroizing<String>, Difference)>;

struct Found {
    /// Of the texts in `readings`, and of the pasted one.
    seen: HashSet<KeyDigest>,
    readings: Vec<Reading>,
}

impl Found {
    fn add_all(&mut self, text: &str, path: &[Difference], step: &dyn Fn(&str) -> Step) {
        for (other, difference) in step(text) {
            let fits = !other.is_empty() && other.len() <= MAX_KEY_SIZE;
            let full = self.readings.len() >= MOST_READINGS;
            if fits && !full && self.seen.insert(key_digest(other.as_bytes())) {
                self.readings.push(Reading {
                    token: Token::new(other.to_string()),
                    differences: [path, &[difference]].concat(),
                });
            }
        }
    }
}

/// What remains when one thing is taken away from `text` or decoded.
fn simpler(text: &str) -> Step {
    use Form::{Assignment, Base64, Bom, LineEnd, Padding, Percent, Quotes, Scheme, Spaces};
    let mut step = Step::new();
    let mut add = |form, command, other: Option<Zeroizing<String>>| {
        if let Some(other) = other.filter(|other| **other != text) {
            let what = What::Pasted(command);
            step.push((other, Difference { form, what }));
        }
    };
    let owned = |text: &str| Some(Zeroizing::new(text.to_owned()));
    let bom = text.trim_matches('\u{feff}');
    add(Bom, "remove the byte order mark in front of it", owned(bom));
    let lines = text.trim_matches(['\r', '\n']);
    add(LineEnd, "remove the line end", owned(lines));
    let spaces = text.trim_matches(is_space);
    add(Spaces, "remove the spaces around it", owned(spaces));
    let quotes = without_quotes(text);
    add(Quotes, "remove the quotes", quotes.and_then(owned));
    let scheme = after_scheme(text);
    add(
        Scheme,
        "remove the scheme in front of it",
        scheme.and_then(owned),
    );
    let assigned = after_name(text);
    let command = "remove the name in front of it";
    add(Assignment, command, assigned.and_then(owned));
    let padding = text.trim_end_matches('=');
    add(Padding, "remove \"=\" at the end", owned(padding));
    for (end, command) in [("=", "append \"=\""), ("==", "append \"==\"")] {
        if text.ends_with('=') {
            break;
        }
        add(Padding, command, Some(Zeroizing::new([text, end].concat())));
    }
    add(
        Percent,
        "decode it from percent-encoding",
        from_percent(text),
    );
    add(Base64, "decode it from base64", from_base64(text));
    step
}

/// What `text` becomes when something is added that the store's token may have.
fn richer(text: &str) -> Step {
    let stored = |form, what, other: String| {
        let what = What::Stored(what);
        (Zeroizing::new(other), Difference { form, what })
    };
    let base64 = "is the base64 text of what was given";
    let base64_of_line = "is the base64 text of what was given and a line feed";
    vec![
        stored(Form::LineEnd, "ends in a line feed", format!("{text}\n")),
        stored(Form::LineEnd, "ends in CR and LF", format!("{text}\r\n")),
        stored(
            Form::LineEnd,
            "ends in a carriage return",
            format!("{text}\r"),
        ),
        stored(Form::Spaces, "ends in a space", format!("{text} ")),
        stored(Form::Spaces, "begins with a space", format!(" {text}")),
        stored(
            Form::Bom,
            "begins with a byte order mark",
            format!("\u{feff}{text}"),
        ),
        stored(Form::Quotes, "is in double quotes", format!("\"{text}\"")),
        stored(Form::Quotes, "is in single quotes", format!("'{text}'")),
        stored(Form::Base64, base64, STANDARD.encode(text)),
        stored(
            Form::Base64,
            base64_of_line,
            STANDARD.encode(format!("{text}\n")),
        ),
    ]
}

/// Whether it is white space, but no line end, or has no width.
fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\r' && c != '\n') || ('\u{200b}'..='\u{200d}').contains(&c)
}

/// The text without the quotes at its ends, also where one of them is missing.
fn without_quotes(text: &str) -> Option<&str> {
    const QUOTES: &[char] = &['"', '\'', '`', '“', '”', '„', '‘', '’', '«', '»'];
    let opened = text.strip_prefix(QUOTES);
    let inside = opened.unwrap_or(text);
    match inside.strip_suffix(QUOTES) {
        Some(inside) => Some(inside),
        None => opened,
    }
}

/// What follows `Token`, `Bearer`, or the name of the header before them.
fn after_scheme(text: &str) -> Option<&str> {
    let after = |text: &'_ str, word: &str| -> Option<usize> {
        let start = text.get(..word.len())?;
        start.eq_ignore_ascii_case(word).then_some(word.len())
    };
    let rest = match after(text, "authorization:") {
        Some(at) => text.get(at..)?.trim_start(),
        None => text,
    };
    let at = ["token ", "bearer "]
        .iter()
        .find_map(|word| after(rest, word));
    match at {
        Some(at) => rest.get(at..).map(str::trim_start),
        None => (rest.len() < text.len()).then_some(rest),
    }
}

/// What follows the name in `NAME=…`, `export NAME=…`, `$env:NAME = …` or `name: …`.
fn after_name(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    for word in [
        "export ",
        "set ",
        "setx ",
        "declare -x ",
        "ENV ",
        "-e ",
        "- ",
    ] {
        rest = rest.strip_prefix(word).map_or(rest, str::trim_start);
    }
    let rest = rest.strip_prefix("$env:").unwrap_or(rest);
    // Names in JSON and YAML may have quotes.
    let rest = rest.trim_start_matches(['"', '\'']);
    let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let end = rest.find(|c| !is_name(c)).filter(|_| begins)?;
    let rest = rest
        .get(end..)?
        .trim_start_matches(['"', '\''])
        .trim_start();
    rest.strip_prefix(['=', ':']).map(str::trim_start)
}

/// The percent-decoded text; `None` if nothing is encoded.
fn from_percent(text: &str) -> Option<Zeroizing<String>> {
    percent_decoded(text.as_bytes()).and_then(|decoded| text_of(&decoded))
}

/// The text that base64 of either alphabet stands for, padded or not.
fn from_base64(text: &str) -> Option<Zeroizing<String>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| {
            let engine = GeneralPurpose::new(alphabet, config);
            engine.decode(text).ok().map(Zeroizing::new)
        })?;
    text_of(&decoded)
}

fn text_of(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abcDEF-_0123==";

    fn form(pasted: &str, token: &str) -> Option<Form> {
        let mut readings = readings(pasted).into_iter();
        readings
            .find(|reading| reading.token.reveal() == token)
            .map(|reading| reading.form())
    }

    #[test]
    fn what_people_paste_is_recognised() {
        let base64 = STANDARD.encode(TOKEN);
        let base64_of_line = STANDARD.encode(format!("{TOKEN}\n"));
        let cases = [
            ("abcDEF-_0123==\n", Form::LineEnd),
            ("abcDEF-_0123==\r", Form::LineEnd),
            ("abcDEF-_0123==\r\n\r\n", Form::LineEnd),
            (" abcDEF-_0123==", Form::Spaces),
            ("abcDEF-_0123==\t", Form::Spaces),
            ("\u{a0}abcDEF-_0123==\u{200b}", Form::Spaces),
            ("\"abcDEF-_0123==\"", Form::Quotes),
            ("'abcDEF-_0123==", Form::Quotes),
            ("“abcDEF-_0123==”", Form::Quotes),
            ("Token abcDEF-_0123==", Form::Scheme),
            ("bearer  abcDEF-_0123==", Form::Scheme),
            ("Authorization: Token abcDEF-_0123==", Form::Scheme),
            ("authorization:Bearer abcDEF-_0123==", Form::Scheme),
            ("INFLUX_TOKEN=abcDEF-_0123==", Form::Assignment),
            ("export INFLUX_TOKEN='abcDEF-_0123=='\n", Form::Assignment),
            ("$env:INFLUX_TOKEN = \"abcDEF-_0123==\"", Form::Assignment),
            ("  token: abcDEF-_0123==", Form::Assignment),
            ("\"token\": \"abcDEF-_0123==\"", Form::Assignment),
            ("abcDEF-_0123", Form::Padding),
            ("abcDEF-_0123=", Form::Padding),
            ("abcDEF-_0123===", Form::Padding),
            ("abcDEF-_0123%3D%3D", Form::Percent),
            ("abcDEF-_0123%3d%3d\n", Form::Percent),
            (&base64, Form::Base64),
            (&base64_of_line, Form::Base64),
            (base64.trim_end_matches('='), Form::Base64),
            ("\u{feff}abcDEF-_0123==", Form::Bom),
            ("\u{feff}abcDEF-_0123==\r\n", Form::Bom),
            (
                "\u{feff}export T=\"Token abcDEF-_0123==\"\r\n",
                Form::Assignment,
            ),
        ];
        for (pasted, expected) in cases {
            assert_eq!(form(pasted, TOKEN), Some(expected), "{pasted:?}");
        }
        println!("cases: pasted {}", cases.len());
    }

    #[test]
    fn the_token_in_the_store_may_be_the_odd_one() {
        let base64 = STANDARD.encode(TOKEN);
        let cases = [
            ("abcDEF-_0123==\n", Form::LineEnd),
            ("abcDEF-_0123==\r\n", Form::LineEnd),
            ("abcDEF-_0123== ", Form::Spaces),
            ("\"abcDEF-_0123==\"", Form::Quotes),
            ("\u{feff}abcDEF-_0123==", Form::Bom),
            (&base64, Form::Base64),
        ];
        for (stored, expected) in cases {
            assert_eq!(form(TOKEN, stored), Some(expected), "{stored:?}");
            let quoted = format!("'{TOKEN}'");
            assert!(form(&quoted, stored).is_some(), "{stored:?}");
        }
        // Both are odd, each in its own way.
        assert_eq!(
            form("T=abcDEF-_0123==", "abcDEF-_0123==\n"),
            Some(Form::Assignment)
        );
    }

    #[test]
    fn a_text_is_not_its_own_reading_and_the_fewest_differences_come_first() {
        for pasted in [
            "", "=", "==", "a", "T=", "%", "%4", "%zz", "\"", "Token ", "\u{feff}", TOKEN,
        ] {
            let readings = readings(pasted);
            assert!(
                readings
                    .iter()
                    .all(|reading| reading.token.reveal() != pasted)
            );
            assert!(
                readings
                    .iter()
                    .all(|reading| !reading.token.reveal().is_empty())
            );
            assert!(readings.is_sorted_by_key(|reading| reading.differences.len()));
            assert!(readings.len() <= MOST_READINGS);
        }
    }

    #[test]
    fn the_number_of_readings_is_bounded() {
        let nested = "%22'\"".repeat(3000) + " T=" + &"Token ".repeat(1000);
        assert!(readings(&nested).len() <= MOST_READINGS);
        let long = "x".repeat(MAX_KEY_SIZE);
        let fit = |reading: &Reading| reading.token.reveal().len() <= MAX_KEY_SIZE;
        assert!(readings(&long).iter().all(fit));
    }
}
