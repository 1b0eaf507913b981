//! `boltkey auth verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{write_auth_details, write_permissions};
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::metadata::Can;
use crate::metadata::pasted_token::Form;
use crate::ops::auth::verify::{NOT_ALLOWED, Verified, verify};

/// Options of `auth verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
If the store does not know the token, the forms that people paste are tried:
with a line end, spaces, quotes or a byte order mark, with Token, Bearer or
NAME= in front, without \"==\", percent-encoded or in base64, and the ID of an
authorization. The answer names the form and what to change.

The answer is \"yes\" if /api/v2 accepts the token. Where the 1.x endpoints
(/query, /write) differ, the answer says so.")]
pub struct VerifyArgs {
    /// File with the token (- for standard input) [default: `BOLTKEY_TOKEN`, otherwise prompt]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Also check this permission, such as write, write:buckets or write:buckets/NAME
    #[arg(long, value_name = "ACTION[:TYPE[/NAME-OR-ID]]")]
    can: Option<Can>,
    /// Organization for names in --can [default: the organization of the token]
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
}

/// Runs `auth verify`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &VerifyArgs, session: &Session) -> Result<Outcome> {
    if args.token_file.is_none() && !Secret::TOKEN.is_set() {
        // Refuse before the prompt. The prompt comes without the lock.
        drop(session.open_metadata()?);
    }
    let token = read_secret(&Secret::TOKEN, args.token_file.as_deref())?;
    let store = session.open_metadata()?;
    let (rendered, yes) = verify(
        store.snapshot(),
        &token,
        args.can.as_ref(),
        args.org.as_deref(),
        |verified| (session.ui().render(verified), verified.is_yes()),
    )?;
    drop(store);
    session.ui().print([&rendered?])?;
    Ok(if yes { Outcome::Done } else { Outcome::No })
}

impl Human for Verified<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.authorization {
            Some(entry) if self.authenticates => {
                writeln!(out, "yes: the token authenticates as {}", entry.id)?;
            }
            Some(entry) if self.matched_as == Some(Form::Id) => {
                writeln!(out, "no: this is the ID of an authorization: {}", entry.id)?;
            }
            Some(entry) if self.matched_as.is_some() => {
                writeln!(out, "no: this is another form of the token of {}", entry.id)?;
            }
            Some(entry) => writeln!(out, "no: the token belongs to {} but is rejected", entry.id)?,
            None => writeln!(out, "no: the token is not in this store")?,
        }
        match self.allowed {
            Some(true) => writeln!(out, "yes: its permissions allow this")?,
            Some(false) => writeln!(out, "no: its permissions do not allow this")?,
            None => {}
        }
        let of_entry = match &self.authorization {
            Some(entry) => &entry.problems[..],
            None => &[],
        };
        // Skip reasons that the lines above or below already show.
        let told = |reason: &&String| of_entry.contains(reason) || *reason == NOT_ALLOWED;
        for reason in self.reasons.iter().filter(|reason| !told(reason)) {
            write_wrapped(out, "  - ", 4, &printable(reason))?;
        }
        if let Some(hint) = &self.hint {
            write_wrapped(out, "  ", 2, &printable(hint))?;
        }
        if let Some(entry) = &self.authorization {
            writeln!(out)?;
            write_auth_details(entry, false, out)?;
            if self.allowed == Some(false) {
                write_permissions(&entry.permissions, out)?;
            }
        }
        Ok(())
    }
}
