//! `boltkey residue scan`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::commands::residue::files::FilesArgs;
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

impl Human for Counts {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} {} still readable: {} of hashed tokens in this store, {} unrelated",
            counted(self.tokens, "plaintext token"),
            if self.tokens == 1 { "is" } else { "are" },
            self.matching,
            self.unmatched
        )?;
        if self.matching > 0 {
            writeln!(
                out,
                "boltkey residue recover --out FILE recovers the {}",
                self.matching
            )?;
        }
        Ok(())
    }
}
