//! `boltkey salvage`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use jiff::Zoned;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, printable, told};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::salvage::Lost;
use crate::ops::salvage::{Options, Report, salvage};
use crate::ops::timestamp::Timestamp;

/// Options of `salvage`.
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// Output file, which must not exist; created with mode 0600
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Take records too that were deleted, or may have been
    #[arg(long)]
    lenient: bool,
}

/// Runs `salvage`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: SalvageArgs, session: &Session) -> Result<Outcome> {
    if session.previous() {
        return Err(Error::new(
            ErrorKind::Usage,
            "salvage reads the previous transaction by itself",
        )
        .with_hint("leave out --previous"));
    }
    let database = session.database()?;
    let options = Options {
        database: database.path().to_path_buf(),
        out: args.out,
        lenient: args.lenient,
        dry_run: session.dry_run(),
        open: session.open_options(),
    };
    let bar = Bar::counting(session.ui(), "salvaging");
    let at = |bytes| bar.at(bytes);
    let now = Timestamp::from(&Zoned::now());
    let report = salvage(&options, &now, &at, &at)?;
    drop(bar);
    session.ui().warn(&report.findings);
    session.ui().report(&report)?;
    Ok(if report.lost.is_empty() {
        Outcome::Done
    } else {
        Outcome::No
    })
}

/// At most this many lost parts are listed.
const MOST_LISTED: usize = 50;

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = printable(&self.out.display().to_string());
        if self.dry_run {
            writeln!(out, "would write {path}; nothing was written")?;
        } else {
            writeln!(
                out,
                "wrote {path}, a bolt store of {} bytes",
                self.size_bytes
            )?;
        }
        if self.sound {
            let text = told(
                self.dry_run,
                "The database has no damage that hides records: the new file would be a plain copy, \
                 as boltkey compact makes it.",
                "The database has no damage that hides records: the new file is a plain copy, as \
                 boltkey compact makes it.",
            );
            write_wrapped(out, "", 0, text)?;
        } else {
            self.write_sources(out)?;
        }
        self.write_buckets(out)?;
        self.write_tokens(out)?;
        self.write_made(out)?;
        self.write_lost(out)
    }
}

impl Report {
    fn write_sources(&self, out: &mut dyn Write) -> io::Result<()> {
        let sources = &self.sources;
        let damage = match sources.damage {
            0 => String::from("its tree is complete"),
            places => format!("its tree is damaged in {}", counted(places, "place")),
        };
        let state = match (sources.transaction, sources.root) {
            (Some(transaction), _) => format!("transaction {transaction}; {damage}"),
            (None, Some(root)) => {
                format!("found without meta pages, with its root on page {root}; {damage}")
            }
            (None, None) => String::from("none can be found; the records are from single pages"),
        };
        write_wrapped(out, "State:   ", 9, &state)?;
        if sources.based_on_previous {
            let text = "the last transaction was written only in part, so the records of the one \
                        before count first";
            write_wrapped(out, "         ", 9, text)?;
        }
        if let Some(other) = &sources.other {
            let damage = match other.damage {
                0 => String::from("complete"),
                places => format!("damaged in {}", counted(places, "place")),
            };
            let text = match other.transaction {
                Some(transaction) => format!("transaction {transaction}, {damage}"),
                None => format!("the one with its root on page {}, {damage}", other.root),
            };
            write_wrapped(out, "Other:   ", 9, &text)?;
        }
        Ok(())
    }

    fn write_buckets(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = ["BUCKET", "RECORDS", "TREE", "PREVIOUS", "PAGES", "DOUBTFUL"];
        let mut table = Table::new(&columns, true);
        for bucket in &self.buckets {
            let [records, tree, previous, pages, doubtful] = [
                bucket.records,
                bucket.from_tree,
                bucket.from_previous,
                bucket.from_pages,
                bucket.doubtful,
            ]
            .map(|number| number.to_string());
            table.row([&bucket.name, &records, &tree, &previous, &pages, &doubtful]);
        }
        writeln!(out)?;
        table.write(out)?;
        writeln!(out)
    }

    fn write_tokens(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = &self.tokens;
        let mut text = counted(tokens.found, "authorization");
        if tokens.doubtful > 0 {
            text.push_str(&format!(", {} of them doubtful", tokens.doubtful));
        }
        write_wrapped(out, "Tokens:  ", 9, &text)?;
        if tokens.with_value > 0 {
            let tokens = counted(tokens.with_value, "token");
            let text = format!(
                "{tokens} without a record can still be read in the damaged file: boltkey capture \
                 --out FILE saves them from it"
            );
            write_wrapped(out, "         ", 9, &text)?;
        }
        if self.recoverable_left > 0 {
            let text = format!(
                "the new file {} contain the {} left in unused parts of the database; boltkey residue \
                 recover --out FILE recovers them from it",
                told(self.dry_run, "would not", "does not"),
                counted(self.recoverable_left, "lost token")
            );
            write_wrapped(out, "         ", 9, &text)?;
        }
        Ok(())
    }

    fn write_made(&self, out: &mut dyn Write) -> io::Result<()> {
        let made = &self.made;
        let parts: Vec<String> = [
            (
                made.owners,
                "user or organization",
                "users and organizations",
            ),
            (made.index_entries, "index entry", "index entries"),
            (made.system_buckets, "system bucket", "system buckets"),
            (
                made.time_series,
                "bucket's time-series metadata",
                "buckets' time-series metadata",
            ),
            (made.migrations, "migration", "migrations"),
        ]
        .into_iter()
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, more)| format!("{number} {}", if number == 1 { one } else { more }))
        .collect();
        if !parts.is_empty() {
            write_wrapped(out, "Made:    ", 9, &parts.join(", "))?;
        }
        if self.left_out > 0 {
            let text = match self.left_out {
                1 => {
                    String::from("1 record that was deleted, or may have been; --lenient takes it")
                }
                more => format!(
                    "{more} records that were deleted, or may have been; --lenient takes them"
                ),
            };
            write_wrapped(out, "Left:    ", 9, &text)?;
        }
        Ok(())
    }

    fn write_lost(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.lost.is_empty() {
            let was = told(self.dry_run, "would be", "was");
            return writeln!(out, "ok: nothing {was} lost");
        }
        writeln!(out, "LOST:")?;
        for lost in self.lost.iter().take(MOST_LISTED) {
            write_wrapped(out, "  ", 4, &line(lost))?;
        }
        let more = self.lost.len().saturating_sub(MOST_LISTED) as u64;
        if more > 0 {
            writeln!(out, "  and {more} more; --json lists all")?;
        }
        writeln!(
            out,
            "NOT ok: {} {}lost",
            counted(self.lost.len() as u64, "part"),
            told(self.dry_run, "would be ", "")
        )
    }
}

fn line(lost: &Lost) -> String {
    let mut place = lost.bucket.clone().unwrap_or_default();
    if let Some(id) = &lost.id {
        place.push('/');
        place.push_str(id);
    }
    if let Some(name) = &lost.name {
        place.push_str(&format!(" {name:?}"));
    }
    if let (true, Some(page)) = (place.is_empty(), lost.page) {
        place = format!("page {page}");
    }
    let reason = &lost.reason;
    printable(&match place.is_empty() {
        true => reason.clone(),
        false => format!("{place}: {reason}"),
    })
}
