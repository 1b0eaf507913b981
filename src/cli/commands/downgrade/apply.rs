//! `boltkey downgrade apply`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::downgrade::check::{write_losses, write_steps, write_warnings};
use crate::cli::commands::downgrade::target::ToArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, told, unchanged};
use crate::cli::terminal::style::bad;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::Fingerprint;
use crate::ops::commit::SideFiles;
use crate::ops::downgrade::apply::{Applied, Plan, Settings, plan};
use crate::ops::downgrade::sql_side::SqlBeside;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Text after the help.
pub const APPLY_HELP: &str = "\
Deletes only the index of hashed tokens and the record of migration 21. These
prevent InfluxDB 2.3 to 2.7 from starting on a store of 2.8 or 2.9. The SQLite
file is not changed; 2.5 to 2.9 share its schema. If it must change too, the
report names the influxd command that changes both.

Records that hold only a hash are kept, because downgrade prepare can still
restore them. --drop-hashed deletes them.";

/// Options of `downgrade apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    to: ToArgs,
    /// Proceed even if tokens will be lost
    #[arg(long)]
    allow_loss: bool,
    /// Delete records that hold only a hash, which the older release lists with empty tokens
    /// (requires --allow-loss if there are any)
    #[arg(long)]
    drop_hashed: bool,
}

/// Runs `downgrade apply`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: ApplyArgs, session: &Session) -> Result<Outcome> {
    let settings = Settings {
        to: args.to.into(),
        drop_hashed: args.drop_hashed,
        allow_loss: args.allow_loss,
    };
    let database = session.database_to_change()?;
    let sql = SqlBeside::read_for(database.path(), &session.open_options(), &settings.to)?;
    change::run_on(Downgrade { settings, sql }, session, &database)
}

struct Downgrade {
    settings: Settings,
    /// Read before any lock that lasts.
    sql: SqlBeside,
}

impl ChangeCommand for Downgrade {
    type Plan = Plan;
    /// What is undone and lost, and the values of the tokens.
    type Confirmed = (Applied, Fingerprint);
    type Done = ();

    /// A refusal or a plan without changes needs no exclusive lock.
    fn look(&self) -> Look {
        Look::Always
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(
            store.snapshot,
            store.inspect,
            store.description,
            &self.settings,
            &self.sql,
        )
    }

    fn next(&self, plan: &Plan) -> Next {
        if plan.refused {
            Next::Refused
        } else if plan.changes.is_empty() {
            Next::Nothing
        } else {
            Next::Commit
        }
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, database: &str) -> Result<Option<String>> {
        Ok(Some(question(plan, database)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        Ok((plan.applied.clone(), plan.tokens))
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
        // A dry run changes nothing.
        let changed = match ending.done {
            Some(()) => ending.changed,
            None => Some(false),
        };
        session
            .ui()
            .render(&Report::new(plan, changed, ending.dry_run))
    }
}

/// The question. `path` is escaped.
fn question(plan: &Plan, path: &str) -> String {
    let Applied { outlook, dropped } = &plan.applied;
    let mut parts = Vec::new();
    if !outlook.undo.database.is_empty() {
        parts.push(format!(
            "Undo {} in {path}, so that {} can start on it (2.8 and newer repeat the migration)?",
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
        parts.push(format!(
            "{records} will be permanently deleted from {path}."
        ));
    }
    parts.join(" ")
}

/// The report of `downgrade apply`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// What the change does.
    #[serde(flatten)]
    applied: &'a Applied,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
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
        let nothing = unchanged(self.dry_run);
        let text = if self.refused {
            let mut what = Vec::new();
            if !outlook.lost.is_empty() {
                what.push(format!("{lost} would be lost"));
            }
            if *dropped > 0 {
                what.push(format!("{records} would be removed"));
            }
            format!(
                "Aborted: {}; {NOTHING_CHANGED}. Use --allow-loss to proceed",
                what.join(" and ")
            )
        } else if self.nothing {
            format!("nothing to undo: InfluxDB {target} opens this schema; {NOTHING_CHANGED}")
        } else {
            let mut what = Vec::new();
            if !outlook.undo.database.is_empty() {
                what.push(format!(
                    "{undo} {verb} undone; InfluxDB {target} {} start on the store",
                    told(self.dry_run, "could then", "can")
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
        write_losses(&bad("LOST"), &outlook.lost, out)?;
        write_losses("With fewer permissions", &outlook.reduced, out)?;
        write_steps(&outlook.steps, out)?;
        write_warnings(&outlook.warnings, out)
    }
}
