//! `boltkey bucket adopt`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::unread_files::UnreadFiles;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::{Catalog, Id};
use crate::ops::bucket::adopt::{Adopted, Plan, plan};
use crate::ops::bucket::adoptable::{Options, Skipped, Which};
use crate::ops::commit::SideFiles;
use crate::ops::files::engine_folder::{EngineFolder, listed};
use crate::ops::resolve::By;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Most buckets that the question lists.
const MOST_ASKED: usize = 20;

/// Text after the help.
const AFTER_HELP: &str = "\
The engine folder contains the points of each bucket under the bucket's ID.
influxd shows them only if its database has the bucket and the times of its
shards. This command reads the times from the files and adds both, in one
change. The engine folder does not change.";

/// Options of `bucket adopt`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct AdoptArgs {
    /// IDs of the buckets, 16 hex digits each: the names of their folders
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<Id>,
    /// All buckets that the store does not know, except _tasks and _monitoring
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Name for one of them; may be repeated [default: recovered-<ID>]
    #[arg(long = "name", value_name = "ID=NAME", value_parser = id_and_name)]
    names: Vec<(Id, String)>,
    /// Organization of the buckets [default: the only organization]
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    /// Engine folder of influxd [default: the folder engine beside the database]
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
}

/// Runs `bucket adopt`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: AdoptArgs, session: &Session) -> Result<Outcome> {
    let mut names = BTreeMap::new();
    for (id, name) in args.names {
        if names.insert(id, name).is_some() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("--name gives bucket {id} two names"),
            ));
        }
    }
    let options = Options {
        which: match args.all {
            true => Which::All,
            false => Which::Ids(args.ids.into_iter().collect()),
        },
        names,
        org: args.org.map(By::Name),
    };
    let database = session.database()?;
    let beside = || database.path().with_file_name("engine");
    let path = args.engine_path.unwrap_or_else(beside);
    let command = AdoptBuckets {
        options,
        engine: EngineFolder {
            path,
            ..EngineFolder::default()
        },
    };
    change::run_on(command, session, &database)
}

fn id_and_name(text: &str) -> std::result::Result<(Id, String), String> {
    let (id, name) = text.split_once('=').ok_or("expected ID=NAME")?;
    let id = id.parse().map_err(|why| format!("{id:?}: {why}"))?;
    Ok((id, name.to_owned()))
}

struct AdoptBuckets {
    options: Options,
    engine: EngineFolder,
}

impl ChangeCommand for AdoptBuckets {
    type Plan = Plan;
    /// The organization and the buckets.
    type Confirmed = (Option<(Id, String)>, Vec<Described>);
    type Done = ();

    fn look(&self) -> Look {
        Look::Always
    }

    /// Reads the engine folder. That may take long, so it is done without a lock.
    fn choose(
        &mut self,
        session: &Session,
        database: &Database,
    ) -> Result<Option<Self::Confirmed>> {
        let store = session.open_metadata_at(database)?;
        let catalog = Catalog::load(store.snapshot())?;
        drop(store);
        self.engine = EngineFolder::list(&self.engine.path)?;
        let buckets = self.options.candidates(&self.engine, &catalog);
        let number = self.engine.shards_of(&buckets);
        let bar = Bar::items(session.ui(), "reading shards", number);
        self.engine.read(&buckets, &|done| bar.at(done))?;
        Ok(None)
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        self.engine.is_unchanged()?;
        plan(store.snapshot, &self.options, &self.engine, &store.now)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.adopted.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(plan.org.as_ref().map(|(_, org)| question(plan, org)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        let described = plan.adopted.iter().map(Described::from);
        Ok((plan.org.clone(), described.collect()))
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
            org: plan.org.as_ref().map(|(_, name)| name.as_str()),
            adopted: &plan.adopted,
            skipped: &plan.skipped,
            unread: UnreadFiles::from(&self.engine.flaws),
            engine: &self.engine.path,
        })
    }
}

/// Everything about a bucket that the user confirms: its ID and name, the numbers and the ranges of
/// its groups, and its retention.
#[derive(PartialEq, Eq)]
pub struct Described {
    id: Id,
    name: String,
    groups: Vec<(u64, i64, i64, u64)>,
    retention: i64,
}

impl From<&Adopted> for Described {
    fn from(bucket: &Adopted) -> Self {
        let groups = bucket.groups.iter().map(|group| {
            let shard = group.shards.first().map_or(0, |shard| shard.id);
            (group.id, group.start_time, group.end_time, shard)
        });
        Self {
            id: bucket.id,
            name: bucket.name.clone(),
            groups: groups.collect(),
            retention: bucket.retention_seconds,
        }
    }
}

/// The question. It lists the buckets.
fn question(plan: &Plan, org: &str) -> String {
    let mut texts: Vec<String> = plan.adopted.iter().take(MOST_ASKED).map(named).collect();
    let more = plan.adopted.len().saturating_sub(MOST_ASKED);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    format!(
        "Add {} to organization {}: {}? influxd will serve their points, and keep them until you \
         set a retention.",
        counted(plan.adopted.len() as u64, "bucket"),
        printable(&format!("{org:?}")),
        texts.join(", ")
    )
}

/// One bucket as text.
fn named(bucket: &Adopted) -> String {
    format!(
        "{} ({}, {}, {} to {})",
        printable(&format!("{:?}", bucket.name)),
        bucket.id,
        counted(bucket.shards.len() as u64, "shard"),
        bucket.from,
        bucket.to
    )
}

/// The report of `bucket adopt`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if unknown.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    adopted: &'a [Adopted],
    skipped: &'a [Skipped],
    #[serde(flatten)]
    unread: UnreadFiles<'a>,
    #[serde(skip)]
    engine: &'a Path,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let buckets = counted(self.adopted.len() as u64, "bucket");
        match self.org {
            None => {
                let engine = printable(&self.engine.display().to_string());
                let text = format!("nothing to do: no bucket in {engine} can be adopted");
                let all_known = "every bucket with points in";
                let text = match self.skipped.is_empty() {
                    true => format!("nothing to do: the store has {all_known} {engine}"),
                    false => text,
                };
                write_wrapped(out, "", 0, &text)?;
            }
            Some(org) if self.dry_run => writeln!(
                out,
                "would add {buckets} to organization {}; {NOTHING_CHANGED}",
                printable(org)
            )?,
            Some(org) => writeln!(out, "added {buckets} to organization {}", printable(org))?,
        }
        self.write_adopted(out)?;
        if !self.skipped.is_empty() {
            writeln!(out, "\nNot adopted:")?;
        }
        for skipped in self.skipped {
            let reason = printable(&skipped.reason);
            let text = format!("{}: {reason}", printable(&skipped.id));
            write_wrapped(out, "  ", 4, &text)?;
        }
        self.unread.write(out)
    }
}

impl Report<'_> {
    fn write_adopted(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.adopted.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        // Dates, so that the lines fit a narrow terminal.
        let date = |time: &str| time.get(..10).unwrap_or(time).to_owned();
        let mut table = Table::new(&["ID", "Name", "Shards", "From", "To"], true);
        for bucket in self.adopted {
            table.row([
                &bucket.id.to_string(),
                &bucket.name,
                &bucket.shards.len().to_string(),
                &date(&bucket.from),
                &date(&bucket.to),
            ]);
        }
        table.write(out)?;
        writeln!(out)?;
        for bucket in self.adopted {
            if !bucket.empty.is_empty() {
                let text = format!(
                    "{}: {} not added; there are no points in it, or none that can be read",
                    bucket.id,
                    listed(&bucket.empty)
                );
                write_wrapped(out, "", 2, &text)?;
            }
            if !bucket.overlapping.is_empty() {
                let text = format!(
                    "{}: {} has points of the same time as an earlier shard; influxd shows the \
                     points of both",
                    bucket.id,
                    listed(&bucket.overlapping)
                );
                write_wrapped(out, "", 2, &text)?;
            }
        }
        if self
            .adopted
            .iter()
            .any(|bucket| bucket.retention_seconds == 0)
        {
            let text = "the old retention is not known, so influxd keeps all points; influx \
                        bucket update --id ID --retention DURATION sets it";
            write_wrapped(out, "", 0, text)?;
        }
        Ok(())
    }
}
