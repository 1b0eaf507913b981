//! `boltkey residue scan`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::commands::residue::files::FilesArgs;
use crate::cli::commands::residue::missing::NotFound;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::ops::residue::scan::{Counts, scan};

/// Options of `residue scan`.
#[derive(Debug, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    files: FilesArgs,
}

/// Runs `residue scan`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: ScanArgs, session: &Session) -> Result<Outcome> {
    let options = args.files.options(session);
    let store = session.open()?;
    let path = store.description().path.clone();
    let scanned = scan(&store, &options)?;
    drop(store);
    session.ui().warn(&scanned.findings);
    let report = Report {
        counts: scanned.counts,
        missing: NotFound::of(scanned.hashed, &scanned.known, &path, &options.files),
    };
    session.ui().report(&report)?;
    Ok(if report.counts.tokens == 0 {
        Outcome::Done
    } else {
        Outcome::No
    })
}

/// The report of `residue scan`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    missing: NotFound,
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = &self.counts;
        let tokens = counted(counts.tokens, "plaintext token");
        let are = if counts.tokens == 1 { "is" } else { "are" };
        if counts.matching.hidden {
            let matching = match counts.matching.readable {
                0 => String::from("how many are of this store is unknown"),
                _ => format!(
                    "{} of this store, the others of unknown origin",
                    counts.matching
                ),
            };
            let text =
                format!("{tokens} {are} still readable: {matching}, because damage hides records");
            write_wrapped(out, "", 2, &text)?;
        } else {
            let of = match counts.damaged {
                // Their records can't be read, so how they were stored is unknown.
                true => "of tokens of this store",
                false => "of hashed tokens in this store",
            };
            writeln!(
                out,
                "{tokens} {are} still readable: {} {of}, {} unrelated",
                counts.matching, counts.unmatched
            )?;
        }
        if counts.matching.readable > 0 {
            writeln!(
                out,
                "boltkey residue recover --out FILE recovers the {}",
                counts.matching.readable
            )?;
        }
        self.missing.write(false, out)
    }
}
