//! `boltkey v1 dbrp update`.

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::v1::dbrp::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::commit::SideFiles;
use crate::ops::v1::dbrp::find::Plan;
use crate::ops::v1::dbrp::mapping::Mapping;
use crate::ops::v1::dbrp::update::{Options, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 dbrp update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// ID of the mapping
    #[arg(long, short = 'i', value_name = "ID")]
    id: Id,
    /// New retention policy
    #[arg(long, value_name = "NAME", required_unless_present = "default")]
    rp: Option<String>,
    /// Make it the default mapping of its database, which requests without a retention policy use
    #[arg(long)]
    default: bool,
}

/// Runs `v1 dbrp update`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        id: args.id,
        retention_policy: args.rp,
        default: args.default,
    };
    change::run(UpdateDbrp { options }, session)
}

struct UpdateDbrp {
    options: Options,
}

impl ChangeCommand for UpdateDbrp {
    type Plan = Plan;
    type Confirmed = (Mapping, Vec<String>);
    type Done = ();

    fn look(&self) -> Look {
        Look::Never
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.changes.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, _: &Plan, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        Ok((plan.mapping.clone(), plan.effects.clone()))
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files, "the change")?, ()))
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
            dbrp: &plan.mapping,
            effects: &plan.effects,
            action: Action::Update,
        })
    }
}
