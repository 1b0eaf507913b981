//! `boltkey v1 dbrp delete`.

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, View};
use crate::cli::commands::v1::dbrp::report::{Action, Report, named};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::commit::SideFiles;
use crate::ops::v1::dbrp::delete::plan;
use crate::ops::v1::dbrp::find::Plan;
use crate::ops::v1::dbrp::mapping::Mapping;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 dbrp delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// ID of the mapping
    #[arg(long, short = 'i', value_name = "ID")]
    id: Id,
}

/// Runs `v1 dbrp delete`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: &DeleteArgs, session: &Session) -> Result<Outcome> {
    change::run(DeleteDbrp { id: args.id }, session)
}

struct DeleteDbrp {
    id: Id,
}

impl ChangeCommand for DeleteDbrp {
    type Plan = Plan;
    type Confirmed = (Mapping, Vec<String>);
    type Done = ();

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, self.id)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        let mut question = format!("Delete the mapping of {}?", named(&plan.mapping));
        if plan.effects.is_empty() {
            question.push_str(" Requests go to the same bucket as before.");
        }
        for effect in &plan.effects {
            let mut letters = effect.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string());
            let first = first.unwrap_or_default();
            question.push_str(&printable(&format!(" {first}{}.", letters.as_str())));
        }
        Ok(Some(question))
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
        Ok((plan.apply(store, side_files, "the deletion")?, ()))
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
            action: Action::Delete,
        })
    }
}
