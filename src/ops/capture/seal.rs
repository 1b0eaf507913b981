//! Encryption of what is written, in age's format, so that any age or rage opens it.

use std::io::Write;

use age::secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// How an output is protected beyond its file mode.
#[derive(Default)]
pub enum Seal {
    /// Not at all.
    #[default]
    Open,
    /// For the holders of these keys.
    Recipients(Vec<age::x25519::Recipient>),
    /// By a passphrase.
    Passphrase(Token),
}

impl Seal {
    /// For the holders of these keys, `age1…` each.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when one is no such key.
    pub fn for_recipients<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parse = |key: &str| {
            key.parse().map_err(|why: &str| {
                let hint = "recipients begin with age1; age-keygen makes one with its identity";
                // What begins otherwise may be a secret that was put here by mistake.
                let message = if key.starts_with("age1") {
                    format!("{key:?} is no age recipient: {why}")
                } else if key.to_ascii_uppercase().contains("SECRET-KEY") {
                    String::from(
                        "what is given as a recipient is an identity, which is secret: it stands in \
                         the shell's history now, so use a new one",
                    )
                } else {
                    String::from("what is given as a recipient is no age recipient")
                };
                Error::new(ErrorKind::Usage, message).with_hint(hint)
            })
        };
        let keys: Result<Vec<_>> = keys.into_iter().map(parse).collect();
        Ok(Self::Recipients(keys?))
    }

    /// Whether the output is encrypted.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !matches!(self, Self::Open)
    }

    /// Lets `write` write to `out` through the seal.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when `out` can't be written; `what` names it.
    pub fn write(
        &self,
        out: &mut dyn Write,
        what: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<()> {
        let failed = |cause: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Io, format!("can't write {what}: {cause}"))
        };
        let encryptor = match self {
            Self::Open => return write(out).map_err(|cause| failed(&cause)),
            Self::Recipients(keys) => {
                let keys = keys.iter().map(|key| key as &dyn age::Recipient);
                age::Encryptor::with_recipients(keys).map_err(|cause| failed(&cause))?
            }
            Self::Passphrase(passphrase) => {
                let passphrase = SecretString::from(passphrase.reveal().to_owned());
                age::Encryptor::with_user_passphrase(passphrase)
            }
        };
        let sealed = encryptor.wrap_output(out).and_then(|mut sealed| {
            write(&mut sealed)?;
            sealed.finish()?.flush()
        });
        sealed.map_err(|cause| failed(&cause))
    }
}
