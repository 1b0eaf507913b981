//! `boltkey check`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::cli::terminal::style::{bad, caution, good};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::{Finding, Severity, counted};
use crate::ops::check::{Checked, check};
use crate::ops::previous::PreviousState;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check only the file structure, not the records; works on any Bolt file
    #[arg(long)]
    structure_only: bool,
}

/// Runs `check`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &CheckArgs, session: &Session) -> Result<Outcome> {
    let store = if args.structure_only {
        session.open()?
    } else {
        session.open_damaged()?
    };
    let report = check(&store, args.structure_only)?;
    drop(store);
    session.ui().report(&report)?;
    Ok(if report.ok {
        Outcome::Done
    } else {
        Outcome::No
    })
}

impl Human for Checked {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (structure, metadata): (Vec<&Finding>, Vec<&Finding>) = self
            .findings
            .iter()
            .partition(|finding| finding.code.is_structure());
        let pages = &self.pages;
        writeln!(
            out,
            "Structure: {} of {} bytes, {} free, {}, {}",
            counted(pages.allocated, "page"),
            pages.page_size,
            pages.free,
            counted(pages.buckets, "bucket"),
            counted(pages.keys, "key")
        )?;
        section(&structure, out)?;
        write_previous(&self.previous, out)?;
        if self.with_metadata {
            writeln!(out, "Metadata:")?;
            section(&metadata, out)?;
        }
        let count = |severity| {
            let found = self.findings.iter().filter(|f| f.severity == severity);
            found.count() as u64
        };
        let warnings = counted(count(Severity::Warning), "warning");
        if self.ok {
            writeln!(out, "{}: no errors, {warnings}", good("ok"))
        } else {
            let errors = counted(count(Severity::Error), "error");
            writeln!(
                out,
                "{}: {errors}, {warnings}; {NOTHING_CHANGED}",
                bad("NOT ok")
            )
        }
    }
}

/// Writes one line about the previous transaction.
pub(crate) fn write_previous(previous: &PreviousState, out: &mut dyn Write) -> io::Result<()> {
    let text = match (previous.readable, previous.tokens, &previous.why) {
        (true, Some(tokens), _) => {
            format!(
                "intact, {}; read it with --previous",
                counted(tokens, "token")
            )
        }
        (true, None, _) => String::from("intact; read it with --previous"),
        (false, _, Some(why)) => format!("can't be read: {}", printable(why)),
        (false, _, None) => String::from("can't be read"),
    };
    write_wrapped(out, "Previous:  ", 11, &text)
}

fn section(findings: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    if findings.is_empty() {
        return writeln!(out, "  nothing to report");
    }
    for finding in findings {
        write_finding(finding, out)?;
    }
    Ok(())
}

/// Writes one finding: severity, place and code, then message and hint on separate lines.
pub(crate) fn write_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let word = match finding.severity {
        Severity::Error => bad("ERROR"),
        Severity::Warning => caution("warning"),
        Severity::Info => String::from("info"),
    };
    writeln!(
        out,
        "  {word}: {}  [{}]",
        printable(&finding.place),
        finding.code
    )?;
    write_wrapped(out, "    ", 4, &printable(&finding.message))?;
    if let Some(hint) = &finding.hint {
        write_wrapped(out, "    ", 4, &printable(hint))?;
    }
    Ok(())
}
