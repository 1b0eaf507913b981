//! `boltkey diff`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::style::{bad, caution, good};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::differences::{Change, How, Kind};
use crate::ops::diff::{Compared, Diff, Operand, diff, open};

/// At most this many differences of one kind are printed without `--verbose`.
const MOST_OF_A_KIND: usize = 50;

/// Options of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// First store or backup; with --previous, its previous transaction is read
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    first: Option<PathBuf>,
    /// Second store or backup [default with --previous: the first]
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    second: Option<PathBuf>,
    /// Read the previous transaction of the second store
    #[arg(long, requires = "second")]
    previous_of_second: bool,
}

/// Runs `diff`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written;
/// [`ErrorKind::Usage`] without a second store.
pub fn run(args: DiffArgs, session: &Session) -> Result<Outcome> {
    let previous = [session.previous(), args.previous_of_second];
    let [before, after] = match (args.first, args.second) {
        (Some(first), Some(second)) => [first, second],
        (Some(first), None) if session.previous() => [first.clone(), first],
        (None, _) if session.previous() => {
            let database = session.database()?.path().to_path_buf();
            [database.clone(), database]
        }
        _ => {
            return Err(
                Error::new(ErrorKind::Usage, "diff needs two stores or backups").with_hint(
                    "boltkey diff A B compares two; boltkey diff --previous A shows what the last \
                 transaction of one changed",
                ),
            );
        }
    };
    let [before_previous, after_previous] = previous;
    let before = Operand {
        path: &before,
        previous: before_previous,
    };
    let after = Operand {
        path: &after,
        previous: after_previous,
    };
    let options = session.open_options();
    let stores = [open(&before, &options)?, open(&after, &options)?];
    for store in &stores {
        session.is_readable(store)?;
        session.ui().warn(store.notices());
    }
    let [before, after] = stores;
    let mut report = diff(&before, &after, previous)?;
    drop((before, after));
    session.ui().warn(&report.before.skipped);
    session.ui().warn(&report.after.skipped);
    report.list_all = session.ui().verbose();
    session.ui().report(&report)?;
    Ok(match report.equal {
        Some(true) => Outcome::Done,
        Some(false) | None => Outcome::No,
    })
}

impl Human for Diff {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_store("A: ", &self.before, out)?;
        write_store("B: ", &self.after, out)?;
        for of_kind in self.changes.chunk_by(|a, b| a.kind == b.kind) {
            let Some(first) = of_kind.first() else {
                continue;
            };
            writeln!(out, "\n{}", heading(first.kind))?;
            let most = match self.list_all {
                true => usize::MAX,
                false => MOST_OF_A_KIND,
            };
            for change in of_kind.iter().take(most) {
                write_change(change, out)?;
            }
            if let Some(more) = of_kind.len().checked_sub(most).filter(|more| *more > 0) {
                writeln!(
                    out,
                    "  and {} (--verbose lists them)",
                    counted(more as u64, "more difference")
                )?;
            }
        }
        writeln!(out)?;
        let number = counted(self.changes.len() as u64, "difference");
        match self.equal {
            Some(true) => {
                writeln!(out, "{}", good("no differences"))?;
                self.explain_equal(out)?;
            }
            Some(false) => writeln!(out, "{number}")?,
            None => writeln!(out, "{}", caution("no differences in what can be read"))?,
        }
        if self.incomplete.is_empty() {
            return Ok(());
        }
        let kinds: Vec<&str> = self.incomplete.iter().map(|kind| noun(*kind)).collect();
        let text = format!(
            "damage hides {}; boltkey check A and boltkey check B show where",
            kinds.join(", ")
        );
        write_wrapped(out, &format!("{}: ", caution("incomplete")), 2, &text)
    }
}

impl Diff {
    /// Says why the previous transaction of a store may be equal to the current one.
    fn explain_equal(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.before.previous || self.before.path != self.after.path {
            return Ok(());
        }
        let text = "If the last change is by boltkey, there is no previous state: it writes each \
                    change to both meta pages. Its changes show in a diff with a copy from before, \
                    such as that of --keep-copy.";
        write_wrapped(out, "", 0, text)
    }
}

fn write_store(label: &str, store: &Compared, out: &mut dyn Write) -> io::Result<()> {
    let previous = if store.previous {
        ", previous transaction"
    } else {
        ""
    };
    let text = format!(
        "{} ({}, schema {}{previous})",
        printable(&store.path.display().to_string()),
        store.engine.name(),
        store.migrations
    );
    write_wrapped(out, label, label.len(), &text)
}

/// Writes one difference: a sign, what it is about, and how it differs.
fn write_change(change: &Change, out: &mut dyn Write) -> io::Result<()> {
    let sign = match change.how {
        How::Added => good("+"),
        How::Removed => bad("-"),
        How::Unknown => caution("?"),
        _ => caution("~"),
    };
    let id = change.id.as_deref().unwrap_or_default();
    let subject = match (id, change.name.as_str()) {
        ("", name) => printable(name),
        (id, "") => printable(id),
        (id, name) => format!("{}  {}", printable(id), printable(name)),
    };
    let start = format!("  {sign} ");
    let shown = |text: &Option<String>| printable(text.as_deref().unwrap_or_default());
    let (before, after) = (shown(&change.before), shown(&change.after));
    let text = match change.how {
        How::Added if after.is_empty() => subject,
        How::Added => format!("{subject}: {after}"),
        How::Removed if before.is_empty() => subject,
        How::Removed => format!("{subject}: {before}"),
        How::Unknown => format!("{subject}: {}", unknown(change)),
        How::Value => format!("{subject}: another token"),
        How::ValueUnknown => format!("{subject}: other hash function, may be another token"),
        How::Permissions => format!("{subject}: permissions{}", lists(&before, &after)),
        How::Changed if before.is_empty() && after.is_empty() => format!("{subject}: changed"),
        How::ShardGroups => format!("{subject}: {before} -> {after}"),
        how @ (How::Description | How::Name) => {
            format!("{subject}: {} \"{before}\" -> \"{after}\"", field(how))
        }
        how => format!("{subject}: {} {before} -> {after}", field(how)),
    };
    let text = match &change.records {
        None => text,
        Some(records) => {
            let numbers = [
                (records.added, "added"),
                (records.removed, "removed"),
                (records.changed, "changed"),
            ];
            let numbers: Vec<String> = numbers
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, word)| format!("{number} {word}"))
                .collect();
            format!("{}: {}", printable(&change.name), numbers.join(", "))
        }
    };
    write_wrapped(out, &start, 4, &text)
}

fn unknown(change: &Change) -> String {
    let summary = change.before.as_ref().or(change.after.as_ref());
    let only = match (&change.before, &change.after) {
        (Some(_), None) => "in A, and perhaps hidden in B",
        _ => "in B, and perhaps hidden in A",
    };
    match summary {
        Some(summary) => format!("{}, {only}", printable(summary)),
        None => String::from(only),
    }
}

fn lists(before: &str, after: &str) -> String {
    let list = |sign: &str, text: &str| match text {
        "" => String::new(),
        text => format!(" {sign} {text}"),
    };
    format!("{}{}", list("without", before), list("with", after))
}

fn field(how: How) -> &'static str {
    match how {
        How::Storage => "stored as",
        How::Status => "status",
        How::Description => "description",
        How::User => "owner",
        How::Organization => "organization",
        How::Name => "name",
        How::Retention => "retention",
        How::ShardGroupDuration => "shard group duration",
        How::Bucket => "bucket",
        How::Default => "default",
        How::Added
        | How::Removed
        | How::Unknown
        | How::Value
        | How::ValueUnknown
        | How::Permissions
        | How::ShardGroups
        | How::Changed => "",
    }
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Token => "Tokens:",
        Kind::User => "Users:",
        Kind::Password => "Passwords:",
        Kind::Org => "Organizations:",
        Kind::Bucket => "Buckets:",
        Kind::Mapping => "Owners and members:",
        Kind::V1Auth => "1.x access:",
        Kind::V1Password => "1.x passwords:",
        Kind::Dbrp => "1.x databases:",
        Kind::Migration => "Migrations:",
        Kind::Shards => "Time-series metadata:",
        Kind::Finding => "Findings (+ appeared, - gone):",
        Kind::Records => "Other records:",
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Token => "tokens",
        Kind::User => "users",
        Kind::Password => "passwords",
        Kind::Org => "organizations",
        Kind::Bucket => "buckets",
        Kind::Mapping => "owners and members",
        Kind::V1Auth => "1.x access",
        Kind::V1Password => "1.x passwords",
        Kind::Dbrp => "1.x databases",
        Kind::Migration => "migrations",
        Kind::Shards => "time-series metadata",
        Kind::Finding => "entries of indexes",
        Kind::Records => "other records",
    }
}
