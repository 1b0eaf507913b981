//! `boltkey explain`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::Repair;
use crate::ops::explain::{Explanation, explain};

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Finding code, or error message of influxd, influx or bbolt
    #[arg(value_name = "CODE|TEXT", required = true)]
    asked: Vec<String>,
}

/// Runs `explain`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &ExplainArgs, session: &Session) -> Result<Outcome> {
    session.ui().report(&explain(&args.asked.join(" "))?)?;
    Ok(Outcome::Done)
}

impl Human for Explanation {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if let (Some(code), Some(severity)) = (self.code, self.severity) {
            writeln!(out, "{code}  ({})", severity.name())?;
        } else if let Some(text) = self.text {
            writeln!(out, "\"{text}\"")?;
        }
        write_wrapped(out, "", 0, self.meaning)?;
        write_wrapped(out, "", 0, self.cure)?;
        match self.repair.map(Repair::text) {
            None | Some("") => Ok(()),
            Some(text) => write_wrapped(out, "", 0, &format!("boltkey {text}")),
        }
    }
}
