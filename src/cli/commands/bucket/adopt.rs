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
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::unread_files::UnreadFiles;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::tsm::ShardGroup;
use crate::metadata::{Catalog, Id, tsm};
use crate::ops::bucket::adopt::{Adopted, Extended, Plan, plan};
use crate::ops::bucket::adoptable::{Options, Skipped, Which};
use crate::ops::commit::SideFiles;
use crate::ops::files::engine_folder::{EngineFolder, listed, number_of};
use crate::ops::resolve::By;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Most buckets that the question lists.
const MOST_ASKED: usize = 20;

/// Text after the help.
const AFTER_HELP: &str = "\
The engine folder contains the points of each bucket under the bucket's ID.
influxd shows them only if its database has the bucket and the times of its
shards. This command reads the times from the files and adds both, in one
change. A bucket that the database has gets the shards that it lacks, as after
the loss of a newer database. The engine folder does not change.";

/// Options of `bucket adopt`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct AdoptArgs {
    /// IDs of the buckets, 16 hex digits each: the names of their folders
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<Id>,
    /// All buckets that the store does not know, except _tasks and _monitoring, and all shards that
    /// buckets of the store lack
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
    /// The organization, the buckets that are added, and those that get shards.
    type Confirmed = (Option<(Id, String)>, Vec<Described>, Vec<Described>);
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
        let data = tsm::load(store.snapshot())?.unwrap_or_default();
        drop(store);
        self.engine = EngineFolder::list(&self.engine.path)?;
        let wanted = self.options.candidates(&self.engine, &catalog, &data);
        let bar = Bar::items(session.ui(), "reading shards", number_of(&wanted));
        self.engine.read(&wanted, &|done| bar.at(done))?;
        Ok(None)
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        self.engine.is_unchanged()?;
        plan(store.snapshot, &self.options, &self.engine, &store.now)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.adopted.is_empty() && plan.extended.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(question(plan)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        let adopted = plan.adopted.iter().map(Described::from);
        let extended = plan.extended.iter().map(Described::from);
        Ok((plan.org.clone(), adopted.collect(), extended.collect()))
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
            extended: &plan.extended,
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
    /// 0 for a bucket of the store, which does not change.
    retention: i64,
}

impl From<&Adopted> for Described {
    fn from(bucket: &Adopted) -> Self {
        Self {
            id: bucket.id,
            name: bucket.name.clone(),
            groups: described(&bucket.groups),
            retention: bucket.retention_seconds,
        }
    }
}

impl From<&Extended> for Described {
    fn from(bucket: &Extended) -> Self {
        Self {
            id: bucket.id,
            name: bucket.name.clone(),
            groups: described(&bucket.groups),
            retention: 0,
        }
    }
}

fn described(groups: &[ShardGroup]) -> Vec<(u64, i64, i64, u64)> {
    let groups = groups.iter().map(|group| {
        let shard = group.shards.first().map_or(0, |shard| shard.id);
        (group.id, group.start_time, group.end_time, shard)
    });
    groups.collect()
}

/// The question. It lists the buckets.
fn question(plan: &Plan) -> String {
    let mut parts = Vec::new();
    if let Some((_, org)) = &plan.org {
        let buckets = plan.adopted.iter();
        let buckets = buckets.map(|one| named(&one.name, one.id, &one.shards, &one.from, &one.to));
        parts.push(format!(
            "Add {} to organization {}: {}? influxd will serve their points, and keep them until you \
             set a retention.",
            counted(plan.adopted.len() as u64, "bucket"),
            printable(&format!("{org:?}")),
            first(buckets)
        ));
    }
    if !plan.extended.is_empty() {
        let buckets = plan.extended.iter();
        let buckets = buckets.map(|one| named(&one.name, one.id, &one.shards, &one.from, &one.to));
        parts.push(format!(
            "Add shards to {} of the store: {}? influxd will serve their points.",
            counted(plan.extended.len() as u64, "bucket"),
            first(buckets)
        ));
    }
    let expired: u64 = plan.extended.iter().map(|bucket| bucket.expired).sum();
    if expired > 0 {
        parts.push(format!(
            "{} end before the retention of their buckets, so influxd will delete them.",
            match expired {
                1 => String::from("1 of these shards"),
                n => format!("{n} of these shards"),
            }
        ));
    }
    parts.join(" ")
}

/// The first ones as one text.
fn first(texts: impl ExactSizeIterator<Item = String>) -> String {
    let more = texts.len().saturating_sub(MOST_ASKED);
    let mut texts: Vec<String> = texts.take(MOST_ASKED).collect();
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts.join(", ")
}

/// One bucket as text.
fn named(name: &str, id: Id, shards: &[u64], from: &str, to: &str) -> String {
    format!(
        "{} ({id}, {}, {from} to {to})",
        printable(&format!("{name:?}")),
        counted(shards.len() as u64, "shard"),
    )
}

/// The report of `bucket adopt`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The organization that the buckets belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    /// The buckets that were made again.
    adopted: &'a [Adopted],
    /// Buckets of the store that get shards.
    #[serde(skip_serializing_if = "<[Extended]>::is_empty")]
    extended: &'a [Extended],
    /// Folders of the engine that were left.
    skipped: &'a [Skipped],
    /// Files of the engine folder that were not read.
    #[serde(flatten)]
    unread: UnreadFiles<'a>,
    #[serde(skip)]
    engine: &'a Path,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let buckets = counted(self.adopted.len() as u64, "bucket");
        let engine = printable(&self.engine.display().to_string());
        let would = match self.dry_run {
            true => "would add",
            false => "added",
        };
        let mut done = Vec::new();
        if let Some(org) = self.org {
            done.push(format!(
                "{would} {buckets} to organization {}",
                printable(org)
            ));
        }
        if !self.extended.is_empty() {
            let buckets = counted(self.extended.len() as u64, "bucket");
            done.push(format!("{would} shards to {buckets} of the store"));
        }
        match (done.is_empty(), self.skipped.is_empty()) {
            (true, true) => done.push(format!(
                "nothing to do: the store has every bucket with points in {engine}"
            )),
            (true, false) => done.push(format!(
                "nothing to do: no bucket in {engine} can be adopted"
            )),
            (false, _) if self.dry_run => done.push(NOTHING_CHANGED.into()),
            (false, _) => {}
        }
        write_wrapped(out, "", 0, &done.join("; "))?;
        let adopted = self.adopted.iter().map(Row::from);
        write_rows(adopted.collect(), self.dry_run, out)?;
        if self
            .adopted
            .iter()
            .any(|bucket| bucket.retention_seconds == 0)
        {
            let text = format!(
                "the old retention is not known, so influxd {} all points; influx bucket update --id \
                 ID --retention DURATION sets it",
                told(self.dry_run, "would keep", "keeps")
            );
            write_wrapped(out, "", 0, &text)?;
        }
        let extended = self.extended.iter().map(Row::from);
        write_rows(extended.collect(), self.dry_run, out)?;
        if !self.skipped.is_empty() {
            let heading = told(self.dry_run, "Would not be adopted", "Not adopted");
            writeln!(out, "\n{heading}:")?;
        }
        for skipped in self.skipped {
            let reason = printable(&skipped.reason);
            let text = format!("{}: {reason}", printable(&skipped.id));
            write_wrapped(out, "  ", 4, &text)?;
        }
        self.unread.write(out)
    }
}

/// What the report says of a bucket.
struct Row<'a> {
    id: Id,
    name: &'a str,
    shards: usize,
    from: &'a str,
    to: &'a str,
    expired: u64,
    empty: &'a [u64],
    overlapping: &'a [u64],
}

impl<'a> From<&'a Adopted> for Row<'a> {
    fn from(bucket: &'a Adopted) -> Self {
        Self {
            id: bucket.id,
            name: &bucket.name,
            shards: bucket.shards.len(),
            from: &bucket.from,
            to: &bucket.to,
            expired: 0,
            empty: &bucket.empty,
            overlapping: &bucket.overlapping,
        }
    }
}

impl<'a> From<&'a Extended> for Row<'a> {
    fn from(bucket: &'a Extended) -> Self {
        Self {
            id: bucket.id,
            name: &bucket.name,
            shards: bucket.shards.len(),
            from: &bucket.from,
            to: &bucket.to,
            expired: bucket.expired,
            empty: &bucket.empty,
            overlapping: &bucket.overlapping,
        }
    }
}

/// Writes a table of buckets, and what is odd about them.
fn write_rows(rows: Vec<Row<'_>>, dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    // Dates, so that the lines fit a narrow terminal.
    let date = |time: &str| time.get(..10).unwrap_or(time).to_owned();
    let mut table = Table::new(&["ID", "Name", "Shards", "From", "To"], true);
    for row in &rows {
        table.row([
            &row.id.to_string(),
            row.name,
            &row.shards.to_string(),
            &date(row.from),
            &date(row.to),
        ]);
    }
    table.write(out)?;
    writeln!(out)?;
    for row in &rows {
        let mut say = |text: String| write_wrapped(out, "", 2, &format!("{}: {text}", row.id));
        if !row.empty.is_empty() {
            say(format!(
                "{} {}not added; without points, or without any that can be read",
                listed(row.empty),
                told(dry_run, "would be ", "")
            ))?;
        }
        if !row.overlapping.is_empty() {
            say(format!(
                "{} has points of the same time as another shard; influxd {} the points of both",
                listed(row.overlapping),
                told(dry_run, "would show", "shows")
            ))?;
        }
        if row.expired > 0 {
            say(format!(
                "{} of the shards end before the retention of the bucket, so influxd {} them after \
                 its start",
                row.expired,
                told(dry_run, "would delete", "deletes")
            ))?;
        }
    }
    Ok(())
}
