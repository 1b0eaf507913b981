//! Files of the engine folder that were not read completely.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::terminal::report::printable;
use crate::cli::terminal::wrap::write_wrapped;
use crate::ops::files::engine_folder::Flaws;

/// Such files, as reports have them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UnreadFiles<'a> {
    /// The first ones.
    pub unread: Vec<UnreadFile<'a>>,
    /// The number of the others.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_unread: u64,
}

/// One of them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UnreadFile<'a> {
    /// Its path.
    pub path: String,
    /// Why it was not read, or not completely.
    pub reason: &'a str,
}

impl<'a> From<&'a Flaws> for UnreadFiles<'a> {
    fn from(flaws: &'a Flaws) -> Self {
        let files = flaws.listed.iter().map(|flaw| UnreadFile {
            path: flaw.path.display().to_string(),
            reason: &flaw.reason,
        });
        Self {
            unread: files.collect(),
            more_unread: flaws.more,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // for serde
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl UnreadFiles<'_> {
    /// Writes them below a report.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.unread.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nFiles that were not read completely:")?;
        for UnreadFile { path, reason } in &self.unread {
            let text = format!("{}: {}", printable(path), printable(reason));
            write_wrapped(out, "  ", 4, &text)?;
        }
        if self.more_unread > 0 {
            writeln!(out, "  and {} more", self.more_unread)?;
        }
        Ok(())
    }
}
