//! `boltkey auth delete`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, View};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::Id;
use crate::ops::auth::delete::{DeletedAuthorization, Plan, plan};
use crate::ops::commit::SideFiles;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `auth delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// IDs of the tokens, 16 hex digits each
    #[arg(value_name = "ID", required = true)]
    ids: Vec<Id>,
}

/// Runs `auth delete`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: &DeleteArgs, session: &Session) -> Result<Outcome> {
    change::run(DeleteTokens { ids: &args.ids }, session)
}

struct DeleteTokens<'a> {
    ids: &'a [Id],
}

impl ChangeCommand for DeleteTokens<'_> {
    type Plan = Plan;
    type Confirmed = Vec<DeletedAuthorization>;
    type Done = ();

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, self.ids)
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(question(plan)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Vec<DeletedAuthorization>> {
        Ok(plan.deleted.clone())
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
        let report = Report::new(plan, ending.changed, ending.dry_run);
        session.ui().render(&report)
    }
}

/// The question. It lists the tokens.
fn question(plan: &Plan) -> String {
    let names: Vec<String> = plan.deleted.iter().map(named).collect();
    let (these, them) = match names.len() {
        1 => ("this token", "it"),
        _ => ("these tokens", "them"),
    };
    format!(
        "Delete {these}: {}? Clients that use {them} lose access.",
        names.join(", ")
    )
}

/// One token as text.
fn named(deleted: &DeletedAuthorization) -> String {
    let Some(kind) = deleted.kind else {
        return format!("{} (can't be decoded)", deleted.id);
    };
    let mut text = format!("{} ({}", deleted.id, kind.name());
    if let Some(description) = deleted
        .description
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        text.push_str(&format!(" {description:?}"));
    }
    match &deleted.user {
        Some(user) => text.push_str(&format!(" of {user:?}")),
        None => text.push_str(" without a user"),
    }
    if !deleted.usable {
        text.push_str(", not usable");
    }
    text.push(')');
    printable(&text)
}

/// The report of `auth delete`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if unknown.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    deleted: &'a [DeletedAuthorization],
    /// Whether the last usable operator token is deleted.
    last_operator: bool,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, changed: Option<bool>, dry_run: bool) -> Self {
        Self {
            changed,
            dry_run,
            deleted: &plan.deleted,
            last_operator: plan.last_operator,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = counted(self.deleted.len() as u64, "token");
        if self.dry_run {
            writeln!(out, "would delete {tokens}; {NOTHING_CHANGED}")?;
        } else {
            writeln!(out, "deleted {tokens}")?;
        }
        for deleted in self.deleted {
            writeln!(out, "  {}", named(deleted))?;
        }
        if self.last_operator {
            let verb = if self.dry_run { "would be" } else { "is" };
            writeln!(
                out,
                "no usable operator token {verb} left; boltkey recover operator creates one"
            )?;
        }
        Ok(())
    }
}
