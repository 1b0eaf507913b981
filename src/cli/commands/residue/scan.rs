//! `boltkey residue scan`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::commands::residue::files::FilesArgs;
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
        let tokens = counted(self.tokens, "plaintext token");
        let are = if self.tokens == 1 { "is" } else { "are" };
        if self.matching.hidden {
            let matching = match self.matching.readable {
                0 => String::from("how many are of this store is unknown"),
                _ => format!(
                    "{} of this store, the others of unknown origin",
                    self.matching
                ),
            };
            let text =
                format!("{tokens} {are} still readable: {matching}, because damage hides records");
            write_wrapped(out, "", 2, &text)?;
        } else {
            let of = match self.damaged {
                // Their records can't be read, so how they were stored is unknown.
                true => "of tokens of this store",
                false => "of hashed tokens in this store",
            };
            writeln!(
                out,
                "{tokens} {are} still readable: {} {of}, {} unrelated",
                self.matching, self.unmatched
            )?;
        }
        if self.matching.readable > 0 {
            writeln!(
                out,
                "boltkey residue recover --out FILE recovers the {}",
                self.matching.readable
            )?;
        }
        Ok(())
    }
}
