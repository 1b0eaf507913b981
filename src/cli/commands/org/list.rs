//! `boltkey org list`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::incomplete::write_incomplete;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::table::Table;
use crate::error::Result;
use crate::ops::org::list::{Orgs, list};

/// Options of `org list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs `org list`.
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

impl Human for Orgs {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(&["ID", "Name", "Description", "Created"], true);
        for org in &self.orgs {
            table.row([
                &org.id.to_string(),
                &org.name,
                &org.description,
                &org.created_at,
            ]);
        }
        table.write(out)?;
        write_incomplete(self.orgs.len(), self.orgs.hidden, "organization", out)
    }
}
