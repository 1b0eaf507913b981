//! `boltkey auth show`.

use std::io::{self, Write};

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::commands::login_line::{write_has, write_none_of_legacy};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{write_auth_details, write_permissions};
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::report::{Human, printable};
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::show::{Other, Shown, show};

/// Options of `auth show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// ID of the authorization, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// Show the token if it is stored in plaintext
    #[arg(long)]
    reveal: bool,
}

/// Runs `auth show`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &ShowArgs, session: &Session) -> Result<Outcome> {
    if args.reveal {
        closed_stdout::ensure_open()?;
    }
    let store = session.open_metadata()?;
    let mut rendered = Ok(Zeroizing::new(Vec::new()));
    let skipped = show(store.snapshot(), args.id, args.reveal, |shown| {
        rendered = session.ui().render(shown);
    })?;
    drop(store);
    session.ui().warn(&skipped);
    session.ui().print([&rendered?])?;
    Ok(Outcome::Done)
}

impl Human for Shown<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_auth_details(&self.entry, false, out)?;
        if let Some(hint) = &self.hint {
            writeln!(out, "Next step:    {}", printable(hint))?;
        }
        write_permissions(&self.entry.permissions, out)?;
        match self.entry.has_password {
            Some(_) => write_none_of_legacy(out)?,
            None => write_has(self.login, out)?,
        }
        if self.orphaned {
            writeln!(
                out,
                "Visible to: no token; the server answers 404 because the user or organization \
                 was deleted"
            )?;
            return write_others("Deletable by", &self.changeable_by, out);
        }
        write_others("Visible to", &self.visible_to, out)?;
        write_others("Changeable by", &self.changeable_by, out)
    }
}

fn write_others(title: &str, others: &[Other], out: &mut dyn Write) -> io::Result<()> {
    if others.is_empty() {
        return writeln!(out, "{title}: no other token");
    }
    writeln!(out, "{title}:")?;
    for other in others {
        let inactive = if other.active { "" } else { "  (inactive)" };
        let description = printable(&other.description);
        writeln!(out, "  {}  {description}{inactive}", other.id)?;
    }
    Ok(())
}
