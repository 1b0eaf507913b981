//! `boltkey residue scrub`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::change::{changed, changed_meanwhile, ended};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::ui::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, Result};
use crate::finding::counted;
use crate::ops::commit::{SideFiles, sound_structure};
use crate::ops::residue::scrub::{Plan, plan};

/// Options of `residue scrub`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Free and leaked pages, bytes of live pages behind their records, the tree of the older meta page
and the end of the file: everything that no live record uses is overwritten. What a server hashed
can't be recovered from the file afterwards: boltkey residue recover --out FILE first.")]
pub struct ScrubArgs {}

/// Runs `residue scrub`.
///
/// # Errors
/// As the operation, and when the question is not answered with yes.
pub fn run(_: ScrubArgs, session: &Session) -> Result<Outcome> {
    let database = session.database()?;
    let named = |error: Error| error.about(database.path());
    if session.dry_run() {
        let store = session.open_metadata_at(&database)?;
        sound_structure(store.inspect()).map_err(named)?;
        let plan = plan(store.snapshot(), store.inspect()).map_err(named)?;
        drop(store);
        let side_files = SideFiles {
            keep_copy: session.keep_copy(),
            ..SideFiles::default()
        };
        side_files.could_be_made()?;
        session.ui().warn(&plan.unused.findings);
        let would = !plan.nothing_to_do();
        session
            .ui()
            .report(&Report::new(&plan, Some(would), true))?;
        return Ok(Outcome::Done);
    }
    session.may_write(&database)?;
    let mut asked = None;
    if !session.yes() {
        let store = session.open_metadata_at(&database)?;
        let first = plan(store.snapshot(), store.inspect()).map_err(named)?;
        drop(store);
        if !first.nothing_to_do() {
            let path = printable(&database.path().display().to_string());
            let last = first.unused.residue.matching.len() as u64;
            let warning = match last {
                0 => String::new(),
                1 => String::from("It shows the last copy of 1 hashed token, which is destroyed. "),
                n => {
                    format!("It shows the last copies of {n} hashed tokens, which are destroyed. ")
                }
            };
            let question = format!("{warning}Overwrite all unused parts of {path}?");
            confirm(false, &question)?;
        }
        asked = Some(first.numbers());
    }
    let mut store = session.open_writable(&database)?;
    let working = Bar::working(session.ui(), "scrubbing");
    let plan = plan(&store, &store).map_err(named)?;
    if asked.is_some_and(|numbers| numbers != plan.numbers()) {
        return Err(changed_meanwhile(&database));
    }
    let side_files = SideFiles {
        keep_copy: session.keep_copy(),
        ..SideFiles::default()
    };
    let committed = plan.apply(&mut store, &side_files)?;
    drop((store, working));
    session.ui().warn(&plan.unused.findings);
    let report = Report::new(&plan, changed(&committed), false);
    ended(session, session.ui().render(&report), committed)
}

/// What was overwritten, or would be; numbers of distinct tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    tokens: u64,
    matching: u64,
    unmatched: u64,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Report {
    fn new(plan: &Plan, changed: Option<bool>, dry_run: bool) -> Self {
        let residue = &plan.unused.residue;
        Self {
            tokens: plan.unused.tokens,
            matching: residue.matching.len() as u64,
            unmatched: residue.unmatched,
            changed,
            dry_run,
        }
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.changed == Some(false) {
            return writeln!(out, "nothing to do: unused parts of the file show nothing");
        }
        let (are, end) = match self.dry_run {
            true => ("would be", "; nothing was changed"),
            false => ("are", ""),
        };
        let text = format!(
            "unused parts of the file {are} overwritten, {} in them: {} of hashed tokens, {} \
             others{end}",
            counted(self.tokens, "plaintext token"),
            self.matching,
            self.unmatched,
        );
        write_wrapped(out, "", 2, &text)
    }
}
