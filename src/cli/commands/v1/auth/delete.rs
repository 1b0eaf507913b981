//! `boltkey v1 auth delete`.

use std::io::{self, Write};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, View};
use crate::cli::commands::v1::auth::WhoArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable, unchanged};
use crate::error::Result;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::v1::auth::delete::{DeletedV1User, Plan, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Runs `v1 auth delete`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: WhoArgs, session: &Session) -> Result<Outcome> {
    change::run(DeleteV1User { by: By::from(args) }, session)
}

struct DeleteV1User {
    by: By,
}

impl ChangeCommand for DeleteV1User {
    type Plan = Plan;
    type Confirmed = DeletedV1User;
    type Done = ();

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.by)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(format!(
            "Delete {}? Clients that use it lose access.",
            named(&plan.deleted)
        )))
    }

    fn confirmed(&self, plan: &Plan) -> Result<DeletedV1User> {
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
        session.ui().render(&Report {
            changed: ending.changed,
            dry_run: ending.dry_run,
            deleted: &plan.deleted,
        })
    }
}

/// The 1.x user in a question or report.
fn named(deleted: &DeletedV1User) -> String {
    let Some(name) = &deleted.username else {
        return format!("authorization {} (can't be decoded)", deleted.id);
    };
    let mut text = format!("1.x user {name:?} ({}", deleted.id);
    if let Some(description) = deleted
        .description
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        text.push_str(&format!(", {description:?}"));
    }
    if let Some(org) = &deleted.org {
        text.push_str(&format!(", of {org:?}"));
    }
    text.push(')');
    printable(&text)
}

/// The report of `v1 auth delete`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The deleted 1.x user.
    deleted: &'a DeletedV1User,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let action = if self.dry_run {
            "would be deleted"
        } else {
            "was deleted"
        };
        let end = unchanged(self.dry_run);
        writeln!(out, "{} {action}{end}", named(self.deleted))
    }
}
