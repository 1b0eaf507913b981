//! The options that encrypt what is written, and open what was.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::error::{IoContext, Result};
use crate::ops::capture::read::Unseal;
use crate::ops::capture::seal::Seal;
use crate::secret::Token;

/// How an output is encrypted.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Encrypt in age's format for the holder of this key (age1…); may be repeated
    #[arg(
        long = "recipient",
        value_name = "AGE-KEY",
        conflicts_with = "passphrase_file"
    )]
    recipients: Vec<String>,
    /// Encrypt in age's format with the passphrase in this file, or from standard input for -;
    /// `BOLTKEY_PASSPHRASE` does the same
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl SealArgs {
    /// Whether any of them is there.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !self.recipients.is_empty() || self.passphrase_file.is_some()
    }

    /// Asks for what is needed.
    ///
    /// # Errors
    /// As [`read_secret`] and [`Seal::for_recipients`].
    pub fn seal(&self) -> Result<Seal> {
        Ok(self.seal_and_unseal(None)?.0)
    }

    /// The same, and what opens an output that was encrypted so; `identity` is the file with the
    /// key of one of the recipients.
    ///
    /// # Errors
    /// As [`Self::seal`], and when `identity` can't be read.
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

/// The passphrase, if one is given by file or in the environment; it is never asked for.
///
/// # Errors
/// As [`read_secret`].
pub fn passphrase(file: Option<&Path>) -> Result<Option<Token>> {
    if file.is_none() && !Secret::PASSPHRASE.is_set() {
        return Ok(None);
    }
    read_secret(&Secret::PASSPHRASE, file).map(Some)
}

/// What opens encrypted captures.
///
/// # Errors
/// When the file with the identity can't be read, or holds none.
pub fn unseal(identity: Option<&Path>, passphrase: Option<&Token>) -> Result<Unseal> {
    let mut unseal = Unseal::default();
    if let Some(path) = identity {
        let file = File::open(path).at("open", path)?;
        unseal.add_identities(file, &path.display().to_string())?;
    }
    if let Some(passphrase) = passphrase {
        unseal.add_passphrase(passphrase);
    }
    Ok(unseal)
}
