//! `boltkey token generate`.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::report::Human;
use crate::error::Result;
use crate::ops::token::generate::generate;

/// Runs `token generate`.
///
/// # Errors
/// When the system provides no random bytes, or standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    closed_stdout::ensure_open()?;
    let token = generate()?;
    let ui = session.ui();
    let report = ui.render(&Generated {
        token: token.reveal(),
    })?;
    ui.deliver(&report)?;
    Ok(Outcome::Done)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Generated<'a> {
    /// The token.
    token: &'a str,
}

impl Human for Generated<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}
