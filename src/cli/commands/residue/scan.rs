//! `boltkey residue scan`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::commands::residue::files::FilesArgs;
use crate::cli::commands::residue::missing::NotFound;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::Human;
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
struct Report {
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    missing: NotFound,
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = &self.counts;
        writeln!(
            out,
            "{} {} still readable: {} of hashed tokens in this store, {} unrelated",
            counted(counts.tokens, "plaintext token"),
            if counts.tokens == 1 { "is" } else { "are" },
            counts.matching,
            counts.unmatched
        )?;
        if counts.matching > 0 {
            writeln!(
                out,
                "boltkey residue recover --out FILE recovers the {}",
                counts.matching
            )?;
        }
        self.missing.write(false, out)
    }
}
