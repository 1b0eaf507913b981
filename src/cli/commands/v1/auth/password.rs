//! `boltkey v1 auth password`.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::v1::auth::WhoArgs;
use crate::cli::commands::v1::auth::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::cli::terminal::secret_input::{Secret, read_new_password};
use crate::error::Result;
use crate::metadata::{Fingerprint, Id};
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::password::check;
use crate::ops::v1::auth::password::plan;
use crate::ops::v1::auth::plan::Plan;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 auth password`.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// File with the password (- for standard input) [default: `BOLTKEY_PASSWORD`, otherwise
    /// prompt]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Runs `v1 auth password`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: PasswordArgs, session: &Session) -> Result<Outcome> {
    let file = args.password_file.as_deref();
    let is_given = file.is_some() || Secret::PASSWORD.is_set();
    let command = SetPassword {
        password: is_given
            .then(|| read_new_password(file, session.ui()))
            .transpose()?,
        strong: session.strong_passwords(),
        by: By::from(args.who),
    };
    change::run(command, session)
}

struct SetPassword {
    by: By,
    /// None before the prompt.
    password: Option<Token>,
    strong: bool,
}

/// The 1.x user whose password is replaced.
#[derive(PartialEq, Eq)]
struct Who {
    id: Id,
    record: Option<Fingerprint>,
    replaced: Option<Fingerprint>,
    adds_entry: bool,
}

impl ChangeCommand for SetPassword {
    type Plan = Plan;
    type Confirmed = Who;
    type Done = ();

    fn look(&self) -> Look {
        match self.password {
            Some(_) => Look::ToAsk,
            None => Look::Always,
        }
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        let password = self.password.as_ref();
        plan(store.snapshot, &self.by, password, self.strong)
    }

    fn complete(&mut self, session: &Session, _: &Plan) -> Result<bool> {
        if self.password.is_some() {
            return Ok(false);
        }
        let password = read_new_password(None, session.ui())?;
        check(&password, self.strong)?;
        self.password = Some(password);
        Ok(true)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        if plan.replaced.is_none() {
            return Ok(None);
        }
        let entry = match plan.adds_entry {
            true => " The missing index entry of the name is created too.",
            false => "",
        };
        plan.show(|entry_of| {
            let name = entry_of.token.unwrap_or_default();
            let name = printable(&format!("{name:?}"));
            Some(format!(
                "Replace the password of 1.x user {name}? Clients with the old password lose \
                 access.{entry}"
            ))
        })
    }

    fn confirmed(&self, plan: &Plan) -> Result<Who> {
        Ok(Who {
            id: plan.id,
            record: plan.before,
            replaced: plan.replaced,
            adds_entry: plan.adds_entry,
        })
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files, "the new password")?, ()))
    }

    fn report(
        &self,
        session: &Session,
        plan: &Plan,
        ending: &Ending<'_, ()>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        plan.show(|entry| {
            session.ui().render(&Report {
                authorization: entry,
                changed: ending.changed,
                dry_run: ending.dry_run,
                index_entry_created: plan.adds_entry,
                action: Action::Password,
            })
        })?
    }
}
