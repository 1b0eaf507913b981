//! Reading saved tokens: captures in every format that `capture` writes, plain lists, and output of
//! the API and the influx CLI, encrypted with age or not.
//!
//! All input is untrusted: the caller compares each candidate with a hash.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::ops::capture::unseal::{Unseal, is_sealed, unreadable};
use crate::secret::Token;

/// A file that `capture` wrote, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaptureKind {
    /// Encrypted with age. It may be anything.
    Sealed,
    /// One entry per line under a header.
    Csv,
    /// JSON or environment variables.
    Other,
}

impl CaptureKind {
    /// The kind of a file with these first bytes; `None` if it is not a capture.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let begins = |beginnings: &[&[u8]]| beginnings.iter().any(|b| start.starts_with(b));
        if is_sealed(start) {
            Some(Self::Sealed)
        } else if begins(CSV_HEADERS) {
            Some(Self::Csv)
        } else if begins(&[b"{\"format\":\"boltkey-capture/", b"INFLUX_TOKEN_", b"# "]) {
            Some(Self::Other)
        } else {
            None
        }
    }
}

/// The headers of a list in CSV.
const CSV_HEADERS: &[&[u8]] = &[b"\"id\",\"token\",", b"id,token,"];

/// Calls `visit` for every entry of `input`, with the texts of the entry that may be its token.
/// `name` is for messages. Returns whether the input is encrypted.
///
/// # Errors
/// * [`ErrorKind::Refused`] when it is encrypted and `unseal` has no matching key, or when its
///   content does not fit the format it starts with
/// * [`ErrorKind::Io`] when it can't be read
pub fn read(
    input: &mut dyn Read,
    name: &str,
    unseal: &Unseal,
    visit: &mut dyn FnMut(Vec<Token>),
) -> Result<bool> {
    let (_, sealed) = unseal.read(input, name, |start, input| {
        read_open(input, start, name, visit)
    })?;
    Ok(sealed)
}

/// Like [`read`], for a file that must be a whole capture.
///
/// # Errors
/// * [`ErrorKind::Corrupt`] when it is damaged
/// * [`ErrorKind::Refused`] when it is encrypted and `unseal` has no matching key
/// * [`ErrorKind::Io`] when it can't be read
pub(crate) fn read_whole(
    input: &mut dyn Read,
    name: &str,
    unseal: &Unseal,
    visit: &mut dyn FnMut(Vec<Token>),
) -> Result<bool> {
    let failed = Cell::new(false);
    let mut input = Watched {
        input,
        failed: &failed,
    };
    let read = unseal.read_or(&mut input, name, ErrorKind::Corrupt, |start, input| {
        read_open(input, start, name, visit).map_err(|error| match error.kind() {
            ErrorKind::Refused => Error::new(ErrorKind::Corrupt, error.message()),
            _ => error,
        })
    });
    match read {
        Ok(((), sealed)) => Ok(sealed),
        Err(error) if failed.get() => Err(error.with_hint(NAME_A_CAPTURE)),
        // The library that decrypts reports damage as an I/O error.
        Err(error) if [ErrorKind::Corrupt, ErrorKind::Io].contains(&error.kind()) => {
            Err(Error::new(ErrorKind::Corrupt, error.message()).with_hint(NAME_A_CAPTURE))
        }
        Err(error) => Err(error.with_hint(
            "give the right key with --identity FILE, or the passphrase with --passphrase-file \
             FILE; if it is lost, boltkey capture --out NEW writes a new capture",
        )),
    }
}

/// What helps where a path leads to no capture.
pub(crate) const NAME_A_CAPTURE: &str = "name a file that boltkey capture wrote (the store is given with --db); boltkey capture --out NEW writes \
     a new one";

/// A reader that notes whether the file itself could not be read.
struct Watched<'r> {
    input: &'r mut dyn Read,
    failed: &'r Cell<bool>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer);
        let failed = |cause: &io::Error| cause.kind() != io::ErrorKind::Interrupted;
        self.failed
            .set(self.failed.get() || read.as_ref().is_err_and(failed));
        read
    }
}

fn read_open(
    input: impl Read,
    start: &[u8],
    name: &str,
    visit: &mut dyn FnMut(Vec<Token>),
) -> Result<()> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut input = BufReader::with_capacity(256 << 10, input);
    let text = match start.strip_prefix(MARK) {
        Some(text) => {
            let mut mark = [0; MARK.len()];
            input
                .read_exact(&mut mark)
                .map_err(|cause| unreadable(name, &cause))?;
            text
        }
        None => start,
    };
    let text = text.trim_ascii_start();
    if text.starts_with(b"{") || text.starts_with(b"[") {
        read_json(input, name, visit)
    } else if CSV_HEADERS.iter().any(|header| text.starts_with(header)) {
        read_csv(input, name, visit)
    } else {
        read_lines(input, name, visit)
    }
}

fn malformed(name: &str, form: &str, cause: &dyn fmt::Display) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{name} starts like {form}, but is not valid {form}: {cause}"),
    )
    .with_hint("a plain list of tokens, one per line, is accepted too")
}

/// Reads objects with a `token` field: a list, or a list inside an object, at any depth.
fn read_json(input: impl Read, name: &str, visit: &mut dyn FnMut(Vec<Token>)) -> Result<()> {
    let mut json = serde_json::Deserializer::from_reader(input);
    Tokens(visit)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|cause| match cause.classify() {
            serde_json::error::Category::Io => unreadable(name, &cause),
            // Only the position: the library's text may quote the content.
            _ => malformed(
                name,
                "JSON",
                &format!("line {}, column {}", cause.line(), cause.column()),
            ),
        })
}

/// Finds tokens in any JSON value.
struct Tokens<'v>(&'v mut dyn FnMut(Vec<Token>));

impl<'de> DeserializeSeed<'de> for Tokens<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tokens<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Tokens(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<String>()? {
            if name != "token" {
                object.next_value_seed(Tokens(self.0))?;
                continue;
            }
            match object.next_value::<Text>()? {
                Text::Is(text) if !text.is_empty() => (self.0)(vec![Token::new(text)]),
                Text::Is(_) | Text::Other(_) => {}
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A string, or any other value.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Text {
    Is(String),
    Other(IgnoredAny),
}

/// Reads the CSV form of a capture. Earlier versions wrote an apostrophe before a token that looks
/// like a formula, so the token is tried without it too.
fn read_csv(input: impl Read, name: &str, visit: &mut dyn FnMut(Vec<Token>)) -> Result<()> {
    const TOKEN: usize = 1;
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    for row in rows.records() {
        let row = row.map_err(|cause| match cause.kind() {
            csv::ErrorKind::Io(cause) => unreadable(name, cause),
            _ => {
                let line = cause.position().map_or(0, csv::Position::line);
                malformed(name, "CSV", &format!("line {line}"))
            }
        })?;
        let Some(field) = row.get(TOKEN).filter(|field| !field.is_empty()) else {
            continue;
        };
        let mut texts = vec![Token::new(field.to_owned())];
        let bare = field.strip_prefix('\'');
        texts.extend(bare.map(|bare| Token::new(bare.to_owned())));
        visit(texts);
    }
    Ok(())
}

/// Reads one token per line, or an assignment as in the `env` form. Blank lines and comments of the
/// `env` form are skipped.
fn read_lines(
    mut input: impl BufRead,
    name: &str,
    visit: &mut dyn FnMut(Vec<Token>),
) -> Result<()> {
    // A token is not longer than a Bolt key, and an escaped byte takes at most four bytes.
    const LONGEST: u64 = 256 << 10;
    let mut line = Zeroizing::new(Vec::with_capacity(4096));
    for number in 1_u64.. {
        line.clear();
        let read = (&mut input)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .map_err(|cause| unreadable(name, &cause))?;
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).ok();
        let Some(text) = text.filter(|_| (read as u64) < LONGEST) else {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("line {number} of {name} is not UTF-8 text"),
            )
            .with_hint(
                "this option reads captures and lists of tokens; use --from-db or --files for \
                 databases and other files",
            ));
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() || text.starts_with(super::COMMENT) {
            continue;
        }
        let mut texts = vec![Token::new(text.to_owned())];
        if text.trim() != text {
            texts.push(Token::new(text.trim().to_owned()));
        }
        texts.extend(assigned(text).map(Token::new));
        visit(texts);
    }
    Ok(())
}

/// The value that a shell would assign, for the plain forms: unquoted, in single quotes as `capture
/// --format env` writes it, or in double quotes without escapes.
fn assigned(line: &str) -> Option<String> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = match (quoted('\''), quoted('"')) {
        (Some(inside), _) => inside.replace("'\\''", "'"),
        (_, Some(inside)) => inside.to_owned(),
        _ => value.to_owned(),
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Id;
    use crate::ops::capture::seal::Seal;
    use crate::ops::capture::{Captured, Format, write};

    fn tokens_of(bytes: &[u8], unseal: &Unseal) -> Result<Vec<Vec<String>>> {
        let mut found = Vec::new();
        read(&mut &*bytes, "the file", unseal, &mut |texts| {
            found.push(texts.iter().map(|text| text.reveal().to_owned()).collect());
        })?;
        Ok(found)
    }

    fn captured(format: Format, tokens: &[&str]) -> Vec<u8> {
        let captured: Vec<Captured> = tokens
            .iter()
            .zip(1..)
            .map(|(token, n)| Captured::bare(Id::new(n).unwrap(), Token::new((*token).into())))
            .collect();
        let mut out = Vec::new();
        write(captured.iter().map(Captured::lent), format, &mut out).unwrap();
        out
    }

    #[test]
    fn what_capture_writes_is_read_back() {
        let tokens = ["plain==", "-dash", "it's", "\"q\"", "a,b", "=x", "ü <>&"];
        for format in [Format::Json, Format::Csv, Format::Env] {
            let found = tokens_of(&captured(format, &tokens), &Unseal::default()).unwrap();
            assert_eq!(found.len(), tokens.len(), "{format:?}");
            for (texts, token) in found.iter().zip(tokens) {
                assert!(texts.iter().any(|text| text == token), "{format:?} {token}");
            }
        }
        println!("cases: captures-read {}", 3 * tokens.len());
    }

    #[test]
    fn lists_as_people_keep_them() {
        let list = "\u{feff}one==\r\n\r\n  \ntwo\nexport T=\"three\"\n four \nlast";
        let found = tokens_of(list.as_bytes(), &Unseal::default()).unwrap();
        for (texts, token) in found.iter().zip(["one==", "two", "three", "four", "last"]) {
            assert!(texts.iter().any(|text| text == token), "{token}: {texts:?}");
        }
        assert_eq!(found.len(), 5);
        let api = br#"{"links":{"self":"x"},"authorizations":[{"token":"a","permissions":[{"n":1.5,"ok":true}]},{"token":""},{"token":null}]}"#;
        assert_eq!(tokens_of(api, &Unseal::default()).unwrap(), [["a"]]);
        assert_eq!(
            tokens_of(br#" [{"token":"b"}]"#, &Unseal::default()).unwrap(),
            [["b"]]
        );
        assert!(tokens_of(b"", &Unseal::default()).unwrap().is_empty());
    }

    #[test]
    fn what_is_none_is_refused_without_showing_it() {
        for bytes in [
            &b"{\"token\":\"SECRET\""[..],
            b"[\"SECRET\",",
            b"\xff\xfeSECRET\n",
            &[0xff; 1 << 20],
            &[b'x'; 1 << 20],
        ] {
            let error = tokens_of(bytes, &Unseal::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(!error.to_string().contains("SECRET"));
        }
    }

    #[test]
    fn encrypted_ones_need_the_right_key() {
        let plain = captured(Format::Json, &["secret"]);
        let key = age::x25519::Identity::generate();
        let recipient = key.to_public().to_string();
        let seal = Seal::for_recipients([recipient.as_str()]).unwrap();
        let mut sealed = Vec::new();
        seal.write(&mut sealed, "x", |out: &mut dyn std::io::Write| {
            out.write_all(&plain)
        })
        .unwrap();

        let none = tokens_of(&sealed, &Unseal::default()).unwrap_err();
        assert!(none.to_string().contains("no key"), "{none}");
        let with = |text: String| {
            let mut unseal = Unseal::default();
            unseal
                .add_identities(text.as_bytes(), "keys")
                .map(|()| unseal)
        };
        use age::secrecy::ExposeSecret;
        let right = with(key.to_string().expose_secret().to_owned()).unwrap();
        assert_eq!(tokens_of(&sealed, &right).unwrap(), [["secret"]]);
        let other = age::x25519::Identity::generate();
        let wrong = with(other.to_string().expose_secret().to_owned()).unwrap();
        assert_eq!(
            tokens_of(&sealed, &wrong).unwrap_err().kind(),
            ErrorKind::Refused
        );
        assert!(with(String::from("# only a comment\n")).is_err());
        assert!(with(String::from("no key\n")).is_err());
        // A truncated capture is refused.
        let cut = sealed.get(..sealed.len() - 5).unwrap();
        assert!(tokens_of(cut, &right).is_err());
    }
}
