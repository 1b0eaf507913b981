//! `boltkey v1 dbrp create`.

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::v1::dbrp::report::{Action, Report};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::metadata::dbrp::AUTOGEN;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::ops::v1::dbrp::create::{Options, plan};
use crate::ops::v1::dbrp::find::Plan;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `v1 dbrp create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 1.x database
    #[arg(long, value_name = "NAME")]
    database: String,
    /// Retention policy of the database
    #[arg(long, value_name = "NAME", default_value = AUTOGEN)]
    rp: String,
    /// Bucket name
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "bucket_id",
        conflicts_with = "bucket_id"
    )]
    bucket: Option<String>,
    /// Bucket ID
    #[arg(long, value_name = "ID")]
    bucket_id: Option<Id>,
    /// Organization [default: that of --bucket-id, otherwise the only organization]
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// ID of that organization
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Make it the default mapping of the database, which requests without a retention policy use;
    /// the first mapping always is
    #[arg(long)]
    default: bool,
}

/// Runs `v1 dbrp create`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let by = |name: Option<String>, id: Option<Id>| name.map(By::Name).or(id.map(By::Id));
    let options = Options {
        org: by(args.org, args.org_id),
        bucket: by(args.bucket, args.bucket_id).unwrap_or(By::Name(String::new())),
        database: args.database,
        retention_policy: args.rp,
        default: args.default,
    };
    change::run(CreateDbrp { options }, session)
}

struct CreateDbrp {
    options: Options,
}

impl ChangeCommand for CreateDbrp {
    type Plan = Plan;
    /// The organization and the bucket.
    type Confirmed = (Option<Id>, Option<Id>, Vec<String>);
    type Done = ();

    fn look(&self) -> Look {
        Look::Never
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, _: &Plan, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        let mapping = &plan.mapping;
        Ok((mapping.org_id, mapping.bucket_id, plan.effects.clone()))
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files, "the new mapping")?, ()))
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
            action: Action::Create,
        })
    }
}
