//! Reads secrets from a file, standard input, the environment or a prompt, never from arguments.

use std::fs::Metadata;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::terminal::echo::RestoredBySignals;
use crate::cli::terminal::report::Ui;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::named_input::open_input;
use crate::secret::Token;
use crate::store::MAX_KEY_SIZE;

/// A kind of secret and its sources.
#[derive(Debug)]
pub struct Secret {
    /// Its name in prompts and errors.
    name: &'static str,
    /// The option for its file.
    option: &'static str,
    /// Its environment variable.
    variable: &'static str,
}

impl Secret {
    /// An API token.
    pub const TOKEN: Self = Self {
        name: "token",
        option: "--token-file",
        variable: "BOLTKEY_TOKEN",
    };
    /// The operator token of a backup.
    pub const OPERATOR_TOKEN: Self = Self {
        name: "operator token",
        option: "--operator-token-file",
        variable: "BOLTKEY_OPERATOR_TOKEN",
    };
    /// A user's password.
    pub const PASSWORD: Self = Self {
        name: "password",
        option: "--password-file",
        variable: "BOLTKEY_PASSWORD",
    };
    /// The passphrase of an encrypted capture.
    pub const PASSPHRASE: Self = Self {
        name: "passphrase",
        option: "--passphrase-file",
        variable: "BOLTKEY_PASSPHRASE",
    };
}

/// Reads a secret from `file` (`-` for standard input), its environment variable, or the terminal
/// without echo, in this order. Drops one LF or CRLF at the end.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when a prompt is needed and there is no terminal;
/// [`ErrorKind::Refused`] when the secret is empty, too long, or not UTF-8.
pub fn read_secret(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    let (token, place) = read(secret, file)?;
    if token.reveal().is_empty() {
        return Err(secret.refused(&place, "is empty"));
    }
    Ok(token)
}

/// Like [`read_secret`], but allows an empty secret, which then matches nothing.
///
/// # Errors
/// The errors of [`read_secret`], except for an empty secret.
pub fn read_secret_or_empty(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    Ok(read(secret, file)?.0)
}

/// The secret and its source.
fn read(secret: &Secret, file: Option<&Path>) -> Result<(Token, String)> {
    let (bytes, place) = match file {
        Some(path) if path == Path::new("-") => {
            let place = Path::new("standard input");
            let bytes = read_bounded(io::stdin().lock()).at("read", place)?;
            (bytes, String::from("from standard input"))
        }
        Some(path) => {
            let bytes = read_bounded(open_input(path)?).at("read", path)?;
            (bytes, format!("in {}", path.display()))
        }
        None => match std::env::var_os(secret.variable) {
            Some(value) => (
                Zeroizing::new(value.into_encoded_bytes()),
                format!("in {}", secret.variable),
            ),
            None => (secret.ask(secret.name)?, String::from("that was entered")),
        },
    };
    Ok((secret.check(bytes, &place)?, place))
}

/// Like [`read_secret`], for a new secret: the prompt asks twice.
///
/// # Errors
/// The errors of [`read_secret`]; [`ErrorKind::Refused`] when the two entries differ.
pub fn read_new_secret(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    let first = read_secret(secret, file)?;
    if file.is_some() || secret.is_set() {
        return Ok(first);
    }
    if secret.check(secret.ask("repeat")?, "that was entered")? == first {
        return Ok(first);
    }
    let message = format!("the {} entries do not match", secret.name);
    Err(Error::new(ErrorKind::Refused, message))
}

/// Like [`read_secret`], from a file. Warns if other users can read it.
///
/// # Errors
/// The errors of [`read_secret`].
pub(crate) fn read_secret_file(secret: &Secret, file: &Path, ui: &Ui) -> Result<Token> {
    warn_if_exposed(secret, file, ui);
    read_secret(secret, Some(file))
}

/// Reads a new password like [`read_new_secret`]. Warns if other users can read its file.
///
/// # Errors
/// The errors of [`read_new_secret`].
pub(crate) fn read_new_password(file: Option<&Path>, ui: &Ui) -> Result<Token> {
    if let Some(path) = file {
        warn_if_exposed(&Secret::PASSWORD, path, ui);
    }
    read_new_secret(&Secret::PASSWORD, file)
}

/// Says nothing if the mode of the file can't be read; reading the file reports that error.
fn warn_if_exposed(secret: &Secret, file: &Path, ui: &Ui) {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_READ: u32 = 0o004;
    let is_exposed = |metadata: Metadata| metadata.is_file() && metadata.mode() & OTHERS_READ != 0;
    if file.metadata().is_ok_and(is_exposed) {
        ui.warning(&format!(
            "{} contains a {} and is readable by other users; run chmod 600",
            file.display(),
            secret.name,
        ));
    }
}

/// Reads one byte more than the limit allows, to detect longer input. The buffer never grows,
/// because reallocation would leave a copy of the secret in memory.
fn read_bounded(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = MAX_KEY_SIZE + "\r\n".len() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * most));
    source.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How to turn text that is not UTF-8 into UTF-8.
fn encoding_hint(text: &[u8]) -> String {
    let (likely, name) = match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            ("it is UTF-16, as Windows PowerShell writes it", "UTF-16")
        }
        _ => ("it may be Latin-1 or Windows-1252", "WINDOWS-1252"),
    };
    format!(
        "save it as UTF-8 without a byte order mark; {likely}: iconv -f {name} -t UTF-8 FILE \
         converts it"
    )
}

impl Secret {
    /// Whether its environment variable is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        std::env::var_os(self.variable).is_some()
    }

    fn refused(&self, place: &str, why: &str) -> Error {
        let message = format!("the {} {place} {why}", self.name);
        Error::new(ErrorKind::Refused, message)
    }

    /// Drops one line end and refuses text that can't be a secret. Allows an empty one. `place` is its
    /// source, for errors.
    fn check(&self, bytes: Zeroizing<Vec<u8>>, place: &str) -> Result<Token> {
        let refused = |why: &str| self.refused(place, why);
        let text = bytes
            .strip_suffix(b"\r\n")
            .or_else(|| bytes.strip_suffix(b"\n"))
            .unwrap_or(&bytes);
        if text.len() > MAX_KEY_SIZE {
            return Err(refused("is longer than 32 KiB"));
        }
        match std::str::from_utf8(text) {
            Ok(text) => Ok(Token::new(text.to_owned())),
            Err(_) => Err(refused("is not UTF-8 text").with_hint(encoding_hint(text))),
        }
    }

    /// Prompts on the terminal without echo.
    fn ask(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>> {
        let nobody = || {
            let message = format!(
                "{} required, but there is no terminal to ask for it",
                self.name
            );
            Error::new(ErrorKind::Confirmation, message).with_hint(format!(
                "use {} FILE (- for standard input) or set {}",
                self.option, self.variable
            ))
        };
        if !io::stdin().is_terminal() {
            return Err(nobody());
        }
        let _restored = RestoredBySignals::new();
        rpassword::prompt_password(format!("{prompt} (hidden): "))
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|_| nobody())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_dropped_and_invalid_secrets_are_refused() {
        let check = |bytes: &[u8]| {
            let token = Secret::TOKEN.check(Zeroizing::new(bytes.to_vec()), "here");
            token.map(|token| token.reveal().to_owned())
        };
        for (bytes, text) in [
            ("t", "t"),
            ("t\n", "t"),
            ("t\r\n", "t"),
            ("t\n\n", "t\n"),
            (" t ", " t "),
        ] {
            assert_eq!(check(bytes.as_bytes()).unwrap(), text);
        }
        assert_eq!(check(&[b'x'; MAX_KEY_SIZE]).unwrap().len(), MAX_KEY_SIZE);
        for bytes in [&b"\xff"[..], &[b'x'; MAX_KEY_SIZE + 1]] {
            assert_eq!(check(bytes).unwrap_err().kind(), ErrorKind::Refused);
        }
        for (bytes, encoding) in [
            (&b"caf\xe9"[..], "WINDOWS-1252"),
            (b"\xff\xfet\0", "UTF-16"),
            (b"\xfe\xff\0t\0\xe9", "UTF-16"),
        ] {
            let refused = check(bytes).unwrap_err();
            let hint = refused.hint().unwrap();
            assert!(hint.contains(&format!("iconv -f {encoding} ")), "{hint}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in ["", "\n", "\r\n"] {
            std::fs::write(file.path(), bytes).unwrap();
            let refused = read_secret(&Secret::TOKEN, Some(file.path()))
                .err()
                .unwrap();
            assert_eq!(refused.kind(), ErrorKind::Refused);
            let empty = read_secret_or_empty(&Secret::OPERATOR_TOKEN, Some(file.path())).unwrap();
            assert_eq!(empty.reveal(), "");
        }
    }

    #[test]
    fn an_endless_source_is_not_read_to_its_end() {
        let bytes = read_bounded(io::repeat(b'x')).unwrap();
        assert!(Secret::TOKEN.check(bytes, "here").is_err());
    }
}
