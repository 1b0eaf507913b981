//! `boltkey hash`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{changed, changed_meanwhile, ended};
use crate::cli::commands::capture::FormatArg;
use crate::cli::commands::token::hash::VariantArg;
use crate::cli::exit::Outcome;
use crate::cli::session::Database;
use crate::cli::session::Session;
use crate::cli::terminal::progress::Bar;
use crate::cli::terminal::prompt::{confirm, text};
use crate::cli::terminal::sealing::SealArgs;
use crate::cli::terminal::table::Table;
use crate::cli::terminal::ui::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Variant;
use crate::metadata::embedded::Embedded;
use crate::ops::capture::first::{CaptureFirst, Captured};
use crate::ops::commit::{SideFiles, sound_structure};
use crate::ops::hash::{Numbers, Options, Plan, Proof, TokenAction, actions, plan};
use crate::ops::residue::siblings::{Sibling, look_beside};
use crate::ops::timestamp::Timestamp;

/// What stands below the long help.
const AFTER_HELP: &str = "\
InfluxDB 2.9 does this by itself when it starts, in batches, without asking, and leaves thousands
of the old tokens readable in unused parts of the file. Here it is one change: before it the store
is as it was, after it every token works by its hash and none can be read. Whoever needs a token's
value again needs the capture.

EXAMPLES
  What would happen to whom:
      boltkey hash --db influxd.bolt --dry-run
  Put the tokens away, encrypted for a key of age-keygen, then hash:
      boltkey hash --db influxd.bolt --capture tokens.age --recipient age1...
  Run again after it was interrupted, with the same capture:
      boltkey hash --db influxd.bolt --capture tokens.age --identity key.txt";

/// Options of `hash`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub struct HashArgs {
    /// The hash function; sha256 is what influxd itself writes, sha512 works after its next start
    #[arg(long, value_name = "VARIANT", default_value = "sha256")]
    variant: VariantArg,
    /// Put every token into this file first, also those that only unused parts of the database
    /// still show; new and readable by its owner only, or there already with all of them in it
    #[arg(long, value_name = "FILE", conflicts_with = "no_capture")]
    capture: Option<PathBuf>,
    /// Put the tokens nowhere: nobody can read them afterwards
    #[arg(long)]
    no_capture: bool,
    /// The format of the capture
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        requires = "capture"
    )]
    format: FormatArg,
    #[command(flatten)]
    seal: SealArgs,
    /// The age key that opens a capture which is there already
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Leave what unused parts of the file show of the old tokens
    #[arg(long)]
    keep_residue: bool,
}

/// Runs `hash`.
///
/// # Errors
/// As the operation, and when a question is not answered with yes.
pub fn run(args: HashArgs, session: &Session) -> Result<Outcome> {
    let database = session.database()?;
    let options = Options {
        variant: args.variant.into(),
        keep_residue: args.keep_residue,
    };
    let capture = capture_first(&args, session)?;
    let now = Timestamp::from(&Zoned::now());
    if session.dry_run() {
        return rehearse(session, &database, options, capture.as_ref(), &now);
    }
    session.may_write(&database)?;
    let mut asked = None;
    if !session.yes() {
        // Asked before the lock is taken; influxd gives up on it after a second.
        let store = session.open_metadata_at(&database)?;
        let first = plan(store.snapshot(), store.inspect(), options, &now)
            .map_err(|error| error.about(database.path()))?;
        drop(store);
        if !first.numbers.nothing_to_do {
            let question = question(&first.numbers, options, capture.as_ref(), &database);
            confirm(false, &question)?;
        }
        asked = Some(first.numbers);
    }
    if let Some(copy) = session.keep_copy() {
        session.ui().warning(&format!(
            "the copy {} holds every token in plaintext",
            copy.display()
        ));
    }

    let mut store = session.open_writable(&database)?;
    let working = Bar::working(session.ui(), "hashing");
    let plan = plan(&store, &store, options, &now).map_err(|error| error.about(database.path()))?;
    if asked.is_some_and(|numbers| numbers != plan.numbers) {
        return Err(changed_meanwhile(&database));
    }
    let mut report = Report::new(&plan, false);
    let kept = std::cell::Cell::new(None);
    let capturing = |store: &crate::store::WritableStore| match &capture {
        Some(capture) => {
            let captured = capture.ensure(store, &plan.recovered)?;
            if let Captured::Kept { encrypted } = captured {
                kept.set(Some(encrypted));
            }
            Ok(captured)
        }
        None => Ok(Captured::Nothing),
    };
    if plan.numbers.nothing_to_do {
        drop((store, working));
        report.changed = Some(false);
        report.look_beside(&plan, &database, capture.as_ref(), session);
        warn_of_residue(plan.numbers.residue, session);
        session.ui().report(&report)?;
        return Ok(Outcome::Done);
    }
    let side_files = SideFiles {
        keep_copy: session.keep_copy(),
        capture: Some(&capturing),
        ..SideFiles::default()
    };
    let (committed, proof) = plan.apply(&mut store, &side_files)?;
    drop((store, working));
    // Nothing is proved where something failed.
    let proof = committed.failure.is_none().then_some(proof);
    report.done(changed(&committed), proof);
    report.capture = capture.as_ref().map(|capture| CaptureReport {
        path: capture.path.display().to_string(),
        encrypted: kept.get().unwrap_or(capture.seal.is_closed()),
        kept: kept.get().is_some(),
    });
    report.look_beside(&plan, &database, capture.as_ref(), session);
    if let Some(proof) = proof.filter(|_| options.keep_residue) {
        warn_of_residue(proof.plaintext_remaining, session);
    }
    ended(session, session.ui().render(&report), committed)
}

/// Says that tokens are left, where they were to be left.
fn warn_of_residue(tokens: u64, session: &Session) {
    if tokens > 0 {
        session.ui().warning(&format!(
            "{} can still be read in unused parts of the file; boltkey residue scrub overwrites \
             them",
            counted(tokens, "plaintext token")
        ));
    }
}

/// Where the tokens go first; none for nowhere.
fn capture_first(args: &HashArgs, session: &Session) -> Result<Option<CaptureFirst>> {
    let path = match &args.capture {
        _ if args.no_capture && (args.seal.is_given() || args.identity.is_some()) => {
            return Err(Error::new(
                ErrorKind::Usage,
                "with --no-capture there is nothing to encrypt or to open",
            )
            .with_hint("give --capture FILE, or leave the key and the passphrase out"));
        }
        _ if args.no_capture => return Ok(None),
        Some(path) => path.clone(),
        None if session.dry_run() => return Ok(None),
        None => {
            let nobody = || {
                Error::new(
                    ErrorKind::Confirmation,
                    "whether the tokens are put away first has to be said, and nobody is there \
                     to be asked; nothing was changed",
                )
                .with_hint("give --capture FILE, or --no-capture to put them nowhere")
            };
            let answer = text(
                "Where do the tokens go before they are hashed? A new file, or none: ",
                nobody,
            )?;
            if answer == "none" {
                return Ok(None);
            }
            PathBuf::from(answer)
        }
    };
    if path == Path::new("-") {
        return Err(Error::new(
            ErrorKind::Usage,
            "--capture needs a file that stays: it is complete and on disk before anything is \
             changed",
        )
        .with_hint("boltkey capture --out - writes the tokens to standard output"));
    }
    let (seal, unseal) = args.seal.seal_and_unseal(args.identity.as_deref())?;
    Ok(Some(CaptureFirst {
        path,
        format: args.format.into(),
        seal,
        unseal,
    }))
}

fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(a).is_some_and(|a| real(b) == Some(a))
}

fn rehearse(
    session: &Session,
    database: &Database,
    options: Options,
    capture: Option<&CaptureFirst>,
    now: &Timestamp,
) -> Result<Outcome> {
    let store = session.open_metadata_at(database)?;
    let named = |error: Error| error.about(database.path());
    sound_structure(store.inspect()).map_err(named)?;
    let plan = plan(store.snapshot(), store.inspect(), options, now).map_err(named)?;
    if let Some(capture) = capture.filter(|_| !plan.numbers.nothing_to_do) {
        capture.could_be_made(store.snapshot(), &plan.recovered)?;
    }
    let mut report = Report::new(&plan, true);
    report.changed = Some(!plan.numbers.nothing_to_do);
    report.tokens = Some(actions(store.snapshot())?);
    report.hide_shown_tokens();
    drop(store);
    let side_files = SideFiles {
        keep_copy: session.keep_copy(),
        ..SideFiles::default()
    };
    side_files.could_be_made()?;
    report.look_beside(&plan, database, capture, session);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

fn question(
    numbers: &Numbers,
    options: Options,
    capture: Option<&CaptureFirst>,
    database: &Database,
) -> String {
    let path = printable(&database.path().display().to_string());
    let mut question = String::new();
    if numbers.migrates {
        question.push_str(
            "InfluxDB 2.7 and older will not start on the store until boltkey downgrade apply. ",
        );
    }
    if capture.is_none() && numbers.to_hash > 0 {
        question.push_str("The tokens are put nowhere: nobody can read them afterwards. ");
    }
    if numbers.recovered > 0 && !options.keep_residue {
        let tokens = counted(numbers.recovered, "hashed token");
        question.push_str(&match capture {
            None => format!(
                "Unused parts of the file show the last copy of {tokens}, which is destroyed. "
            ),
            Some(_) => format!("{tokens} that only unused parts of the file show go there too. "),
        });
    }
    let hashed = format!("Every token of {path} is hashed");
    question.push_str(&match numbers.to_hash {
        0 if options.keep_residue => format!("{hashed}; bring its records in order?"),
        0 => format!("{hashed}; overwrite what unused parts of it show?"),
        n => format!("Hash {} of {path}?", counted(n, "token")),
    });
    question
}

/// What was done, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    hashed: u64,
    already_hashed: u64,
    recovered: u64,
    without_token: usize,
    variant: Variant,
    residue_removed: u64,
    /// Null where it was not looked for: in a dry run, or when it failed.
    plaintext_remaining: Option<u64>,
    embedded: Vec<Embedded>,
    siblings: Vec<Sibling>,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    migrated: bool,
    revived: u64,
    stray_index_entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<CaptureReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<TokenAction>>,
    #[serde(skip)]
    dead: Vec<String>,
    /// Tokens that unused parts of the file show and are to show.
    #[serde(skip)]
    residue_kept: u64,
}

#[derive(Serialize)]
struct CaptureReport {
    path: String,
    encrypted: bool,
    /// It was there already and holds all tokens.
    kept: bool,
}

impl Report {
    fn new(plan: &Plan, dry_run: bool) -> Self {
        let numbers = &plan.numbers;
        Self {
            hashed: numbers.to_hash,
            already_hashed: numbers.already_hashed,
            recovered: numbers.recovered,
            without_token: plan.without_token.len(),
            variant: plan.options().variant,
            residue_removed: if plan.options().keep_residue {
                0
            } else {
                numbers.residue
            },
            plaintext_remaining: (!dry_run && numbers.nothing_to_do).then_some(numbers.residue),
            embedded: plan.embedded.iter().cloned().collect(),
            siblings: Vec::new(),
            changed: None,
            dry_run,
            migrated: numbers.migrates,
            revived: numbers.revived,
            stray_index_entries: numbers.stray_entries,
            capture: None,
            tokens: None,
            dead: plan.without_token.iter().map(ToString::to_string).collect(),
            residue_kept: numbers.residue,
        }
    }

    fn done(&mut self, changed: Option<bool>, proof: Option<Proof>) {
        self.changed = changed;
        self.plaintext_remaining = proof.map(|proof| proof.plaintext_remaining);
        if proof.is_none() {
            self.residue_removed = 0;
        }
    }

    /// A description that shows a token is not for the screen.
    fn hide_shown_tokens(&mut self) {
        for token in self.tokens.iter_mut().flatten() {
            let key = token.id.to_string();
            let shows = |place: &Embedded| place.bucket == "authorizationsv1" && place.key == key;
            if self.embedded.iter().any(shows) {
                token.description = String::from("(shows a token)");
            }
        }
    }

    /// Files beside the database, once its lock is free.
    fn look_beside(
        &mut self,
        plan: &Plan,
        database: &Database,
        capture: Option<&CaptureFirst>,
        session: &Session,
    ) {
        session.ui().warn(&plan.findings);
        let (mut siblings, findings) = look_beside(database.path());
        session.ui().warn(&findings);
        if let Some(capture) = capture {
            // It was asked for.
            let same = |path: &Path| same_file(path, &capture.path);
            siblings.retain(|sibling| !same(&sibling.path));
        }
        self.siblings = siblings;
    }

    fn what_was_done(&self, out: &mut dyn Write) -> io::Result<()> {
        let variant = self.variant.name();
        let hashed = counted(self.hashed, "token");
        let already = self.already_hashed;
        if self.changed == Some(false) {
            let are = match already {
                1 => String::from("1 token is"),
                _ => format!("{already} tokens are"),
            };
            let rest = match self.residue_kept {
                0 => String::from("and no unused part of the file shows one"),
                left => format!(
                    "but unused parts of the file still show {}, which --keep-residue leaves there",
                    counted(left, "plaintext token")
                ),
            };
            return write_wrapped(out, "", 2, &format!("nothing to do: {are} hashed, {rest}"));
        }
        let (verb, end) = match (self.dry_run, self.hashed) {
            (true, _) => ("would be hashed", "; nothing was changed"),
            (false, 1) => ("was hashed", ""),
            (false, _) => ("were hashed", ""),
        };
        writeln!(
            out,
            "{hashed} {verb} ({variant}); hashed already: {already}{end}"
        )?;
        if self.migrated {
            let becomes = if self.dry_run { "would become" } else { "is" };
            let text = format!(
                "the schema {becomes} 21: InfluxDB 2.8 and later start on it, 2.7 and older don't"
            );
            write_wrapped(out, "", 2, &text)?;
        }
        if let Some(capture) = &self.capture {
            let path = printable(&capture.path);
            let encrypted = if capture.encrypted { ", encrypted" } else { "" };
            if capture.kept {
                writeln!(out, "{path} holds all of them and is left as it is")?;
            } else {
                writeln!(out, "all of them are in {path}{encrypted}")?;
            }
        }
        Ok(())
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.what_was_done(out)?;
        let would = if self.dry_run { "would be " } else { "" };
        if self.changed == Some(true) && self.residue_removed > 0 {
            let more = counted(self.residue_removed, "more token");
            let text = format!(
                "unused parts of the file {} {more}, {} of them of hashed tokens; \
                 {would}overwritten",
                if self.dry_run { "show" } else { "showed" },
                self.recovered
            );
            write_wrapped(out, "", 2, &text)?;
        }
        if self.revived > 0 {
            let tokens = counted(self.revived, "hashed token");
            writeln!(out, "{tokens} had no index entry; {would}given one")?;
        }
        if self.stray_index_entries > 0 {
            writeln!(
                out,
                "index entries that lead nowhere: {}; {would}removed",
                self.stray_index_entries
            )?;
        }
        if self.changed == Some(true) && !self.dry_run {
            match self.plaintext_remaining {
                Some(0) => write_wrapped(
                    out,
                    "",
                    2,
                    "proved: every token is found by its hash; no token record, index or unused \
                     part of the file shows one",
                )?,
                Some(_) => writeln!(out, "proved: every token is found by its hash")?,
                None => {}
            }
        }
        if !self.dead.is_empty() {
            let text = format!("without any token, and dead: {}", self.dead.join(", "));
            write_wrapped(out, "", 2, &text)?;
        }
        for place in &self.embedded {
            let bucket = printable(&place.bucket);
            let record = match place.key.as_str() {
                "" => format!("a key of {bucket}"),
                key => format!("{bucket}/{}", printable(key)),
            };
            let text = format!(
                "still readable in a live record: {record} shows token {}",
                place.id
            );
            write_wrapped(out, "", 2, &text)?;
        }
        for sibling in &self.siblings {
            let text = format!(
                "still readable beside the database: {} shows {}",
                printable(&sibling.path.display().to_string()),
                counted(sibling.plaintext_tokens, "token")
            );
            write_wrapped(out, "", 2, &text)?;
        }
        if let Some(tokens) = &self.tokens {
            writeln!(out)?;
            let mut table = Table::new(&["ID", "What", "Description"], true);
            for token in tokens {
                let id = token.id.to_string();
                table.row([&id, token.action.name(), &token.description]);
            }
            table.write(out)?;
        }
        Ok(())
    }
}
