//! Encryption of outputs in age's format, readable with age and rage.

use std::io::Write;

use age::secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};
use crate::secret::Token;

/// Encryption of an output.
#[derive(Default)]
pub enum Seal {
    /// Not encrypted.
    #[default]
    Open,
    /// For these public keys.
    Recipients(Vec<age::x25519::Recipient>),
    /// With a passphrase.
    Passphrase(Token),
}

impl Seal {
    /// For these public keys, each `age1…`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when one is not a valid key.
    pub fn for_recipients<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parse = |key: &str| {
            key.parse().map_err(|why: &str| {
                // Anything else may be a secret that was put here by mistake.
                let message = if key.starts_with("age1") {
                    format!("{key:?} is not an age recipient: {why}")
                } else if key.to_ascii_uppercase().contains("SECRET-KEY") {
                    String::from(
                        "the recipient is an identity, which is secret: it is in the shell's \
                         history now, so create a new one",
                    )
                } else {
                    String::from("that is not an age recipient")
                };
                Error::new(ErrorKind::Usage, message).with_hint(
                    "recipients begin with age1; age-keygen prints one when it creates an \
                     identity",
                )
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

    /// Calls `write` with a writer that encrypts to `out`.
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
