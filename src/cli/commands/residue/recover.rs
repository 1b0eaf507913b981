//! `boltkey residue recover`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::commands::capture::OutArgs;
use crate::cli::commands::residue::files::FilesArgs;
use crate::cli::commands::residue::missing::NotFound;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::ops::residue::recover::recover;
use crate::ops::residue::scan::Counts;

/// Options of `residue recover`.
#[derive(Debug, Args)]
pub struct RecoverArgs {
    #[command(flatten)]
    out: OutArgs,
    #[command(flatten)]
    files: FilesArgs,
}

/// The report of `residue recover`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Recovery {
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    missing: NotFound,
    /// Exported tokens: those that match a hash, and those in other live records.
    recovered: usize,
    /// None when there was nothing to write.
    out: Option<String>,
    /// Whether the file is encrypted with age.
    encrypted: bool,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(rename = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Runs `residue recover`.
///
/// # Errors
/// The errors of the operation, and an error when an output can't be written.
pub fn run(args: RecoverArgs, session: &Session) -> Result<Outcome> {
    let options = args.files.options(session);
    let output = args.out.open(session)?;
    let store = session.open_damaged()?;
    let recovered = recover(&store, &options)?;
    if recovered.tokens.is_empty() {
        // If damage hides all records, an empty result would be wrong.
        session.is_readable(&store)?;
    }
    session.ui().warn(&recovered.findings);
    if !recovered.counts.incomplete.is_empty() {
        session.tell_of_previous(&store, recovered.tokens.len())?;
    }
    let path = store.description().path.clone();
    drop(store);
    let missing = NotFound::of(recovered.hashed, &recovered.known, &path, &options.files);
    let nothing = recovered.tokens.is_empty();
    let report = Recovery {
        counts: recovered.counts,
        missing,
        recovered: recovered.tokens.len(),
        out: (!nothing).then(|| args.out.path().display().to_string()),
        encrypted: output.is_sealed(),
        dry_run: session.dry_run(),
    };
    let to_stdout = output.is_stdout();
    // An empty output file would look like success.
    if to_stdout || !nothing {
        output.write(&recovered.tokens)?;
    }
    if to_stdout {
        let mut text = Vec::new();
        report
            .write(&mut text)
            .map_err(|cause| Error::new(ErrorKind::Io, cause.to_string()))?;
        for line in String::from_utf8_lossy(&text).lines() {
            session.ui().status(line);
        }
    } else {
        session.ui().report(&report)?;
    }
    if nothing && !session.dry_run() {
        session
            .ui()
            .status("boltkey capture writes out tokens that are stored in plaintext");
    }
    Ok(Outcome::Done)
}

impl Recovery {
    fn sentence(&self) -> String {
        let unmatched = &self.counts.unmatched;
        let ignored = match unmatched.hidden {
            true => format!(
                "{} ignored, which may be of this store or not",
                counted(unmatched.readable, "token-like value")
            ),
            false => format!(
                "{} ignored",
                counted(unmatched.readable, "unrelated token-like value")
            ),
        };
        match &self.out {
            None => format!("nothing to recover; {ignored}{}", self.hidden()),
            Some(out) => format!(
                "{} {} to {}{}; {ignored}{}{}",
                if self.dry_run {
                    "would recover"
                } else {
                    "recovered"
                },
                counted(self.recovered as u64, "token"),
                printable(out),
                if self.encrypted { ", encrypted" } else { "" },
                self.hidden(),
                if self.dry_run {
                    "; nothing was written"
                } else {
                    ""
                },
            ),
        }
    }
}

impl Recovery {
    fn hidden(&self) -> &'static str {
        match self.counts.incomplete.is_empty() {
            true => "",
            false => "; there may be more, because damage hides records",
        }
    }
}

impl Human for Recovery {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.sentence())?;
        self.missing.write(true, out)
    }
}
