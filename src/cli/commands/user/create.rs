//! `boltkey user create`.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::user::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
use crate::cli::terminal::secret_input::Secret;
use crate::cli::terminal::secret_input::read_new_password;
use crate::error::Result;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::create::{Options, Plan, plan};
use crate::ops::user::list::OrgName;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `user create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// User name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Organization that the user will own
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    /// Make the user owner of the instance: all organizations and all tokens
    #[arg(long)]
    instance_owner: bool,
    /// File with the password (- for standard input) [default: `BOLTKEY_PASSWORD`, otherwise the
    /// user can't sign in]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Runs `user create`.
///
/// # Errors
/// The errors of the operation, and an error when `--instance-owner` is not confirmed.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let file = args.password_file.as_deref();
    let password = if file.is_some() || Secret::PASSWORD.is_set() {
        Some(read_new_password(file, session.ui())?)
    } else {
        None
    };
    let options = Options {
        name: args.name,
        org: args.org.map(By::Name),
        instance_owner: args.instance_owner,
        password,
        strong_passwords: session.strong_passwords(),
    };
    change::run(CreateUser { options }, session)
}

struct CreateUser {
    options: Options,
}

impl ChangeCommand for CreateUser {
    type Plan = Plan;
    /// The name and the owned organizations.
    type Confirmed = (String, Vec<OrgName>);
    type Done = ();

    fn look(&self) -> Look {
        match self.options.instance_owner {
            true => Look::ToAsk,
            false => Look::Never,
        }
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        let name = printable(&format!("{:?}", plan.user.name));
        Ok(self.options.instance_owner.then(|| {
            format!(
                "Make {name} owner of the instance, with access to all organizations and all \
                 tokens?"
            )
        }))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        Ok((plan.user.name.clone(), plan.user.owns.readable.clone()))
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
            index_entry_created: false,
            renamed_from: None,
            action: Action::Create,
        })
    }
}
