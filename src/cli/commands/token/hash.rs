//! `boltkey token hash`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::error::Result;
use crate::metadata::Variant;
use crate::ops::token::hash::hash;

/// Options of `token hash`.
#[derive(Debug, Args)]
pub struct HashArgs {
    /// Hash function; influxd uses sha256
    #[arg(long, value_name = "VARIANT", default_value = "sha256")]
    variant: VariantArg,
    /// File with the token (- for standard input) [default: `BOLTKEY_TOKEN`, otherwise prompt]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// The hash functions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum VariantArg {
    Sha256,
    Sha512,
}

impl From<VariantArg> for Variant {
    fn from(variant: VariantArg) -> Self {
        match variant {
            VariantArg::Sha256 => Self::Sha256,
            VariantArg::Sha512 => Self::Sha512,
        }
    }
}

/// Runs `token hash`.
///
/// # Errors
/// When the token can't be read, or standard output can't be written.
pub fn run(args: &HashArgs, session: &Session) -> Result<Outcome> {
    let token = read_secret(&Secret::TOKEN, args.token_file.as_deref())?;
    let variant = args.variant.into();
    session.ui().report(&Hashed {
        hash: hash(&token, variant),
        variant,
    })?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hashed {
    /// The hash, as InfluxDB stores it.
    hash: String,
    /// The hash function.
    variant: Variant,
}

impl Human for Hashed {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.hash)
    }
}
