//! What `residue scan` and `residue recover` say of the hashed tokens that were not found.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::terminal::report::printable;
use crate::cli::terminal::wrap::write_wrapped;
use crate::finding::counted;
use crate::metadata::residue::Known;
use crate::ops::residue::holders::{Holder, beside};
use crate::ops::residue::missing::HashedTokens;

/// The most tokens that the text lists; JSON lists all.
const MOST: usize = 50;

/// The hashed tokens that were not found, and files that may have them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotFound {
    #[serde(flatten)]
    hashed: HashedTokens,
    /// Files beside the database that have missing tokens, or may have some.
    siblings: Vec<Holder>,
}

impl NotFound {
    /// Searches the files beside the database, except those that were `searched` already. Needs no
    /// lock.
    pub fn of(hashed: HashedTokens, known: &Known, database: &Path, searched: &[PathBuf]) -> Self {
        let siblings = beside(database, known, hashed.known_missing(), searched);
        Self { hashed, siblings }
    }

    /// Whether no token is known to be missing.
    pub fn is_empty(&self) -> bool {
        self.hashed.known_missing().is_empty()
    }

    /// Writes the number of tokens, with the `list` of them, the files, and the next step.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn write(&self, list: bool, out: &mut dyn Write) -> io::Result<()> {
        let missing = self.hashed.known_missing();
        let number = counted(missing.len() as u64, "hashed token");
        match self.hashed.hashed {
            None => {
                let at_least = match missing.is_empty() {
                    true => String::new(),
                    false => format!("; at least {number}"),
                };
                let text = format!(
                    "damage may hide hashed tokens, so it is unknown how many were not \
                     found{at_least}"
                );
                write_wrapped(out, "", 2, &text)?;
            }
            Some(_) if missing.is_empty() => return Ok(()),
            Some(all) => {
                let verb = if missing.len() == 1 { "was" } else { "were" };
                let text = format!("{number} of {all} in the store {verb} not found");
                write_wrapped(out, "", 2, &text)?;
            }
        }
        let listed = if list { MOST } else { 0 };
        for token in missing.iter().take(listed) {
            writeln!(out, "  {}  {}", token.id, printable(&token.description))?;
        }
        if list && missing.len() > MOST {
            writeln!(out, "  and {} more; --json lists all", missing.len() - MOST)?;
        }
        self.write_siblings(out)
    }

    fn write_siblings(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        for sibling in &self.siblings {
            let path = printable(&sibling.path.display().to_string());
            let text = match (sibling.tokens, &sibling.because) {
                (Some(number), _) => format!("{path} has {number} of them"),
                (None, Some(why)) => format!("{path} may have them: {}", printable(why)),
                (None, None) => format!("{path} may have them"),
            };
            write_wrapped(out, "", 2, &text)?;
        }
        let with_tokens = self.siblings.iter().any(|s| s.tokens.is_some());
        let is_sealed = self.siblings.iter().any(|s| s.tokens.is_none());
        let text = match (with_tokens, is_sealed) {
            (true, _) => {
                "boltkey residue recover --files FILE --out FILE recovers them from such files"
            }
            (false, true) => {
                "decrypt or free such a file, then run boltkey residue recover --files FILE \
                 --out FILE"
            }
            (false, false) => {
                "boltkey residue recover --files FILE --out FILE also searches old backups, \
                 snapshots, and configurations of clients"
            }
        };
        write_wrapped(out, "", 2, text)
    }
}
