//! Options for encrypted output and input.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::error::Result;
use crate::ops::capture::seal::Seal;
use crate::ops::capture::unseal::Unseal;
use crate::ops::files::named_input::open_input;
use crate::secret::Token;

/// Encryption options.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Encrypt with age for this public key (age1…); may be repeated
    #[arg(
        long = "recipient",
        value_name = "AGE-KEY",
        conflicts_with = "passphrase_file"
    )]
    recipients: Vec<String>,
    /// Encrypt with age and the passphrase in this file (- for standard input) [env:
    /// `BOLTKEY_PASSPHRASE`]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl SealArgs {
    /// Whether encryption is requested.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.recipients.is_empty() || self.passphrase_file.is_some()
    }

    /// Reads the passphrase if needed and returns the encryption.
    ///
    /// # Errors
    /// The errors of [`read_secret`] and [`Seal::for_recipients`].
    pub fn seal(&self) -> Result<Seal> {
        Ok(self.seal_and_unseal(None)?.0)
    }

    /// Returns the encryption and the matching decryption. `identity` is the file with the private
    /// key of a recipient.
    ///
    /// # Errors
    /// The errors of [`Self::seal`], and an error when `identity` can't be read.
    pub fn seal_and_unseal(&self, identity: Option<&Path>) -> Result<(Seal, Unseal)> {
        let passphrase = passphrase(self.passphrase_file.as_deref())?;
        let unseal = unseal(identity, passphrase.as_ref())?;
        let seal = match passphrase {
            _ if !self.recipients.is_empty() => {
                Seal::for_recipients(self.recipients.iter().map(String::as_str))?
            }
            Some(passphrase) => Seal::Passphrase(passphrase),
            None => Seal::Open,
        };
        Ok((seal, unseal))
    }
}

/// The key of an encrypted capture.
#[derive(Debug, Args)]
pub struct UnsealArgs {
    /// age private key file (from age-keygen) for an encrypted capture
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// File with the passphrase of an encrypted capture (- for standard input) [env:
    /// `BOLTKEY_PASSPHRASE`]
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The passphrase from the file or the environment, without a prompt.
///
/// # Errors
/// The errors of [`read_secret`].
pub fn passphrase(file: Option<&Path>) -> Result<Option<Token>> {
    if file.is_none() && !Secret::PASSPHRASE.is_set() {
        return Ok(None);
    }
    read_secret(&Secret::PASSPHRASE, file).map(Some)
}

/// The decryption for captures.
///
/// # Errors
/// When the identity file can't be read or contains no identity.
pub fn unseal(identity: Option<&Path>, passphrase: Option<&Token>) -> Result<Unseal> {
    let mut unseal = Unseal::default();
    if let Some(path) = identity {
        let file = open_input(path)?;
        unseal.add_identities(file, &path.display().to_string())?;
    }
    if let Some(passphrase) = passphrase {
        unseal.add_passphrase(passphrase);
    }
    Ok(unseal)
}
