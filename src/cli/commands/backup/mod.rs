//! `boltkey backup`: export, inspect, restore and token.

pub mod export;
pub mod inspect;
pub mod restore;
pub mod token;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::secret_input::{Secret, read_secret_or_empty};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::backup::source::{Backup, From};
use crate::secret::Token;

/// The subcommands of `backup`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Back up all metadata (tokens, users, organizations, ...) without needing a token
    Export(export::ExportArgs),
    /// Show the contents of a backup, whether it is complete, and its operator tokens
    Inspect(inspect::InspectArgs),
    /// Restore a backup after verifying the operator token
    Restore(restore::RestoreArgs),
    /// Copy a backup and add an operator token, so that influx restore --full works
    Token(token::TokenArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when an output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Export(args) => export::run(&args, session),
        Command::Inspect(args) => inspect::run(args, session),
        Command::Restore(args) => restore::run(args, session),
        Command::Token(args) => token::run(&args, session),
    }
}

/// The operator token of a backup.
#[derive(Debug, Args)]
struct OperatorTokenArgs {
    /// File with an operator token of the backup (- for standard input) [env:
    /// `BOLTKEY_OPERATOR_TOKEN`]
    #[arg(long, value_name = "FILE", conflicts_with = "operator_token")]
    operator_token_file: Option<PathBuf>,
    /// Operator token as an argument, as in influx restore. Prefer a file: other users of this
    /// host can see arguments, and the shell history stores them
    #[arg(long, value_name = "TOKEN", value_parser = parse_token, allow_hyphen_values = true)]
    operator_token: Option<Shown>,
}

/// A token passed as an argument.
#[derive(Clone)]
struct Shown(Token);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

fn parse_token(text: &str) -> Result<Shown, String> {
    Ok(Shown(Token::new(text.to_owned())))
}

impl OperatorTokenArgs {
    /// Refuses to read both the backup and the token from standard input.
    fn beside(&self, backup: &Path) -> Result<()> {
        let stdin = Path::new("-");
        if backup == stdin && self.operator_token_file.as_deref() == Some(stdin) {
            return Err(Error::new(
                ErrorKind::Usage,
                "the backup and the operator token can't both be read from standard input",
            )
            .with_hint("use a file for one of them"));
        }
        Ok(())
    }

    /// The token, if given. An empty token opens nothing.
    fn given(&self) -> Result<Option<Token>> {
        match (&self.operator_token, &self.operator_token_file) {
            (Some(token), _) => Ok(Some(token.0.clone())),
            (None, Some(file)) => {
                read_secret_or_empty(&Secret::OPERATOR_TOKEN, Some(file)).map(Some)
            }
            (None, None) if Secret::OPERATOR_TOKEN.is_set() => {
                read_secret_or_empty(&Secret::OPERATOR_TOKEN, None).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

impl OperatorTokenArgs {
    /// Prompts for the token.
    fn ask() -> Result<Token> {
        read_secret_or_empty(&Secret::OPERATOR_TOKEN, None).map_err(|error| {
            if error.kind() == ErrorKind::Confirmation {
                error.with_hint(
                    "use --operator-token-file FILE (- for standard input), \
                     BOLTKEY_OPERATOR_TOKEN, or --new-operator to create a new token",
                )
            } else {
                error
            }
        })
    }
}

/// Opens the backup at `path`, or on standard input.
fn open(path: &Path, scratch: Option<&Path>) -> Result<Backup> {
    if path == Path::new("-") {
        let mut stdin = io::stdin().lock();
        let stdin: &mut dyn Read = &mut stdin;
        return Backup::open(From::Stream(stdin, Path::new("standard input")), scratch);
    }
    Backup::open(From::Path(path), scratch)
}
