//! `boltkey capture`, and the output options for tokens.

pub mod verify;

use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches, Subcommand, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::commands::auth::filters::FilterArgs;
use crate::cli::commands::capture::verify::VerifyArgs;
use crate::cli::exit::Outcome;
use crate::cli::reading::DATABASE;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::sealed_output::{SealedOutArgs, SealedOutput};
use crate::error::{Error, Result};
use crate::finding::counted;
use crate::ops::auth::list::Filters;
use crate::ops::capture::of_pages::{capture_pages, may_have_lost_metas};
use crate::ops::capture::{Format, TokenList, capture, write};
use crate::ops::known::incomplete;
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
    pub fn write(self, tokens: &TokenList) -> Result<()> {
        let format = self.format;
        self.to.write(|out| write(tokens.iter(), format, out))
    }
}

/// Whether this is a file that its group or all users can read. Pipes are not.
pub fn is_open_to_others(metadata: &Metadata) -> bool {
    const READ: u32 = 0o044;
    metadata.is_file() && metadata.mode() & READ != 0
}

/// `capture` itself, or its subcommand.
#[derive(Debug)]
pub enum CaptureArgs {
    /// `capture` without a subcommand.
    Write(Box<WriteArgs>),
    /// A subcommand.
    Command(Command),
}

/// The subcommand of `capture`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check that a capture opens and holds every token of the store
    Verify(VerifyArgs),
}

/// Options of `capture` without a subcommand.
#[derive(Debug, Args)]
pub struct WriteArgs {
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    filters: FilterArgs,
}

// The derived code would require `--out` with a subcommand too.
impl FromArgMatches for CaptureArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some(_) => {
                of_capture_alone(matches)?;
                Command::from_arg_matches(matches).map(Self::Command)
            }
            None => WriteArgs::from_arg_matches(matches).map(|args| Self::Write(Box::new(args))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Refuses options of `capture` before its subcommand. Global options are fine there. The parser's own
/// rule would refuse these too.
fn of_capture_alone(matches: &ArgMatches) -> Result<(), clap::Error> {
    let own = WriteArgs::augment_args(clap::Command::default());
    let own = own
        .get_arguments()
        .map(|argument| argument.get_id().as_str());
    let is_given = |name: &&str| {
        matches.try_contains_id(name).unwrap_or(false)
            && matches.value_source(name) == Some(ValueSource::CommandLine)
    };
    match own.chain([DATABASE]).find(is_given) {
        None => Ok(()),
        Some(name) => Err(clap::Error::raw(
            clap::error::ErrorKind::ArgumentConflict,
            match name {
                DATABASE => String::from("a subcommand can't follow DATABASE; use --db PATH"),
                name => format!(
                    "--{} can't be used with a subcommand",
                    name.replace('_', "-")
                ),
            },
        )),
    }
}

impl Args for CaptureArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        Command::augment_subcommands(WriteArgs::augment_args(command))
            .subcommand_required(false)
            .arg_required_else_help(false)
            .subcommand_negates_reqs(true)
            .disable_help_subcommand(true)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

/// The report of `capture`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Number of tokens in the file.
    captured: usize,
    /// The fields that lack what damage hides.
    incomplete: Vec<&'static str>,
    /// The file.
    out: String,
    /// Whether the file is encrypted with age.
    encrypted: bool,
    /// Always false: the database is only read.
    changed: bool,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Runs `capture` or its subcommand.
///
/// # Errors
/// The errors of the operation, and an error when the output can't be written.
pub fn run(args: CaptureArgs, session: &Session) -> Result<Outcome> {
    match args {
        CaptureArgs::Write(args) => write_out(*args, session),
        CaptureArgs::Command(Command::Verify(args)) => verify::run(&args, session),
    }
}

fn write_out(args: WriteArgs, session: &Session) -> Result<Outcome> {
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

fn of_store(store: Store, filters: Filters, session: &Session) -> Result<TokenList> {
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
fn of_pages(error: Error, filters: Filters, session: &Session) -> Result<TokenList> {
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
