//! Secrets come in by file, standard input, environment or prompt, never as an argument.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::terminal::echo::RestoredBySignals;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::secret::Token;
use crate::store::MAX_KEY_SIZE;

/// A secret the program may ask for.
#[derive(Debug)]
pub struct Secret {
    /// What it is called in prompts and errors.
    name: &'static str,
    /// The option that names its file.
    option: &'static str,
    /// The environment variable that may hold it.
    variable: &'static str,
}

impl Secret {
    /// An API token.
    pub const TOKEN: Self = Self {
        name: "token",
        option: "--token-file",
        variable: "BOLTKEY_TOKEN",
    };
    /// The operator token that is to open a backup.
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

/// Reads a secret: from `file` (standard input for `-`), else from its environment variable,
/// else from the terminal without echo. One LF or CRLF at the end is dropped.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when it would have to be asked for and there is no terminal;
/// [`ErrorKind::Refused`] when it is empty, too long, or no UTF-8.
pub fn read_secret(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    let (token, place) = read(secret, file)?;
    if token.reveal().is_empty() {
        return Err(secret.refused(&place, "is empty"));
    }
    Ok(token)
}

/// The same for a secret that is compared with others: an empty one is a wrong one.
///
/// # Errors
/// As [`read_secret`], but for empty ones.
pub fn read_secret_or_empty(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    Ok(read(secret, file)?.0)
}

/// The secret, and where it was.
fn read(secret: &Secret, file: Option<&Path>) -> Result<(Token, String)> {
    let (bytes, place) = match file {
        Some(path) if path == Path::new("-") => {
            let place = Path::new("standard input");
            let bytes = read_bounded(io::stdin().lock()).at("read", place)?;
            (bytes, String::from("from standard input"))
        }
        Some(path) => {
            let bytes = File::open(path).and_then(read_bounded).at("read", path)?;
            (bytes, format!("in {}", path.display()))
        }
        None => match std::env::var_os(secret.variable) {
            Some(value) => (
                Zeroizing::new(value.into_encoded_bytes()),
                format!("in {}", secret.variable),
            ),
            None => (secret.ask(secret.name)?, String::from("that was typed")),
        },
    };
    Ok((secret.check(bytes, &place)?, place))
}

/// As [`read_secret`] for a secret that is new: what is typed is asked for twice.
///
/// # Errors
/// As [`read_secret`]; [`ErrorKind::Refused`] when the two are not the same.
pub fn read_new_secret(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    let first = read_secret(secret, file)?;
    if file.is_some() || secret.is_set() {
        return Ok(first);
    }
    if secret.check(secret.ask("same again")?, "that was typed")? == first {
        return Ok(first);
    }
    let message = format!("the two {}s differ", secret.name);
    Err(Error::new(ErrorKind::Refused, message))
}

/// Whether others than its owner may read a file that holds a secret. What can't be looked at does
/// not count: reading it will tell.
#[must_use]
pub fn is_exposed(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    const OTHERS_READ: u32 = 0o004;
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.mode() & OTHERS_READ != 0)
}

/// Reads a little more than may be, so that too much is noticed. The buffer never grows: a
/// smaller one would be left behind in memory as it was.
fn read_bounded(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = MAX_KEY_SIZE + "\r\n".len() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * most));
    source.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Secret {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the environment holds it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        std::env::var_os(self.variable).is_some()
    }

    fn refused(&self, place: &str, why: &str) -> Error {
        let message = format!("the {} {place} {why}", self.name);
        Error::new(ErrorKind::Refused, message)
    }

    /// Drops one line end and refuses what can be no secret, though not an empty one; `place` says
    /// where it was.
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
            Err(_) => Err(refused("is no UTF-8 text")),
        }
    }

    /// Asks at the terminal, without echo, for what `prompt` calls it.
    fn ask(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>> {
        let nobody = || {
            let message = format!("a {} is needed and nobody is there to be asked", self.name);
            Error::new(ErrorKind::Confirmation, message).with_hint(format!(
                "give it by {} FILE, - for standard input, or in {}",
                self.option, self.variable
            ))
        };
        if !io::stdin().is_terminal() {
            return Err(nobody());
        }
        let _restored = RestoredBySignals::new();
        rpassword::prompt_password(format!("{prompt} (not shown): "))
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|_| nobody())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_dropped_and_what_can_be_no_secret_is_refused() {
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
