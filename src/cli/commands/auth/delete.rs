//! `boltkey auth delete`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::change::Change;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::Id;
use crate::ops::auth::delete::{Doomed, Plan, plan};
use crate::store::Snapshot;

/// Options of `auth delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The tokens' IDs, 16 hex digits each
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Id>,
}

/// Runs `auth delete`.
///
/// # Errors
/// As the operation, and when nobody says yes.
pub fn run(args: &DeleteArgs, session: &Session) -> Result<Outcome> {
    let database = session.database()?;
    if !session.dry_run() {
        // What is asked must be answered before the lock is taken for the change.
        let store = session.open_metadata_at(&database)?;
        let first = plan(store.snapshot(), &args.ids).map_err(|e| e.about(database.path()))?;
        drop(store);
        confirm(session.yes(), &question(&first))?;
    }
    let change = Change {
        plan: |store: &dyn Snapshot| plan(store, &args.ids),
        apply: Plan::apply,
        report: |plan: &Plan, changed, dry_run| {
            session.ui().render(&Report::new(plan, changed, dry_run))
        },
    };
    change.run(session, &database)
}

/// Names what would stop working.
fn question(plan: &Plan) -> String {
    let names: Vec<String> = plan.doomed.iter().map(named).collect();
    let these = match names.len() {
        1 => "this token",
        _ => "these tokens",
    };
    let warning = if plan.last_operator {
        " No usable operator token is left then."
    } else {
        ""
    };
    format!(
        "Delete {these}: {}? Whatever uses what is usable stops working.{warning}",
        names.join(", ")
    )
}

/// One of them, in words.
fn named(doomed: &Doomed) -> String {
    let Some(kind) = doomed.kind else {
        return format!("{} (can't be decoded)", doomed.id);
    };
    let mut text = format!("{} ({}", doomed.id, kind.name());
    if let Some(description) = doomed
        .description
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        text.push_str(&format!(" {description:?}"));
    }
    match &doomed.user {
        Some(user) => text.push_str(&format!(" of {user:?}")),
        None => text.push_str(" of nobody"),
    }
    if !doomed.usable {
        text.push_str(", not usable");
    }
    text.push(')');
    printable(&text)
}

/// What went, or would go.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    deleted: &'a [Doomed],
    /// Whether this leaves no usable operator token, though there was one.
    last_operator: bool,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, changed: Option<bool>, dry_run: bool) -> Self {
        Self {
            changed,
            dry_run,
            deleted: &plan.doomed,
            last_operator: plan.last_operator,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = counted(self.deleted.len() as u64, "token");
        if self.dry_run {
            writeln!(out, "would delete {tokens}; nothing was changed")?;
        } else {
            writeln!(out, "deleted {tokens}")?;
        }
        for doomed in self.deleted {
            writeln!(out, "  {}", named(doomed))?;
        }
        if self.last_operator {
            let verb = if self.dry_run { "would be" } else { "is" };
            writeln!(
                out,
                "no usable operator token {verb} left; boltkey recover operator makes a new one"
            )?;
        }
        Ok(())
    }
}
