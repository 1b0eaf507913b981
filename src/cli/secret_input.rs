//! Secrets come in by file, standard input, environment or prompt, never as an argument.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::secret::Token;

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
    /// The passphrase of an encrypted capture.
    pub const PASSPHRASE: Self = Self {
        name: "passphrase",
        option: "--passphrase-file",
        variable: "BOLTKEY_PASSPHRASE",
    };
}

/// No token can be longer: Bolt's keys end there.
const LONGEST: u64 = 32 << 10;

/// Reads a secret: from `file` (standard input for `-`), else from its environment variable,
/// else from the terminal without echo. One LF or CRLF at the end is dropped.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when it would have to be asked for and there is no terminal;
/// [`ErrorKind::Refused`] when it is empty, too long, or no UTF-8.
pub fn read_secret(secret: &Secret, file: Option<&Path>) -> Result<Token> {
    let text = match file {
        Some(path) if path == Path::new("-") => {
            read_bounded(secret, io::stdin().lock(), Path::new("standard input"))?
        }
        Some(path) => {
            let file = File::open(path).at("open", path)?;
            read_bounded(secret, file, path)?
        }
        None => match std::env::var(secret.variable) {
            Ok(text) => Zeroizing::new(text),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(refused(secret, "is no UTF-8 text"));
            }
            Err(std::env::VarError::NotPresent) => prompt(secret)?,
        },
    };
    let text = text
        .strip_suffix("\r\n")
        .or_else(|| text.strip_suffix('\n'))
        .unwrap_or(&text);
    if text.is_empty() {
        return Err(refused(secret, "is empty"));
    }
    Ok(Token::new(text.to_owned()))
}

fn read_bounded(secret: &Secret, source: impl Read, path: &Path) -> Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    source
        .take(LONGEST + 3)
        .read_to_end(&mut bytes)
        .at("read", path)?;
    if bytes.len() as u64 > LONGEST + 2 {
        return Err(refused(secret, "is longer than 32 KiB"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(refused(secret, "is no UTF-8 text")),
    }
}

fn prompt(secret: &Secret) -> Result<Zeroizing<String>> {
    let nobody = || {
        Error::new(
            ErrorKind::Confirmation,
            format!(
                "a {} is needed and nobody is there to be asked",
                secret.name
            ),
        )
        .with_hint(format!(
            "give it by {} FILE, or - for standard input",
            secret.option
        ))
    };
    if !io::stdin().is_terminal() {
        return Err(nobody());
    }
    rpassword::prompt_password(format!("{} (not shown): ", secret.name))
        .map(Zeroizing::new)
        .map_err(|_| nobody())
}

fn refused(secret: &Secret, why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("the {} {why}", secret.name))
}
