//! `boltkey auth delete`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Next, View};
use crate::cli::commands::auth::affected_text::{operators_left, summary, write_lines};
use crate::cli::commands::auth::filters::StatusFilter;
use crate::cli::commands::auth::tokens_args::TokensArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED};
use crate::error::Result;
use crate::finding::counted;
use crate::ops::auth::affected_tokens::{AffectedToken, AffectedTokens};
use crate::ops::auth::delete::{Plan, plan};
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::commit::SideFiles;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `auth delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    #[command(flatten)]
    tokens: TokensArgs,
    #[command(flatten)]
    status: StatusFilter,
}

/// Runs `auth delete`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: DeleteArgs, session: &Session) -> Result<Outcome> {
    let tokens = args.tokens.selected(args.status.active())?;
    change::run(DeleteTokens { tokens }, session)
}

struct DeleteTokens {
    tokens: SelectedTokens,
}

impl ChangeCommand for DeleteTokens {
    type Plan = Plan;
    type Confirmed = AffectedTokens;
    type Done = ();

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.tokens)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.deleted.tokens.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(question(&plan.deleted)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<AffectedTokens> {
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
        let ui = session.ui();
        ui.render(&Report {
            changed: ending.changed,
            dry_run: ending.dry_run,
            deleted: &plan.deleted.tokens,
            last_operator: plan.last_operator,
            all: ui.verbose(),
        })
    }
}

/// The question. It says which tokens, and whether an operator token remains.
fn question(deleted: &AffectedTokens) -> String {
    let summary = summary(deleted);
    let them = match deleted.tokens.len() {
        1 => return format!("Delete this token: {summary}? Clients that use it lose access."),
        number => format!("Delete these {number} tokens: {summary}?"),
    };
    let left = operators_left(deleted);
    format!("{them} Clients that use them lose access.{left}")
}

/// The report of `auth delete`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The deleted authorizations.
    deleted: &'a [AffectedToken],
    /// Whether the last usable operator token is deleted.
    last_operator: bool,
    /// Whether the text lists all tokens.
    #[serde(skip)]
    all: bool,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = counted(self.deleted.len() as u64, "token");
        if self.deleted.is_empty() {
            return writeln!(out, "no token matches; {NOTHING_CHANGED}");
        }
        if self.dry_run {
            writeln!(out, "would delete {tokens}; {NOTHING_CHANGED}")?;
        } else {
            writeln!(out, "deleted {tokens}")?;
        }
        write_lines(self.deleted, self.all, out)?;
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
