//! `boltkey v1 auth create`.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::v1::auth::bucket_flags::BucketFlags;
use crate::cli::commands::v1::auth::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::secret_input::{Secret, read_new_password};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::user::password::check;
use crate::ops::v1::auth::create::{Options, plan};
use crate::ops::v1::auth::plan::Plan;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 auth create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 1.x user name
    #[arg(long, value_name = "NAME")]
    username: String,
    /// Organization whose databases the 1.x user may use [default: the only organization]
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// ID of that organization
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// 2.x user who will own it, and who must stay active [default: the only user]
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// ID of that user
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Description
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
    /// File with the password (- for standard input) [default: `BOLTKEY_PASSWORD`, otherwise
    /// prompt]
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    password_file: Option<PathBuf>,
    /// Set no password; without one, it can't be used
    #[arg(long)]
    no_password: bool,
    #[command(flatten)]
    buckets: BucketFlags,
}

/// Runs `v1 auth create`.
///
/// # Errors
/// The errors of the operation; [`ErrorKind::Usage`] without any bucket.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let permissions = args.buckets.permissions()?;
    if permissions.is_empty() {
        return Err(
            Error::new(ErrorKind::Usage, "authorization must include permissions").with_hint(
                "pass --read-bucket or --write-bucket; see boltkey v1 auth create --help",
            ),
        );
    }
    let file = args.password_file.as_deref();
    let is_given = !args.no_password && (file.is_some() || Secret::PASSWORD.is_set());
    let by = |name: Option<String>, id: Option<Id>| name.map(By::Name).or(id.map(By::Id));
    let options = Options {
        username: args.username,
        org: by(args.org, args.org_id),
        user: by(args.user, args.user_id),
        description: args.description,
        permissions,
        password: is_given
            .then(|| read_new_password(file, session.ui()))
            .transpose()?,
        strong_passwords: session.strong_passwords(),
    };
    let command = CreateV1User {
        options,
        no_password: args.no_password,
    };
    change::run(command, session)
}

struct CreateV1User {
    options: Options,
    no_password: bool,
}

impl CreateV1User {
    /// Whether the password must be asked for.
    fn asks_password(&self) -> bool {
        self.options.password.is_none() && !self.no_password
    }
}

impl ChangeCommand for CreateV1User {
    type Plan = Plan;
    /// The name, and organization and owner by ID.
    type Confirmed = (String, Id, Option<Id>);
    type Done = ();

    fn look(&self) -> Look {
        match self.asks_password() {
            true => Look::Always,
            false => Look::Never,
        }
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
    }

    fn complete(&mut self, session: &Session, _: &Plan) -> Result<bool> {
        if !self.asks_password() {
            return Ok(false);
        }
        let password = read_new_password(None, session.ui())?;
        check(&password, self.options.strong_passwords)?;
        self.options.password = Some(password);
        Ok(true)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, _: &Plan, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        plan.show(|entry| (self.options.username.clone(), entry.org_id, entry.user_id))
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files, "the new 1.x user")?, ()))
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
                index_entry_created: false,
                action: Action::Create,
            })
        })?
    }
}
