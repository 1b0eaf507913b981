//! `boltkey org create`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::error::Result;
use crate::ops::commit::SideFiles;
use crate::ops::org::create::{Plan, plan};
use crate::ops::org::list::Org;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `org create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the organization; surrounding white space is removed
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// Runs `org create`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: &CreateArgs, session: &Session) -> Result<Outcome> {
    change::run(CreateOrg { name: &args.name }, session)
}

struct CreateOrg<'a> {
    name: &'a str,
}

impl ChangeCommand for CreateOrg<'_> {
    type Plan = Plan;
    /// The name.
    type Confirmed = String;
    type Done = ();

    fn look(&self) -> Look {
        Look::Never
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, self.name, &store.now)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, _: &Plan, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn confirmed(&self, plan: &Plan) -> Result<String> {
        Ok(plan.org.name.clone())
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
            org: &plan.org,
        })
    }
}

/// The report of `org create`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The new organization.
    org: &'a Org,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Org { id, name, .. } = self.org;
        let name = printable(name);
        if self.dry_run {
            return writeln!(
                out,
                "would create organization {name} ({id}); {NOTHING_CHANGED}"
            );
        }
        writeln!(
            out,
            "created organization {name} ({id}) with the buckets _tasks and _monitoring"
        )?;
        writeln!(
            out,
            "it has no owner yet; boltkey user create --org creates one"
        )
    }
}
