//! Reading tokens back from files: captures of every format, encrypted or not, and plain lists.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use age::secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::residue::settings;
use crate::secret::Token;

/// What opens an encrypted capture.
#[derive(Default)]
pub struct Keys {
    /// The file with age identities.
    pub identity: Option<Zeroizing<String>>,
    /// A passphrase.
    pub passphrase: Option<Token>,
}

/// The first line of age's files.
const AGE: &[u8] = b"age-encryption.org/v1";

/// More than a capture of ten million tokens.
const MOST: u64 = 4 << 30;

/// Shows every text of the file at `path` that may be a token to `visit`: those of a capture, or
/// each line of a plain list without the spaces around it. A text may be shown twice.
///
/// # Errors
/// * [`ErrorKind::Refused`] when the file is encrypted and `keys` don't open it, or is no capture
/// * as the system, when it can't be read
pub fn tokens(path: &Path, keys: &Keys, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    let content = if path == Path::new("-") {
        let name = Path::new("standard input");
        read(io::stdin().lock()).at("read", name)?
    } else {
        File::open(path).and_then(read).at("read", path)?
    };
    if content.starts_with(AGE) {
        let content = open(&content, keys, path)?;
        return texts(&content, path, visit);
    }
    texts(&content, path, visit)
}

fn read(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    source.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST {
        return Err(io::Error::other("it is longer than any list of tokens"));
    }
    Ok(content)
}

/// Decrypts a file.
fn open(content: &[u8], keys: &Keys, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let refused = |why: String| {
        Error::new(
            ErrorKind::Refused,
            format!("{} is encrypted {why}; nothing was changed", path.display()),
        )
    };
    let decryptor = age::Decryptor::new(content).map_err(|why| refused(format!("and {why}")))?;
    let opened = if decryptor.is_scrypt() {
        let Some(passphrase) = &keys.passphrase else {
            return Err(refused("by a passphrase".into())
                .with_hint("give it by --passphrase-file FILE, or in BOLTKEY_PASSPHRASE"));
        };
        let passphrase = SecretString::from(passphrase.reveal().to_owned());
        let identity = age::scrypt::Identity::new(passphrase);
        decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
    } else {
        let Some(identities) = &keys.identity else {
            return Err(refused("for somebody's key".into())
                .with_hint("give the file with that identity by --identity FILE"));
        };
        let identities = age::IdentityFile::from_buffer(identities.as_bytes())
            .map_err(|why| refused(format!("and the identity can't be read: {why}")))?
            .into_identities()
            .map_err(|why| refused(format!("and the identity can't be read: {why}")))?;
        decryptor.decrypt(identities.iter().map(AsRef::as_ref))
    };
    let mut plain = Zeroizing::new(Vec::with_capacity(content.len()));
    opened
        .map_err(|why| refused(format!("and can't be opened: {why}")))
        .and_then(|mut opened| {
            opened
                .read_to_end(&mut plain)
                .map_err(|why| refused(format!("and damaged: {why}")))
        })?;
    Ok(plain)
}

/// Shows the texts of what is not encrypted.
fn texts(content: &[u8], path: &Path, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    let refused = |why: &str| {
        Error::new(
            ErrorKind::Refused,
            format!("{} {why}; nothing was changed", path.display()),
        )
    };
    let Ok(text) = std::str::from_utf8(content) else {
        return Err(refused("is neither a capture nor a list of tokens")
            .with_hint("databases and backups are named by --from-db, anything else by --files"));
    };
    if text.trim_start().starts_with('{') {
        return json(text, visit).map_err(|why| refused(&format!("is no whole capture: {why}")));
    }
    if text.starts_with(CSV_HEADER) {
        return csv(text, visit).ok_or_else(|| refused("is no whole capture"));
    }
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with("INFLUX_TOKEN_") {
            // A quoted value may go over several lines; those are found by the whole text.
            continue;
        }
        visit(line.as_bytes());
    }
    if text.contains("INFLUX_TOKEN_") {
        env(text, visit);
        settings::tokens(text, &mut |value| visit(value));
    }
    Ok(())
}

fn json(text: &str, visit: &mut dyn FnMut(&[u8])) -> std::result::Result<(), String> {
    #[derive(Deserialize)]
    struct Capture<'a> {
        #[serde(borrow)]
        format: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        tokens: Vec<Captured<'a>>,
    }
    #[derive(Deserialize)]
    struct Captured<'a> {
        #[serde(borrow)]
        token: std::borrow::Cow<'a, str>,
    }
    // The texts of serde_json quote nothing of what they read here but places.
    let capture: Capture<'_> = serde_json::from_str(text)
        .map_err(|why| format!("line {}, column {}", why.line(), why.column()))?;
    if capture.format != "boltkey-capture/1" {
        return Err(String::from("its format is not boltkey-capture/1"));
    }
    for captured in capture.tokens {
        visit(captured.token.as_bytes());
    }
    Ok(())
}

const CSV_HEADER: &str = "\"id\",\"token\",";

/// The second field of every line but the first. All fields are quoted.
fn csv(text: &str, visit: &mut dyn FnMut(&[u8])) -> Option<()> {
    let mut rest = text;
    let mut line = 0;
    let mut column = 0;
    let mut field = Zeroizing::new(String::new());
    while !rest.is_empty() {
        rest = rest.strip_prefix('"')?;
        field.clear();
        loop {
            let end = rest.find('"')?;
            field.push_str(rest.get(..end)?);
            rest = rest.get(end + 1..)?;
            match rest.strip_prefix('"') {
                Some(more) => {
                    field.push('"');
                    rest = more;
                }
                None => break,
            }
        }
        if line > 0 && column == 1 {
            visit(field.as_bytes());
            // The apostrophe may be the one that keeps spreadsheets from running it.
            if let Some(bare) = field.strip_prefix('\'') {
                visit(bare.as_bytes());
            }
        }
        if let Some(more) = rest.strip_prefix(',') {
            rest = more;
            column += 1;
        } else {
            rest = rest
                .strip_prefix("\r\n")
                .or_else(|| rest.strip_prefix('\n'))?;
            line += 1;
            column = 0;
        }
    }
    Some(())
}

/// The values of `INFLUX_TOKEN_…='…'`, in the shell's quotes, which may hold line ends.
fn env(text: &str, visit: &mut dyn FnMut(&[u8])) {
    let mut value = Zeroizing::new(String::new());
    for start in text.match_indices("INFLUX_TOKEN_").map(|(at, _)| at) {
        let Some((_, mut rest)) = text.get(start..).and_then(|text| text.split_once("='")) else {
            continue;
        };
        value.clear();
        while let Some((part, more)) = rest.split_once('\'') {
            value.push_str(part);
            match more.strip_prefix("\\''") {
                Some(more) => {
                    value.push('\'');
                    rest = more;
                }
                None => break,
            }
        }
        visit(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Id;
    use crate::ops::capture::{Captured, Format, write};
    use crate::ops::seal::Seal;

    const TOKENS: [&str; 5] = ["plain", "it's \"x\"", "-dash==", "two\nlines", "tökén"];

    fn capture(format: Format, seal: &Seal) -> Vec<u8> {
        let tokens: Vec<Captured> = (1..)
            .zip(TOKENS)
            .map(|(n, token)| Captured::bare(Id::new(n).unwrap(), Token::new(token.into())))
            .collect();
        let mut out = Vec::new();
        seal.write(&mut out, "x", |out| write(&tokens, format, out))
            .unwrap();
        out
    }

    fn read_back(content: &[u8], keys: &Keys) -> Result<Vec<String>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, content).unwrap();
        let mut found = Vec::new();
        tokens(file.path(), keys, &mut |text| {
            found.push(String::from_utf8(text.to_vec()).unwrap());
        })?;
        Ok(found)
    }

    #[test]
    fn captures_of_every_format() {
        for format in [Format::Json, Format::Csv, Format::Env] {
            let content = capture(format, &Seal::Open);
            let found = read_back(&content, &Keys::default()).unwrap();
            for token in TOKENS {
                assert!(found.iter().any(|text| text == token), "{token} {found:?}");
            }
            if format != Format::Env {
                assert!(read_back(&content[..content.len() / 2], &Keys::default()).is_err());
            }
        }
    }

    #[test]
    fn lists_with_blank_lines_and_windows_line_ends() {
        let found = read_back(b"one\r\n\r\n  two  \n\nINFLUX\nthree", &Keys::default()).unwrap();
        assert_eq!(found, ["one", "two", "INFLUX", "three"]);
        assert!(read_back(b"", &Keys::default()).unwrap().is_empty());
        assert!(read_back(&[0xff, 0xfe], &Keys::default()).is_err());
    }

    #[test]
    fn encrypted_ones_need_their_key() {
        let passphrase = || Token::new("correct horse".into());
        let sealed = capture(Format::Json, &Seal::Passphrase(passphrase()));
        let keys = |text: &str| Keys {
            passphrase: Some(Token::new(text.into())),
            ..Keys::default()
        };
        assert_eq!(read_back(&sealed, &keys("correct horse")).unwrap(), TOKENS);
        for wrong in [keys("wrong"), Keys::default()] {
            let error = read_back(&sealed, &wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert!(error.message().contains("is encrypted"), "{error}");
        }
        let identity = age::x25519::Identity::generate();
        let seal = Seal::for_recipients([identity.to_public().to_string().as_str()]).unwrap();
        let sealed = capture(Format::Csv, &seal);
        use age::secrecy::ExposeSecret as _;
        let text = format!("# a comment\n{}\n", identity.to_string().expose_secret());
        let keys = Keys {
            identity: Some(Zeroizing::new(text)),
            ..Keys::default()
        };
        let found = read_back(&sealed, &keys).unwrap();
        assert!(
            TOKENS
                .iter()
                .all(|token| found.iter().any(|text| text == token))
        );
        assert!(read_back(&sealed, &Keys::default()).is_err());
        let mut cut = sealed.clone();
        cut.truncate(sealed.len() - 5);
        assert!(read_back(&cut, &keys).is_err());
    }
}
