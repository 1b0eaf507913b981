//! `boltkey user delete`.

use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, View};
use crate::cli::commands::user::WhoArgs;
use crate::cli::commands::user::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::{Fingerprint, Id};
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::delete::{Plan, plan};
use crate::ops::user::list::User;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Runs `user delete`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: WhoArgs, session: &Session) -> Result<Outcome> {
    change::run(DeleteUser { by: By::from(args) }, session)
}

struct DeleteUser {
    by: By,
}

/// A user and the tokens that stop working.
#[derive(PartialEq, Eq)]
struct Deleted {
    user: User,
    operator_tokens: Vec<Id>,
    /// The password and all tokens.
    values: Fingerprint,
}

impl ChangeCommand for DeleteUser {
    type Plan = Plan;
    type Confirmed = Deleted;
    type Done = ();

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.by)
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        let operators = plan.operator_tokens.len() as u64;
        let among = match operators {
            0 => String::new(),
            _ => format!(", including {}", counted(operators, "operator token")),
        };
        if plan.left_over {
            return Ok(Some(format!(
                "User {} does not exist any more. Delete the rest, which blocks the name?",
                printable(&format!("{:?}", plan.user.name)),
            )));
        }
        Ok(Some(format!(
            "Delete {}? The login and {} of that user stop working{among}.",
            printable(&format!("{:?}", plan.user.name)),
            counted(plan.tokens.len() as u64, "token"),
        )))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Deleted> {
        Ok(Deleted {
            user: plan.user.clone(),
            operator_tokens: plan.operator_tokens.clone(),
            values: plan.values,
        })
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
            user: &plan.user,
            tokens: Some(&plan.tokens),
            index_entry_created: false,
            renamed_from: None,
            action: Action::Delete,
        })
    }
}
