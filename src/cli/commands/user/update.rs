//! `boltkey user update`.

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::user::WhoArgs;
use crate::cli::commands::user::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::error::Result;
use crate::metadata::Fingerprint;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::list::User;
use crate::ops::user::update::{Options, Plan, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `user update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// New status; servers refuse the login and the tokens of an inactive user
    #[arg(long, value_name = "STATUS", required_unless_present = "rename")]
    status: Option<StatusArg>,
    /// New name, with which the user signs in from then on
    #[arg(long, value_name = "NEW")]
    rename: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusArg {
    Active,
    Inactive,
}

/// Runs `user update`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        by: By::from(args.who),
        active: args.status.map(|status| status == StatusArg::Active),
        rename: args.rename,
    };
    change::run(UpdateUser { options }, session)
}

struct UpdateUser {
    options: Options,
}

impl UpdateUser {
    /// Whether the user becomes inactive, which may lock everybody out.
    fn switches_off(&self) -> bool {
        self.options.active == Some(false)
    }
}

impl ChangeCommand for UpdateUser {
    type Plan = Plan;
    type Confirmed = (User, Fingerprint, bool, Option<String>);
    type Done = ();

    fn look(&self) -> Look {
        match self.switches_off() {
            true => Look::ToAsk,
            false => Look::Never,
        }
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

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        self.switches_off().then_some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        let name = printable(&format!("{:?}", plan.user.name));
        Ok(plan.locks_out.then(|| {
            format!(
                "Make {name} inactive? Nobody with access to everything will be left, neither by \
                 token nor by login."
            )
        }))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        let renamed_from = plan.renamed_from.clone();
        Ok((plan.user.clone(), plan.before, plan.locks_out, renamed_from))
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
        if plan.locks_out {
            let is = if ending.dry_run { "would be" } else { "is" };
            session.ui().warning(&format!(
                "nobody with access to everything {is} left; boltkey recover operator creates an \
                 operator token for an active user"
            ));
        }
        session.ui().render(&Report {
            changed: ending.changed,
            dry_run: ending.dry_run,
            user: &plan.user,
            tokens: None,
            index_entry_created: false,
            renamed_from: plan.renamed_from.as_deref(),
            action: match self.options.active {
                Some(_) => Action::Status,
                None => Action::Rename,
            },
        })
    }
}
