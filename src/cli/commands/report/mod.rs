//! `boltkey report`.

pub mod document;
mod html;
mod json;
mod markdown;

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use jiff::{Timestamp, Unit};
use serde::Serialize;
use tempfile::SpooledTempFile;

use crate::cli::commands::report::document::{Document, Head, OverviewRow, Unread};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::report::{Human, printable};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::counted;
use crate::ops::doctor::Verdict;
use crate::ops::files::secret_output::OutputFile;
use crate::ops::report::in_order::in_order;
use crate::ops::report::overview::{Plaintext, Row};
use crate::ops::report::search::{Item, Search};
use crate::ops::report::{Options, report, status_of};

/// The name of the stream in messages.
const STDOUT: &str = "standard output";
/// Cells in the map of the pages of one store, and of each of many.
const MOST_CELLS: [u64; 2] = [2_048, 256];
/// Sections longer than this are kept in a temporary file until the head is written.
const MOST_IN_MEMORY: usize = 4 << 20;
/// Stores that could not be read and are named on standard error. The report names all.
const MOST_TOLD: usize = 5;

/// Options of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Stores and backups, and folders that are searched for them [default: discovered, see boltkey
    /// --help]
    #[arg(value_name = "STORE", value_hint = ValueHint::AnyPath, conflicts_with = "db")]
    stores: Vec<PathBuf>,
    /// Output file, which must not exist (- for standard output)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Output format; ndjson has one line for each store, as status --json prints it [default: by
    /// the ending of the file]
    #[arg(long, value_name = "FORMAT")]
    format: Option<FormatArg>,
}

/// The output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FormatArg {
    /// One page that needs nothing else
    Html,
    /// Markdown
    Md,
    /// One document
    Json,
    /// One status object on each line
    Ndjson,
}

impl FormatArg {
    fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "html" | "htm" => Self::Html,
            "md" | "markdown" => Self::Md,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Md => "md",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

impl ReportArgs {
    /// The format that is asked for.
    fn format(&self) -> Result<FormatArg> {
        self.format
            .or_else(|| FormatArg::of_path(&self.out))
            .ok_or_else(|| {
                let message = "the output format is not clear from the name of the output file";
                Error::new(ErrorKind::Usage, message)
                    .with_hint("pass --format html, md, json or ndjson")
            })
    }
}

/// Runs `report`.
///
/// # Errors
/// [`ErrorKind::Usage`] if the format is not clear; [`ErrorKind::NotFound`] when no store was given
/// or found; the errors of writing the output. A store that can't be read is a row of the report.
pub fn run(args: &ReportArgs, session: &Session) -> Result<Outcome> {
    let format = args.format()?;
    let mut output = Output::open(args, session)?;
    let operands = match args.stores.is_empty() {
        true => vec![session.database()?.path().to_path_buf()],
        false => args.stores.clone(),
    };
    let mut written = Written {
        out: args.out.clone(),
        format,
        stores: 0,
        unreadable: 0,
        verdicts: None,
        told: Vec::new(),
    };
    let bar = Bar::working(session.ui(), "reading stores");
    match format {
        FormatArg::Ndjson => lines(operands, session, &mut output, &mut written)?,
        FormatArg::Html => sections(&html::Page, operands, session, &mut output, &mut written)?,
        FormatArg::Md => {
            sections(
                &markdown::Markdown,
                operands,
                session,
                &mut output,
                &mut written,
            )?;
        }
        FormatArg::Json => sections(&json::Json, operands, session, &mut output, &mut written)?,
    }
    drop(bar);
    if written.stores == 0 {
        return Err(
            Error::new(ErrorKind::NotFound, "no store and no backup found").with_hint(
                "boltkey locate lists the stores of this host; boltkey status FILE says what a \
                 file is",
            ),
        );
    }
    let is_stdout = output.is_stdout;
    output.finish()?;
    for told in &written.told {
        session.ui().warning(told);
    }
    let more = written.unreadable.saturating_sub(written.told.len() as u64);
    if more > 0 {
        let stores = counted(more, "more store");
        session
            .ui()
            .warning(&format!("{stores} can't be read; the report says why"));
    }
    if !is_stdout {
        session.ui().report(&written)?;
    }
    Ok(match written.unreadable {
        0 => Outcome::Done,
        _ => Outcome::No,
    })
}

fn options(session: &Session, alone: bool) -> Options {
    let [one, many] = MOST_CELLS;
    Options {
        open: session.open_options(),
        previous: session.previous(),
        most_cells: if alone { one } else { many },
        now: Timestamp::now(),
    }
}

/// The result for one store; none for a file of another program.
type Answer<T> = Option<Result<T, Unread>>;

/// Calls `read` for a file that was found.
fn answer<T>(
    item: Item,
    read: impl FnOnce(&crate::ops::report::search::Found) -> Result<Option<T>>,
) -> Answer<T> {
    match item {
        Item::Nothing(path, error) => Some(Err(Unread::new(&path, &error))),
        Item::File(found) => match read(&found) {
            Ok(Some(report)) => Some(Ok(report)),
            Ok(None) => None,
            Err(error) => Some(Err(Unread::new(&found.path, &error))),
        },
    }
}

/// Writes one line for each store as soon as it is read.
fn lines(
    operands: Vec<PathBuf>,
    session: &Session,
    output: &mut Output,
    written: &mut Written,
) -> Result<()> {
    let options = options(session, true);
    let line = |item: Item| {
        answer(item, |found| match status_of(found, &options)? {
            Some(status) => json::to_json(&status).map(Some),
            None => Ok(None),
        })
    };
    in_order(Search::new(operands), &line, &mut |answer| {
        let Some(answer) = answer else { return Ok(()) };
        written.stores += 1;
        let mut line = match answer {
            Ok(line) => line,
            Err(unread) => {
                written.tell(&unread);
                json::to_json(&unread)?
            }
        };
        line.push(b'\n');
        output.write(&line)
    })
}

/// Writes a document: reads all stores, keeps their sections, and writes them after the head.
fn sections(
    document: &dyn Document,
    operands: Vec<PathBuf>,
    session: &Session,
    output: &mut Output,
    written: &mut Written,
) -> Result<()> {
    let mut items = Search::new(operands);
    let (first, second) = (items.next(), items.next());
    let alone = second.is_none();
    let options = options(session, alone);
    let items = first.into_iter().chain(second).chain(items);
    let mut head = Head {
        version: env!("CARGO_PKG_VERSION"),
        made: options
            .now
            .round(Unit::Second)
            .unwrap_or(options.now)
            .to_string(),
        alone,
        rows: Vec::new(),
    };
    let mut kept = SpooledTempFile::new(MOST_IN_MEMORY);
    let mut verdicts = Verdicts::default();
    let section = |(number, item): (usize, Item)| {
        answer(item, |found| {
            let Some(report) = report(found, &options)? else {
                return Ok(None);
            };
            let section = document.section(&report, number, alone)?;
            let row = report.row();
            Ok(Some((OverviewRow::Read { number, row }, section)))
        })
    };
    let mut is_first = true;
    in_order(items.enumerate(), &section, &mut |answer| {
        let Some(answer) = answer else { return Ok(()) };
        written.stores += 1;
        match answer {
            Ok((row, section)) => {
                if let Some(read) = row.read() {
                    verdicts.count(read.verdict);
                }
                let begin = if is_first {
                    document.skipped_at_first()
                } else {
                    0
                };
                is_first = false;
                let section = section.get(begin..).unwrap_or_default();
                kept.write_all(section)
                    .at("write", Path::new("a temporary file"))?;
                head.rows.push(row);
            }
            Err(unread) => {
                written.tell(&unread);
                head.rows.push(OverviewRow::Unread(unread));
            }
        }
        Ok(())
    })?;
    written.verdicts = Some(verdicts);
    if written.stores == 0 {
        return Ok(());
    }
    output.write(&document.begin(&head)?)?;
    kept.rewind().at("read", Path::new("a temporary file"))?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = kept
            .read(&mut buffer)
            .at("read", Path::new("a temporary file"))?;
        if length == 0 {
            break;
        }
        output.write(buffer.get(..length).unwrap_or_default())?;
    }
    output.write(&document.end())
}

/// Where the report goes.
struct Output {
    file: OutputFile,
    path: PathBuf,
    is_stdout: bool,
    /// Whether the reader of standard output is gone.
    is_closed: bool,
}

impl Output {
    fn open(args: &ReportArgs, session: &Session) -> Result<Self> {
        let is_stdout = args.out == Path::new("-");
        if is_stdout && session.ui().json() {
            return Err(Error::new(
                ErrorKind::Usage,
                "--json and --out - can't both write to standard output",
            )
            .with_hint("leave out --json, and use --format json for a report in JSON"));
        }
        if closed_stdout::is_named_by(&args.out) {
            closed_stdout::ensure_open()?;
        }
        let file = match is_stdout {
            true => OutputFile::to_stream(Box::new(io::stdout()), STDOUT),
            false => OutputFile::create_to_share(&args.out)?,
        };
        Ok(Self {
            file,
            path: args.out.clone(),
            is_stdout,
            is_closed: false,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let name = match self.is_stdout {
            true => Path::new(STDOUT),
            false => &self.path,
        };
        match self.file.write_all(bytes) {
            // As with every other report.
            Err(cause) if self.is_stdout && cause.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            result => result.at("write", name),
        }
    }

    fn finish(self) -> Result<()> {
        if !self.is_closed {
            self.file.finish()?;
        }
        Ok(())
    }
}

/// What was written.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Written {
    /// The file.
    out: PathBuf,
    /// Its format.
    format: FormatArg,
    /// How many stores it is about.
    stores: u64,
    /// How many of them could not be read.
    unreadable: u64,
    /// The verdicts about the others; none for `ndjson`.
    verdicts: Option<Verdicts>,
    /// The first ones that could not be read, as warnings.
    #[serde(skip)]
    told: Vec<String>,
}

impl Written {
    fn tell(&mut self, unread: &Unread) {
        self.unreadable += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(unread.error.message.clone());
        }
    }
}

/// Numbers of stores by verdict.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Verdicts {
    /// Number of stores without a warning.
    ok: u64,
    /// Number of stores with a warning and no failure.
    warn: u64,
    /// Number of stores with a failure.
    fail: u64,
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Ok => &mut self.ok,
            Verdict::Warn => &mut self.warn,
            Verdict::Fail => &mut self.fail,
        } += 1;
    }
}

impl Human for Written {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = printable(&self.out.display().to_string());
        let stores = counted(self.stores, "store");
        let mut parts = Vec::new();
        if let Some(Verdicts { ok, warn, fail }) = self.verdicts {
            let known = [
                (ok, Verdict::Ok),
                (warn, Verdict::Warn),
                (fail, Verdict::Fail),
            ];
            let known = known.iter().filter(|(number, _)| *number > 0);
            parts.extend(known.map(|(number, verdict)| format!("{number} {}", verdict.name())));
        }
        if self.unreadable > 0 {
            parts.push(format!("{} not read", self.unreadable));
        }
        let parts = match parts.is_empty() {
            true => String::new(),
            false => format!(": {}", parts.join(", ")),
        };
        writeln!(
            out,
            "wrote {path} ({}), {stores}{parts}",
            self.format.name()
        )
    }
}

/// The lines above the overview of many stores.
fn summary(rows: &[OverviewRow]) -> Vec<String> {
    let read = || rows.iter().filter_map(OverviewRow::read);
    let mut verdicts = Verdicts::default();
    read().for_each(|row| verdicts.count(row.verdict));
    let unread = rows.len() - read().count();
    let Verdicts { ok, warn, fail } = verdicts;
    let number = |wanted: &dyn Fn(&Row) -> bool| read().filter(|row| wanted(row)).count();
    let stores = counted(rows.len() as u64, "store");
    vec![
        format!("{stores}: {ok} OK, {warn} WARN, {fail} FAIL, {unread} not read"),
        format!(
            "{} without a usable operator token",
            number(&|row| row.operator_tokens.known() == Some(0))
        ),
        format!(
            "{} with tokens readable in plaintext",
            number(&|row| !row.plaintext.is_none())
        ),
    ]
}

/// The reasons for the same step that are not told.
fn and_more(more: u64) -> String {
    match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

/// How many operator tokens and logins open a store.
fn ways_in(row: &Row) -> String {
    let tokens = row.operator_tokens.of("token");
    let logins = row.operator_logins.of("login");
    match (row.operator_tokens.known(), row.operator_logins.known()) {
        (Some(0), Some(0)) => String::from("none"),
        _ => format!("{tokens}, {logins}"),
    }
}

/// Where tokens are readable, with their numbers.
fn plaintext_in_words(plaintext: &Plaintext) -> String {
    if plaintext.is_none() && !plaintext.records.hidden {
        return String::from("none");
    }
    let mut parts = Vec::new();
    if plaintext.records.hidden || plaintext.records.readable > 0 {
        parts.push(format!("{} in records", plaintext.records));
    }
    for (number, place) in [
        (plaintext.embedded, "in other records"),
        (plaintext.unused, "in unused bytes"),
        (plaintext.beside, "in files beside it"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {place}"));
        }
    }
    parts.join(", ")
}

/// A share of a whole, such as `12.5 %`.
fn percent(part: u64, whole: u64) -> String {
    // In thousandths. Neither is more than the number of pages of a file.
    let share = u128::from(part) * 1_000 / u128::from(whole.max(1));
    match (part, share) {
        (0, _) => String::from("0 %"),
        (_, 0) => String::from("< 0.1 %"),
        (_, share) => format!("{}.{} %", share / 10, share % 10),
    }
}

/// How long a bucket keeps points.
fn duration(seconds: i64) -> String {
    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    match seconds {
        0 => String::from("for ever"),
        s if s % DAY == 0 => counted((s / DAY).unsigned_abs(), "day"),
        s if s % HOUR == 0 => counted((s / HOUR).unsigned_abs(), "hour"),
        s => counted(s.unsigned_abs(), "second"),
    }
}

fn known_or_unknown(answer: Option<bool>) -> &'static str {
    match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_durations() {
        for (part, whole, text) in [
            (0, 10, "0 %"),
            (1, 100_000, "< 0.1 %"),
            (1, 8, "12.5 %"),
            (8, 8, "100.0 %"),
            (0, 0, "0 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
        for (seconds, text) in [
            (0, "for ever"),
            (86_400, "1 day"),
            (259_200, "3 days"),
            (7_200, "2 hours"),
            (90, "90 seconds"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn the_ending_of_a_file_is_its_format() {
        for (name, format) in [
            ("a.html", Some(FormatArg::Html)),
            ("a.HTM", Some(FormatArg::Html)),
            ("a.md", Some(FormatArg::Md)),
            ("a.json", Some(FormatArg::Json)),
            ("a.jsonl", Some(FormatArg::Ndjson)),
            ("a.ndjson", Some(FormatArg::Ndjson)),
            ("a.txt", None),
            ("-", None),
            ("html", None),
        ] {
            assert_eq!(FormatArg::of_path(Path::new(name)), format, "{name}");
        }
    }
}
