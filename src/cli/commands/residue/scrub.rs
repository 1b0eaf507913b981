//! `boltkey residue scrub`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Next, View};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, unchanged};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::Fingerprint;
use crate::ops::commit::SideFiles;
use crate::ops::residue::missing::HashedTokens;
use crate::ops::residue::scrub::{Plan, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `residue scrub`.
#[derive(Debug, Args)]
#[command(after_help = "\
Overwrites everything that no live record uses: free and leaked pages, unused
bytes of live pages, the tree of the older meta page, and the end of the file.
Afterwards, hashed tokens can't be recovered from the file. Run boltkey residue
recover --out FILE first.")]
pub struct ScrubArgs {}

/// Runs `residue scrub`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(_: ScrubArgs, session: &Session) -> Result<Outcome> {
    change::run(Scrub, session)
}

struct Scrub;

impl ChangeCommand for Scrub {
    type Plan = Plan;
    /// The tokens that are overwritten.
    type Confirmed = Fingerprint;
    type Done = ();

    fn working(&self) -> Option<&'static str> {
        Some("scrubbing")
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, store.inspect)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.nothing_to_do() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, database: &str) -> Result<Option<String>> {
        let warning = match plan.unused.residue.matching.len() {
            0 => String::new(),
            1 => {
                String::from("It holds the last copy of 1 hashed token, which will be destroyed. ")
            }
            n => {
                format!("It holds the last copies of {n} hashed tokens, which will be destroyed. ")
            }
        };
        Ok(Some(format!(
            "{warning}Overwrite all unused parts of {database}?"
        )))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Fingerprint> {
        Ok(plan.unused.residue.fingerprint())
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files)?, ()))
    }

    fn report(
        &self,
        session: &Session,
        plan: &Plan,
        ending: &Ending<'_, ()>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        session.ui().warn(&plan.unused.findings);
        let report = Report::new(plan, ending.changed, ending.dry_run);
        session.ui().render(&report)
    }
}

/// The report of `residue scrub`. Counts distinct tokens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Distinct tokens in unused parts of the file.
    tokens: u64,
    /// Those of them that are tokens of this store.
    matching: u64,
    /// Those of them that match nothing in this store.
    unmatched: u64,
    #[serde(flatten)]
    hashed: HashedTokens,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
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
            hashed: plan.hashed.clone(),
            changed,
            dry_run,
        }
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.changed == Some(false) {
            return writeln!(
                out,
                "nothing to do: unused parts of the file contain no data"
            );
        }
        let (overwritten, end) = match self.dry_run {
            true => ("would be overwritten; they contain", unchanged(true)),
            false => ("were overwritten; they contained", ""),
        };
        let text = format!(
            "unused parts of the file {overwritten} {}: {} of hashed tokens, {} others{end}",
            counted(self.tokens, "plaintext token"),
            self.matching,
            self.unmatched,
        );
        write_wrapped(out, "", 2, &text)
    }
}
