//! `boltkey downgrade`: its subcommands, and apply.

mod check;
mod prepare;
mod target;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::change::{changed, ended};
use crate::cli::commands::downgrade::check::{
    CHECK_HELP, CheckArgs, write_losses, write_steps, write_warnings,
};
use crate::cli::commands::downgrade::prepare::PrepareArgs;
use crate::cli::commands::downgrade::target::ToArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::ui::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::ops::commit::{SideFiles, sound_structure};
use crate::ops::downgrade::apply::{Applied, Plan, Settings, plan};

/// The subcommands of `downgrade`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell what an older release would see of the store, and the way there
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Put plaintext tokens back in place of their hashes, so that they survive
    #[command(after_long_help = PREPARE_HELP)]
    Prepare(PrepareArgs),
    /// Undo the schema change of 2.8, so that an older release starts
    #[command(after_long_help = APPLY_HELP)]
    Apply(ApplyArgs),
}

const PREPARE_HELP: &str = "\
A hash can't be turned back. But the plaintext may still stand somewhere: in a
capture, in a list that was kept, in the copy that influxd made before it
upgraded, in unused parts of this very file. Whatever a source says, a token is
taken only if it has the hash that the store holds.

EXAMPLES
  From a capture, encrypted or not:
      boltkey downgrade prepare --tokens tokens.json --db influxd.bolt
  From the copy of before the upgrade, and from this file's unused parts:
      boltkey downgrade prepare --from-residue --db influxd.bolt \\
          --from-db influxd.bolt.pre-v2.9.1-upgrade.backup
  From a list on standard input, one token on each line:
      boltkey downgrade prepare --tokens - --yes --db influxd.bolt < tokens";

const APPLY_HELP: &str = "\
Deletes the index of hashed tokens and the record of migration 21, nothing
else: all that keeps InfluxDB 2.3 to 2.7 from starting on a store of 2.8 or 2.9.
The SQLite file is left alone; 2.5 to 2.9 share its schema. Where it has to
change too, the command of influxd that does both is told.

Records of which only the hash is stored stay, since downgrade prepare can still
bring them back; --drop-hashed removes them.";

/// Options of `downgrade apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    to: ToArgs,
    /// Go on although tokens will be lost
    #[arg(long)]
    allow_loss: bool,
    /// Remove the records of which only the hash is stored: the older release lists them with
    /// empty tokens. Needs --allow-loss if there are any
    #[arg(long)]
    drop_hashed: bool,
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation, and when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Check(args) => check::run(args, session),
        Command::Prepare(args) => prepare::run(args, session),
        Command::Apply(args) => run_apply(args, session),
    }
}

fn run_apply(args: ApplyArgs, session: &Session) -> Result<Outcome> {
    let settings = Settings {
        to: args.to.into(),
        drop_hashed: args.drop_hashed,
        allow_loss: args.allow_loss,
    };
    let database = session.database()?;
    let named = |error: Error| error.about(database.path());
    let side_files = SideFiles {
        keep_copy: session.keep_copy(),
        ..SideFiles::default()
    };
    let ui = session.ui();

    let store = session.open_metadata_at(&database)?;
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let first = plan(snapshot, inspect, store.description(), &settings).map_err(named)?;
    if session.dry_run() && !first.changes.is_empty() {
        sound_structure(store.inspect()).map_err(named)?;
        side_files.could_be_made()?;
    }
    drop(store);
    if first.refused || first.changes.is_empty() || session.dry_run() {
        ui.report(&Report::new(&first, Some(false), session.dry_run()))?;
        return Ok(if first.refused {
            Outcome::No
        } else {
            Outcome::Done
        });
    }

    session.may_write(&database)?;
    session.confirm(&question(&first, &database.path().display().to_string()))?;
    let mut store = session.open_writable(&database)?;
    let planned = plan(&store, store.inspect(), store.description(), &settings).map_err(named)?;
    if planned.applied != first.applied {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} was changed after the question was asked; nothing was changed",
                database.path().display()
            ),
        )
        .with_hint("run the command again"));
    }
    let committed = planned.apply(&mut store, &side_files)?;
    drop(store);
    let report = ui.render(&Report::new(&planned, changed(&committed), false));
    ended(session, report, committed)
}

/// What is asked before it is done.
fn question(plan: &Plan, path: &str) -> String {
    let Applied { outlook, dropped } = &plan.applied;
    let path = printable(path);
    let mut parts = Vec::new();
    if !outlook.undo.database.is_empty() {
        parts.push(format!(
            "Undo {} in {path}, so that {} starts on it (2.8 and newer make it again)?",
            counted(outlook.undo.database.len() as u64, "migration"),
            outlook.target
        ));
    }
    if !outlook.lost.is_empty() {
        let lost = counted(outlook.lost.len() as u64, "token");
        parts.push(format!("{lost} will be lost."));
    }
    if *dropped > 0 {
        let records = counted(*dropped, "hashed token");
        parts.push(format!("{records} will be removed from {path} for good."));
    }
    parts.join(" ")
}

/// What was done, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    applied: &'a Applied,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip)]
    refused: bool,
    #[serde(skip)]
    nothing: bool,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, changed: Option<bool>, dry_run: bool) -> Self {
        Self {
            applied: &plan.applied,
            changed,
            dry_run,
            refused: plan.refused,
            nothing: plan.changes.is_empty(),
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Applied { outlook, dropped } = self.applied;
        let target = outlook.target;
        let lost = counted(outlook.lost.len() as u64, "token");
        let undo = counted(outlook.undo.database.len() as u64, "migration");
        let records = counted(*dropped, "hashed token");
        let verb = if self.dry_run { "would be" } else { "was" };
        let verbs = if self.dry_run { "would be" } else { "were" };
        let nothing = if self.dry_run {
            "; nothing was changed"
        } else {
            ""
        };
        let text = if self.refused {
            let mut what = Vec::new();
            if !outlook.lost.is_empty() {
                what.push(format!("{lost} would be lost"));
            }
            if *dropped > 0 {
                what.push(format!("{records} would be removed"));
            }
            format!(
                "NOT done: {}; nothing was changed. With --allow-loss it is done all the same",
                what.join(" and ")
            )
        } else if self.nothing {
            format!("nothing to undo: InfluxDB {target} opens this schema; nothing was changed")
        } else {
            let mut what = Vec::new();
            if !outlook.undo.database.is_empty() {
                what.push(format!(
                    "{undo} {verb} undone, and InfluxDB {target} starts on the store"
                ));
            }
            if *dropped > 0 {
                what.push(format!("{records} {verbs} removed"));
            }
            if !outlook.lost.is_empty() {
                what.push(format!("{lost} {verbs} lost"));
            }
            format!("{}{nothing}", what.join("; "))
        };
        write_wrapped(out, "", 0, &text)?;
        write_losses("LOST", &outlook.lost, out)?;
        write_losses("With fewer permissions", &outlook.reduced, out)?;
        write_steps(&outlook.steps, out)?;
        write_warnings(&outlook.warnings, out)
    }
}
