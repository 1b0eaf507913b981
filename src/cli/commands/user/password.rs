//! `boltkey user password`.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::user::WhoArgs;
use crate::cli::commands::user::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::cli::terminal::secret_input::Secret;
use crate::cli::terminal::secret_input::read_new_password;
use crate::error::Result;
use crate::metadata::Fingerprint;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::list::User;
use crate::ops::user::password::{Plan, check, plan};
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `user password`.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// File with the password (- for standard input) [default: `BOLTKEY_PASSWORD`, otherwise
    /// prompt]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Runs `user password`.
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

/// The user whose password is replaced.
#[derive(PartialEq, Eq)]
struct Who {
    user: User,
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
        plan(
            store.snapshot,
            &self.by,
            self.password.as_ref(),
            self.strong,
        )
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
        let name = printable(&format!("{:?}", plan.user.name));
        let entry = match plan.adds_entry {
            true => " The missing index entry of the name is created too.",
            false => "",
        };
        Ok(plan.replaced.map(|_| {
            format!("Replace the password of {name}? The old password stops working.{entry}")
        }))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Who> {
        Ok(Who {
            user: User {
                // The plan contains the user after the change.
                has_password: Some(plan.replaced.is_some()),
                signs_in: None,
                because: None,
                ..plan.user.clone()
            },
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
            tokens: None,
            index_entry_created: plan.adds_entry,
            renamed_from: None,
            action: Action::Password,
        })
    }
}
