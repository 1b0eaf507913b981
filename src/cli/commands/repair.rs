//! `boltkey repair`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Next, View};
use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, printable, told, unchanged};
use crate::cli::terminal::unread_files::UnreadFiles;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::{Code, Repair as Done, counted};
use crate::metadata::Fingerprint;
use crate::ops::commit::SideFiles;
use crate::ops::files::one_set::named_sqlite;
use crate::ops::repair::{Cure, Deletion, EngineShards, Gain, Left, Needed, Options, Plan, plan};
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `repair`.
#[derive(Debug, Args)]
#[command(after_help = "\
Cures every finding of boltkey check that has one right answer, in one commit. What needs a
decision is left and listed with the reason. Tokens, users, organizations and buckets are never
deleted. Tasks, ownerships, mappings of 1.x databases and 1.x-compatible authorizations are deleted
if what they belong to no longer exists; the question names them. --dry-run shows the plan. A file
with damaged pages is refused: boltkey salvage makes a new store of what is left in it.

Exit code 0 means that nothing is left, 3 that something is left.")]
pub struct RepairArgs {
    /// Cure only findings of this code, as check prints it; repeatable
    #[arg(long, value_name = "CODE", value_parser = curable)]
    only: Vec<Code>,
    /// The engine folder of influxd [default: engine beside the database]
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
    /// The SQLite file of influxd [default: influxd.sqlite beside the database]
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
}

/// A code that `repair` cures.
fn curable(name: &str) -> std::result::Result<Code, String> {
    let code = Code::by_name(name).ok_or_else(|| {
        String::from("no finding has this code; boltkey check prints the code of each")
    })?;
    match code.repair() {
        Done::Cured => Ok(code),
        _ => Err(String::from(
            "repair does not cure findings of this code; boltkey explain shows what helps",
        )),
    }
}

/// Runs `repair`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: RepairArgs, session: &Session) -> Result<Outcome> {
    let engine = EngineShards::default();
    change::run(RepairStore { args, engine }, session)
}

struct RepairStore {
    args: RepairArgs,
    engine: EngineShards,
}

/// What is done, and the values that it replaces.
#[derive(PartialEq, Eq)]
struct Confirmed {
    repaired: Vec<Cure>,
    before: Fingerprint,
}

impl ChangeCommand for RepairStore {
    type Plan = Plan;
    type Confirmed = Confirmed;
    type Done = ();

    fn working(&self) -> Option<&'static str> {
        Some("repairing")
    }

    /// Reads the engine folder. That may take long, so it is done without a lock.
    fn choose(&mut self, session: &Session, database: &Database) -> Result<Option<Confirmed>> {
        let sqlite = self.args.sqlite_path.as_deref();
        sqlite.map_or(Ok(()), named_sqlite)?;
        let store = session.open_metadata_at(database)?;
        let needed = Needed::of(store.snapshot())?;
        drop(store);
        let named = self.args.engine_path.as_deref();
        self.engine = EngineShards::list(&needed, database.path(), named)?;
        let number = self.engine.number(&needed);
        let bar = Bar::items(session.ui(), "reading shards", number);
        self.engine.read(&needed, &|done| bar.at(done));
        Ok(None)
    }

    fn verify(&self, _: &View<'_>) -> Result<()> {
        // The plan refuses the damage that can't be repaired.
        Ok(())
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        let options = Options {
            only: self.args.only.iter().copied().collect(),
            sqlite_path: self.args.sqlite_path.as_deref(),
        };
        plan(
            store.snapshot,
            store.inspect,
            store.description,
            &self.engine,
            &options,
            &store.now,
        )
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.nothing_to_do() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn outcome(&self, plan: &Plan) -> Outcome {
        match plan.left.is_empty() {
            true => Outcome::Done,
            false => Outcome::No,
        }
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(plan.changes())
    }

    fn question(&self, plan: &Plan, database: &str) -> Result<Option<String>> {
        Ok(Some(question(&plan.repaired, database)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Confirmed> {
        Ok(Confirmed {
            repaired: plan.repaired.clone(),
            before: plan.before,
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
            repaired: &plan.repaired,
            left: &plan.left,
            unread: UnreadFiles::from(self.engine.flaws()),
            changed: ending.changed,
            dry_run: ending.dry_run,
        })
    }
}

/// The question. It names everything that is deleted.
fn question(repaired: &[Cure], database: &str) -> String {
    let mut text = format!(
        "Repair {} in {database}?",
        counted(repaired.len() as u64, "finding")
    );
    let gains = |gain| {
        let gaining = repaired.iter().filter(|cure| cure.gains == Some(gain));
        gaining.count() as u64
    };
    match gains(Gain::Accepted) {
        0 => {}
        1 => text.push_str(" 1 token that no server accepts now will be accepted again."),
        n => text.push_str(&format!(
            " {n} tokens that no server accepts now will be accepted again."
        )),
    }
    match gains(Gain::Permissions) {
        0 => {}
        n => text.push_str(&format!(
            " {} will get more permissions.",
            counted(n, "token")
        )),
    }
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    let mut entries = 0;
    for deletion in repaired.iter().filter_map(|cure| cure.deletes.as_ref()) {
        match deletion {
            Deletion::Named(name) if !seen.insert(name) => {}
            Deletion::Named(name) => named.push(name.clone()),
            Deletion::Entry => entries += 1,
        }
    }
    match entries {
        0 => {}
        1 => named.push(String::from("1 index entry that leads to nothing")),
        n => named.push(format!("{n} index entries that lead to nothing")),
    }
    if !named.is_empty() {
        text.push_str(&format!(" This deletes: {}.", printable(&named.join("; "))));
    }
    text
}

/// The report of `repair`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'p> {
    /// The findings that were cured.
    repaired: &'p [Cure],
    /// The findings that were left, and why.
    left: &'p [Left],
    /// Files of the engine folder.
    #[serde(flatten)]
    unread: UnreadFiles<'p>,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// At most this many findings of one code are shown as text. JSON has all.
const MOST_OF_A_CODE: usize = 20;

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let codes = self.repaired.iter().map(|cure| cure.code);
        each(codes, self.repaired, out, |cure, out| {
            writeln!(out, "{}  [{}]", printable(&cure.place), cure.code)?;
            let action = match self.dry_run {
                true => cure.conditional(),
                false => cure.action.clone(),
            };
            write_wrapped(out, "  ", 2, &printable(&action))?;
            write_wrapped(out, "    before: ", 12, &printable(&cure.before))?;
            write_wrapped(out, "    after:  ", 12, &printable(&cure.after))
        })?;
        if !self.left.is_empty() {
            writeln!(out, "{}:", told(self.dry_run, "Would be left", "Left"))?;
            let codes = self.left.iter().map(|left| left.code);
            each(codes, self.left, out, |left, out| {
                writeln!(out, "{}  [{}]", printable(&left.place), left.code)?;
                write_wrapped(out, "  ", 2, &printable(&left.message))?;
                write_wrapped(out, "    ", 4, &printable(&left.reason))
            })?;
        }
        if !self.unread.unread.is_empty() {
            self.unread.write(out)?;
            writeln!(out)?;
        }
        let would = self.dry_run && !self.repaired.is_empty();
        let left = match self.left.len() as u64 {
            0 => format!("nothing {} left", told(would, "would be", "is")),
            1 => format!("1 finding {} left", told(would, "would be", "is")),
            n => format!("{n} findings {} left", told(would, "would be", "are")),
        };
        let text = match (self.repaired.len() as u64, self.dry_run) {
            (0, _) => format!("nothing to repair; {left}"),
            (n, true) => format!(
                "{} would be cured; {left}{}",
                counted(n, "finding"),
                unchanged(true)
            ),
            (n, false) => format!("{} cured; {left}", counted(n, "finding")),
        };
        write_wrapped(out, "", 2, &text)
    }
}

/// Writes items, of each code only the first ones.
fn each<T>(
    codes: impl Iterator<Item = Code>,
    items: &[T],
    out: &mut dyn Write,
    mut write: impl FnMut(&T, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut counts = BTreeMap::<Code, usize>::new();
    for (code, item) in codes.zip(items) {
        let count = counts.entry(code).or_default();
        *count += 1;
        if *count <= MOST_OF_A_CODE {
            write(item, out)?;
        }
    }
    for (code, count) in counts {
        if let Some(more) = count.checked_sub(MOST_OF_A_CODE).filter(|more| *more > 0) {
            writeln!(out, "and {more} more  [{code}]")?;
        }
    }
    Ok(())
}
