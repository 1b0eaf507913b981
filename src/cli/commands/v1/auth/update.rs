//! `boltkey v1 auth update`.

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::v1::auth::WhoArgs;
use crate::cli::commands::v1::auth::bucket_flags::BucketFlags;
use crate::cli::commands::v1::auth::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Fingerprint, Id};
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::v1::auth::plan::Plan;
use crate::ops::v1::auth::update::{Options, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 auth update`.
#[derive(Debug, Args)]
#[command(after_help = "\
The buckets that are named with --read-bucket and --write-bucket replace all
permissions of the 1.x user.")]
pub struct UpdateArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// New status
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusArg>,
    /// New description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    buckets: BucketFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusArg {
    Active,
    Inactive,
}

/// Runs `v1 auth update`.
///
/// # Errors
/// The errors of the operation; [`ErrorKind::Usage`] if nothing is to be changed.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        permissions: args.buckets.permissions()?,
        by: By::from(args.who),
        active: args.status.map(|status| status == StatusArg::Active),
        description: args.description,
    };
    let is_empty = options.active.is_none() && options.description.is_none();
    if is_empty && options.permissions.is_empty() {
        let message = "nothing to change was given";
        return Err(Error::new(ErrorKind::Usage, message).with_hint(
            "pass --status, --description, --read-bucket or --write-bucket; see boltkey v1 auth \
             update --help",
        ));
    }
    change::run(UpdateV1User { options }, session)
}

struct UpdateV1User {
    options: Options,
}

impl ChangeCommand for UpdateV1User {
    type Plan = Plan;
    type Confirmed = (Id, Option<Fingerprint>);
    type Done = ();

    fn look(&self) -> Look {
        Look::Never
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
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
        Ok((plan.id, plan.before))
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
        plan.show(|entry| {
            session.ui().render(&Report {
                authorization: entry,
                changed: ending.changed,
                dry_run: ending.dry_run,
                index_entry_created: false,
                action: Action::Update,
            })
        })?
    }
}
