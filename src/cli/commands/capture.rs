//! `boltkey capture`, and the output options for tokens.

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::commands::auth::filters::FilterArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::sealed_output::{SealedOutArgs, SealedOutput};
use crate::error::{Error, Result};
use crate::finding::counted;
use crate::ops::auth::list::Filters;
use crate::ops::capture::of_pages::{capture_pages, may_have_lost_metas};
use crate::ops::capture::{Captured, Format, capture, write};
use crate::ops::known::{List, incomplete};
use crate::ops::timestamp::Timestamp;
use crate::store::Store;

/// Output options for tokens.
#[derive(Debug, Args)]
pub struct OutArgs {
    #[command(flatten)]
    to: SealedOutArgs,
    /// Output format; in csv, an apostrophe precedes names and descriptions that a spreadsheet
    /// would run as a formula, never a token
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: FormatArg,
}

/// The output formats.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatArg {
    Json,
    Csv,
    Env,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Json => Self::Json,
            FormatArg::Csv => Self::Csv,
            FormatArg::Env => Self::Env,
        }
    }
}

/// An open output.
pub struct Output {
    to: SealedOutput,
    format: Format,
}

impl OutArgs {
    /// The path, or `-`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.to.out
    }

    /// Opens the output and reads the passphrase, before the lock is taken.
    ///
    /// # Errors
    /// As [`SealedOutArgs::open`].
    pub fn open(&self, session: &Session) -> Result<Output> {
        let hint = "write the tokens to a file with --out FILE; use --format json for JSON tokens";
        Ok(Output {
            to: self.to.open(session, hint)?,
            format: self.format.into(),
        })
    }
}

impl Output {
    /// Whether tokens are written to standard output. Then the report is not printed there.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        self.to.is_stdout()
    }

    /// Whether the tokens are encrypted.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.to.is_sealed()
    }

    /// Writes the tokens. The file gets its name when it is complete. Does nothing in a dry run.
    ///
    /// # Errors
    /// When the output can't be written. No file is left behind.
    pub fn write(self, tokens: &[Captured]) -> Result<()> {
        let format = self.format;
        self.to.write(|out| write(tokens, format, out))
    }
}

/// Options of `capture`.
#[derive(Debug, Args)]
pub struct CaptureArgs {
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    filters: FilterArgs,
}

/// The report of `capture`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    captured: usize,
    /// Whether the store may have more tokens, which damage hides.
    incomplete: Vec<&'static str>,
    out: String,
    encrypted: bool,
    changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Runs `capture`.
///
/// # Errors
/// The errors of the operation, and an error when the output can't be written.
pub fn run(args: CaptureArgs, session: &Session) -> Result<Outcome> {
    let output = args.out.open(session)?;
    let tokens = match session.open_damaged() {
        Ok(store) => of_store(store, args.filters.into(), session)?,
        Err(error) if may_have_lost_metas(&error) && !session.previous() => {
            of_pages(error, args.filters.into(), session)?
        }
        Err(error) => return Err(error),
    };
    let report = Report {
        captured: tokens.len(),
        incomplete: incomplete(&[("captured", tokens.hidden)]),
        out: args.out.path().display().to_string(),
        encrypted: output.is_sealed(),
        changed: false,
        dry_run: session.dry_run(),
    };
    let to_stdout = output.is_stdout();
    output.write(&tokens)?;
    let nothing = tokens.has_none();
    if to_stdout {
        session.ui().status(&report.sentence());
    } else {
        session.ui().report(&report)?;
    }
    if nothing && !session.dry_run() {
        session.ui().status(
            "hashed tokens have no plaintext to capture; boltkey residue recover writes out those \
             that unused parts of the file still contain",
        );
    }
    Ok(Outcome::Done)
}

fn of_store(store: Store, filters: Filters, session: &Session) -> Result<List<Captured>> {
    let (tokens, skipped) = capture(store.snapshot(), store.inspect(), filters)?;
    if tokens.is_empty() {
        // If damage hides all records, an empty result would be wrong.
        session.is_readable(&store)?;
    }
    session.ui().warn(&skipped);
    if tokens.hidden {
        session.tell_of_previous(&store, tokens.len())?;
    }
    Ok(tokens)
}

/// The tokens of a file that can't be opened, for the reason in `error`.
fn of_pages(error: Error, filters: Filters, session: &Session) -> Result<List<Captured>> {
    let database = session.database()?;
    let now = Timestamp::from(&Zoned::now());
    let open = session.open_options();
    let Ok(Some(tokens)) = capture_pages(database.path(), &open, filters, &now) else {
        return Err(error);
    };
    session.ui().warning(
        "both meta pages are lost, so the tokens are those that salvage finds on the other pages",
    );
    Ok(tokens)
}

impl Report {
    fn sentence(&self) -> String {
        let encrypted = if self.encrypted { ", encrypted" } else { "" };
        let out = printable(&self.out);
        let tokens = counted(self.captured as u64, "plaintext token");
        let more = match self.incomplete.is_empty() {
            true => "",
            false => "; there may be more, because damage hides records",
        };
        if self.dry_run {
            format!("would capture {tokens} to {out}{encrypted}{more}; nothing was written")
        } else {
            format!("captured {tokens} to {out}{encrypted}{more}")
        }
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.sentence())
    }
}
