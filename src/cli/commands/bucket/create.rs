//! `boltkey bucket create`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, View};
use crate::cli::commands::bucket::list::{hours, retention_text};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable, unchanged};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::metadata::Id;
use crate::metadata::durations::{retention, shard_group};
use crate::ops::bucket::create::{Options, Plan, plan};
use crate::ops::bucket::list::Bucket;
use crate::ops::commit::SideFiles;
use crate::ops::resolve::By;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `bucket create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Bucket name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Organization of the bucket [default: the only organization]
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// ID of that organization
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Description
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
    /// How long points are kept, such as 72h, 30d or 4w (0: infinite)
    #[arg(
        long,
        short = 'r',
        value_name = "DURATION",
        default_value = "0",
        value_parser = retention
    )]
    retention: i64,
    /// Time range of a shard group, such as 1h or 7d [default: by retention, as InfluxDB chooses]
    #[arg(
        long,
        alias = "shard-duration",
        value_name = "DURATION",
        default_value = "0",
        hide_default_value = true,
        value_parser = shard_group
    )]
    shard_group_duration: i64,
}

/// Runs `bucket create`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        org: args.org.map(By::Name).or(args.org_id.map(By::Id)),
        name: args.name,
        description: args.description,
        retention: args.retention,
        shard_group_duration: args.shard_group_duration,
    };
    change::run(CreateBucket { options }, session)
}

struct CreateBucket {
    options: Options,
}

impl ChangeCommand for CreateBucket {
    type Plan = Plan;
    /// The organization and the name.
    type Confirmed = (Id, String);
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
        Ok((plan.bucket.org_id, plan.bucket.name.clone()))
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
            bucket: &plan.bucket,
        })
    }
}

/// The report of `bucket create`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The new bucket. Its IDs are null in a dry run.
    bucket: &'a Bucket,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Bucket { id, name, .. } = self.bucket;
        let created = if self.dry_run {
            "would create"
        } else {
            "created"
        };
        let org = self.bucket.org.as_deref().unwrap_or_default();
        let [rule] = &self.bucket.retention_rules;
        let text = format!(
            "{created} bucket {} ({id}) in {}: retention {}, shard groups of {}{}",
            printable(name),
            printable(org),
            retention_text(rule),
            hours(rule.shard_group_duration_seconds),
            unchanged(self.dry_run),
        );
        write_wrapped(out, "", 2, &text)
    }
}
