//! `boltkey user list`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::incomplete::write_incomplete;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::table::Table;
use crate::error::Result;
use crate::ops::user::list::{User, Users, list};

/// Options of `user list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs `user list`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let report = list(store.snapshot(), store.inspect())?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

/// Whether the user can sign in, in a few words.
fn login(user: &User) -> String {
    let because = user.because.as_deref();
    match user.signs_in {
        Some(true) => because.map_or_else(|| "yes".into(), |how| format!("yes: {how}")),
        Some(false) => format!("no: {}", because.unwrap_or_default()),
        None => format!("unknown: {}", because.unwrap_or_default()),
    }
}

impl Human for Users {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(
            &["ID", "Name", "Status", "Password", "Owner of", "Login"],
            true,
        );
        for user in &self.users {
            let mut owns: Vec<&str> = user
                .owns
                .iter()
                .map(|org| org.name.as_deref().unwrap_or("(deleted)"))
                .collect();
            if user.owns_instance == Some(true) {
                owns.push("(the whole instance)");
            }
            if user.owns.hidden {
                owns.push("(unknown)");
            }
            table.row([
                &user.id.to_string(),
                &user.name,
                &user.status,
                match user.has_password {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "unknown",
                },
                &owns.join(", "),
                &login(user),
            ]);
        }
        table.write(out)?;
        write_incomplete(self.users.len(), self.users.hidden, "user", out)
    }
}
