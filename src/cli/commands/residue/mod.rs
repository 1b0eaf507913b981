//! `boltkey residue`: scan and recover; scrub has a file of its own.

mod scrub;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::commands::capture::OutArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::finding::counted;
use crate::ops::residue::{Counts, Options, recover, scan};

/// The subcommands of `residue`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count plaintext tokens that the store no longer holds but the file still shows
    Scan(ScanArgs),
    /// Get back the plaintext of hashed tokens, wherever the file still shows it
    Recover(RecoverArgs),
    /// Overwrite what unused parts of the file still show
    Scrub(crate::cli::commands::residue::scrub::ScrubArgs),
}

/// Other places to look.
#[derive(Debug, Args)]
pub struct FilesArgs {
    /// Look into these files too: old backups (gzipped or not), .pre-…-upgrade.backup copies, the
    /// influx CLI's configs, anything that may show a token
    #[arg(long, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl FilesArgs {
    /// Those that were named.
    pub fn paths(&self) -> &[PathBuf] {
        &self.files
    }

    fn options(self, session: &Session) -> Options {
        Options {
            files: self.files,
            open: session.open_options(),
        }
    }
}

/// Options of `residue scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    files: FilesArgs,
}

/// Options of `residue recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    files: FilesArgs,
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation, and when an output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Scan(args) => run_scan(args, session),
        Command::Recover(args) => run_recover(args, session),
        Command::Scrub(args) => crate::cli::commands::residue::scrub::run(args, session),
    }
}

fn run_scan(args: ScanArgs, session: &Session) -> Result<Outcome> {
    let options = args.files.options(session);
    let store = session.open()?;
    let (counts, findings) = scan(&store, &options)?;
    drop(store);
    session.ui().warn(&findings);
    session.ui().report(&counts)?;
    Ok(if counts.tokens == 0 {
        Outcome::Done
    } else {
        Outcome::No
    })
}

/// What `residue recover` did.
#[derive(Serialize)]
struct Recovery {
    #[serde(flatten)]
    counts: Counts,
    /// Tokens written out: those that match, and those that stand in other live records.
    recovered: usize,
    /// None when there was nothing to write.
    out: Option<String>,
    encrypted: bool,
    #[serde(rename = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

fn run_recover(args: RecoverArgs, session: &Session) -> Result<Outcome> {
    let options = args.files.options(session);
    let output = args.out.open(session)?;
    let store = session.open_metadata()?;
    let recovered = recover(&store, &options)?;
    drop(store);
    session.ui().warn(&recovered.findings);
    let nothing = recovered.tokens.is_empty();
    let report = Recovery {
        counts: recovered.counts,
        recovered: recovered.tokens.len(),
        out: (!nothing).then(|| args.out.out.display().to_string()),
        encrypted: output.is_sealed(),
        dry_run: session.dry_run(),
    };
    let to_stdout = output.is_stdout();
    // A file without tokens would only look like a success.
    if to_stdout || !nothing {
        output.write(&recovered.tokens)?;
    }
    if to_stdout {
        session.ui().status(&report.sentence());
    } else {
        session.ui().report(&report)?;
    }
    Ok(Outcome::Done)
}

impl Human for Counts {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} {} still readable: {} of hashed tokens of this store, {} that {} nothing in it",
            counted(self.tokens, "plaintext token"),
            if self.tokens == 1 { "is" } else { "are" },
            self.matching,
            self.unmatched,
            if self.unmatched == 1 {
                "matches"
            } else {
                "match"
            }
        )?;
        if self.matching > 0 {
            writeln!(
                out,
                "boltkey residue recover --out FILE gets the {} back",
                self.matching
            )?;
        }
        Ok(())
    }
}

impl Recovery {
    fn sentence(&self) -> String {
        let unmatched = self.counts.unmatched;
        let verb = if unmatched == 1 { "matches" } else { "match" };
        match &self.out {
            None => format!(
                "nothing to recover; {} {verb} nothing in this store",
                counted(unmatched, "candidate")
            ),
            Some(out) => format!(
                "{} {} to {}{}; {} {verb} nothing in this store{}",
                if self.dry_run {
                    "would recover"
                } else {
                    "recovered"
                },
                counted(self.recovered as u64, "token"),
                printable(out),
                if self.encrypted { ", encrypted" } else { "" },
                counted(unmatched, "more candidate"),
                if self.dry_run {
                    "; nothing was written"
                } else {
                    ""
                },
            ),
        }
    }
}

impl Human for Recovery {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.sentence())
    }
}
