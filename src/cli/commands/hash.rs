//! `boltkey hash`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{ChangeCommand, Ending, Look, Next, View, run_on};
use crate::cli::commands::capture::{FormatArg, is_open_to_others};
use crate::cli::commands::token::hash::VariantArg;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::encryption::SealArgs;
use crate::cli::terminal::prompt::text;
use crate::cli::terminal::report::{Human, printable, told, unchanged};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::token_numbers::embedded_text;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::embedded_tokens::Embedded;
use crate::metadata::{Fingerprint, Id, Variant};
use crate::ops::capture::before_change::{CaptureFile, CaptureFirst};
use crate::ops::commit::SideFiles;
use crate::ops::hash::{Numbers, Options, Plan, Proof, TokenAction, actions, plan_beside};
use crate::ops::residue::siblings::{Sibling, look_beside};
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Text after the help.
const AFTER_HELP: &str = "\
InfluxDB 2.9 hashes tokens when it starts, in several transactions and without
confirmation. It leaves old tokens readable in unused parts of the file. This
command hashes all tokens in one transaction and then overwrites the plaintext.
Afterwards, token values can only be read from the capture.

If it is interrupted, run it again with the same capture; --identity opens one
that is encrypted.";

/// Options of `hash`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct HashArgs {
    /// Hash function; influxd uses sha256 and accepts sha512 after its next start
    #[arg(long, value_name = "VARIANT", default_value = "sha256")]
    variant: VariantArg,
    /// Save every token to this file first, including tokens left in unused parts of the database;
    /// created with mode 0600, or an existing capture that holds all tokens
    #[arg(long, value_name = "FILE", conflicts_with = "no_capture")]
    capture: Option<PathBuf>,
    /// Don't save the tokens; their values are lost
    #[arg(long)]
    no_capture: bool,
    /// Format of the capture
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        requires = "capture"
    )]
    format: FormatArg,
    #[command(flatten)]
    seal: SealArgs,
    /// age private key file for an existing encrypted capture
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Keep old tokens in unused parts of the file
    #[arg(long)]
    keep_residue: bool,
}

/// Runs `hash`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: HashArgs, session: &Session) -> Result<Outcome> {
    let database = session.database_to_change()?;
    let options = Options {
        variant: args.variant.into(),
        keep_residue: args.keep_residue,
    };
    let capture = capture_first(&args)?;
    let (sql, unread) = SqlTokens::beside(database.path());
    session.ui().warn(unread.as_slice());
    let command = Hash {
        sql,
        args,
        options,
        capture,
        dry_run: session.dry_run(),
    };
    run_on(command, session, &database)
}

struct Hash {
    /// What the SQLite file beside the database shows.
    sql: SqlTokens,
    args: HashArgs,
    options: Options,
    /// The capture. None without one, or if it is not known yet.
    capture: Option<CaptureFirst>,
    dry_run: bool,
}

/// The plan, and additional data for the report of a dry run.
struct HashPlan {
    plan: Plan,
    /// The action for each record, in a dry run only.
    actions: Option<Vec<TokenAction>>,
    database: PathBuf,
}

/// The hashed and the destroyed tokens.
#[derive(PartialEq, Eq)]
struct Affected {
    numbers: Numbers,
    tokens: Fingerprint,
    without_token: Vec<Id>,
    embedded: BTreeSet<Embedded>,
}

/// Results of the commit.
struct Done {
    proof: Option<Proof>,
    capture: Option<CaptureFile>,
}

impl Hash {
    /// Whether neither `--capture` nor `--no-capture` was given.
    fn is_undecided(&self) -> bool {
        self.capture.is_none() && !self.args.no_capture && !self.dry_run
    }
}

impl ChangeCommand for Hash {
    type Plan = HashPlan;
    type Confirmed = Affected;
    type Done = Done;

    fn look(&self) -> Look {
        match self.is_undecided() {
            true => Look::Always,
            false => Look::ToAsk,
        }
    }

    fn working(&self) -> Option<&'static str> {
        Some("hashing")
    }

    fn plan(&self, store: &View<'_>) -> Result<HashPlan> {
        let plan = plan_beside(
            store.snapshot,
            store.inspect,
            self.options,
            &store.now,
            &self.sql,
        )?;
        let actions = match self.dry_run {
            true => Some(actions(store.snapshot, &plan)?),
            false => None,
        };
        Ok(HashPlan {
            plan,
            actions,
            database: store.description.path.clone(),
        })
    }

    fn next(&self, plan: &HashPlan) -> Next {
        match plan.plan.numbers.nothing_to_do {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn complete(&mut self, _: &Session, _: &HashPlan) -> Result<bool> {
        if !self.is_undecided() {
            return Ok(false);
        }
        match ask_for_capture()? {
            Some(path) => self.capture = Some(capture_at(path, &self.args)?),
            None => self.args.no_capture = true,
        }
        Ok(true)
    }

    fn edits<'p>(&self, _: &'p HashPlan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &HashPlan, database: &str) -> Result<Option<String>> {
        let numbers = &plan.plan.numbers;
        let has_capture = self.capture.is_some();
        Ok(Some(question(numbers, self.options, has_capture, database)))
    }

    fn confirmed(&self, plan: &HashPlan) -> Result<Affected> {
        let plan = &plan.plan;
        Ok(Affected {
            numbers: plan.numbers,
            tokens: plan.tokens,
            without_token: plan.without_token.clone(),
            embedded: plan.embedded.clone(),
        })
    }

    fn could_write(&self, session: &Session, store: &View<'_>, plan: &HashPlan) -> Result<()> {
        let side_files = self.side_files(session, plan);
        let capture = self.capture.as_ref();
        plan.plan.could_write(store.snapshot, &side_files, capture)
    }

    fn apply(
        &self,
        plan: &HashPlan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, Done)> {
        let hashed = plan.plan.apply(store, side_files, self.capture.as_ref())?;
        let done = Done {
            proof: hashed.proof,
            capture: hashed.capture,
        };
        Ok((hashed.committed, done))
    }

    fn report(
        &self,
        session: &Session,
        plan: &HashPlan,
        ending: &Ending<'_, Done>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let ui = session.ui();
        let mut report = Report::new(&plan.plan, ending.dry_run);
        report.changed = ending.changed;
        report.tokens.clone_from(&plan.actions);
        ui.warn(&plan.plan.findings);
        let capture = self.capture.as_ref().map(|capture| capture.path.as_path());
        let (siblings, findings) = look_beside(&plan.database, capture, &self.sql);
        ui.warn(&findings);
        report.siblings = siblings;
        if let Some(done) = ending.done {
            report.done(done, capture);
            if let (Some(file), Some(path)) = (&done.capture, capture)
                && file.kept
                && !file.encrypted
                && path
                    .metadata()
                    .is_ok_and(|metadata| is_open_to_others(&metadata))
            {
                ui.warning(&format!(
                    "other users can read {}, which contains every token in plaintext; run chmod 600 on it",
                    path.display()
                ));
            }
            if let Some(copy) = session.keep_copy() {
                ui.warning(&format!(
                    "the copy {} contains every token in plaintext",
                    copy.display()
                ));
            }
        }
        let left = match ending.done {
            Some(done) if self.options.keep_residue => done.proof,
            Some(_) => None,
            None => Some(Proof {
                plaintext_remaining: plan.plan.numbers.residue,
            }),
        };
        if let Some(proof) = left.filter(|_| !ending.dry_run) {
            warn_of_residue(proof.plaintext_remaining, session);
        }
        ui.render(&report)
    }
}

/// Warns about tokens left by `--keep-residue`.
fn warn_of_residue(tokens: u64, session: &Session) {
    if tokens > 0 {
        session.ui().warning(&format!(
            "{} left in unused parts of the file; boltkey residue scrub overwrites \
             them",
            counted(tokens, "plaintext token")
        ));
    }
}

/// The capture requested by the options. None without `--capture`.
fn capture_first(args: &HashArgs) -> Result<Option<CaptureFirst>> {
    if args.no_capture && (args.seal.is_given() || args.identity.is_some()) {
        return Err(Error::new(
            ErrorKind::Usage,
            "encryption options can't be combined with --no-capture",
        )
        .with_hint("use --capture FILE, or omit the key and the passphrase"));
    }
    match &args.capture {
        Some(path) => capture_at(path.clone(), args).map(Some),
        None => Ok(None),
    }
}

/// Asks for the capture file. None if the answer is "none".
fn ask_for_capture() -> Result<Option<PathBuf>> {
    let nobody = || {
        Error::new(
            ErrorKind::Confirmation,
            "--capture or --no-capture required, because standard input is not a terminal",
        )
        .with_hint("use --capture FILE to save the tokens, or --no-capture to discard their values")
    };
    let answer = text(
        "File to save the tokens to before hashing (new file, or none): ",
        nobody,
    )?;
    Ok((answer != "none").then(|| PathBuf::from(answer)))
}

fn capture_at(path: PathBuf, args: &HashArgs) -> Result<CaptureFirst> {
    if path == Path::new("-") {
        return Err(Error::new(
            ErrorKind::Usage,
            "--capture needs a file, because the capture must be on disk before the database \
             is changed",
        )
        .with_hint("boltkey capture --out - writes the tokens to standard output"));
    }
    let (seal, unseal) = args.seal.seal_and_unseal(args.identity.as_deref())?;
    Ok(CaptureFirst {
        path,
        format: args.format.into(),
        seal,
        unseal,
    })
}

/// `path` is escaped.
fn question(numbers: &Numbers, options: Options, has_capture: bool, path: &str) -> String {
    let mut question = String::new();
    if numbers.migrates {
        question.push_str(
            "InfluxDB 2.7 and older will not start on this store until boltkey downgrade apply. ",
        );
    }
    if !has_capture && numbers.to_hash > 0 {
        question.push_str("The tokens are not saved; their values will be lost. ");
    }
    if numbers.recovered > 0 && !options.keep_residue {
        let tokens = counted(numbers.recovered, "hashed token");
        question.push_str(&match has_capture {
            false => format!(
                "Unused parts of the file hold the last copy of {tokens}; it will be destroyed. "
            ),
            true => format!("{tokens} found in unused parts of the file will be saved too. "),
        });
    }
    let hashed = format!("Every token of {path} is already hashed");
    question.push_str(&match numbers.to_hash {
        0 if options.keep_residue => format!("{hashed}; repair its records and indexes?"),
        0 => format!("{hashed}; overwrite plaintext in unused parts of the file?"),
        n => format!("Hash {} of {path}?", counted(n, "token")),
    });
    question
}

/// The report of `hash`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Number of plaintext tokens that were replaced by their hashes.
    hashed: u64,
    /// Number of tokens that were hashed before.
    already_hashed: u64,
    /// Number of further tokens in the capture, which only unused parts of the file still showed.
    recovered: u64,
    /// Number of authorizations without a token.
    without_token: usize,
    /// The hash function.
    variant: Variant,
    /// Number of tokens that were overwritten in unused parts of the file.
    residue_removed: u64,
    /// Null if unknown: in a dry run, or when the check failed.
    plaintext_remaining: Option<u64>,
    /// Other live records that contain tokens. They are never edited.
    embedded: Vec<Embedded>,
    /// Files beside the database that hold plaintext tokens.
    siblings: Vec<Sibling>,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// Whether migration 21 was applied to a store at schema 20.
    migrated: bool,
    /// Number of tokens that were dead for lack of an index entry and work again.
    revived: u64,
    /// Number of index entries that held a token no record has, and were deleted.
    stray_index_entries: u64,
    /// The capture; only if one was written or kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<CaptureReport>,
    /// What is done with each authorization; only in a dry run or with `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<TokenAction>>,
    #[serde(skip)]
    dead: Vec<String>,
    /// Tokens left in unused parts of the file.
    #[serde(skip)]
    residue_kept: u64,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CaptureReport {
    /// Its path.
    path: String,
    /// Whether the file is encrypted with age.
    encrypted: bool,
    /// Whether an existing capture holds all tokens.
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

    fn done(&mut self, done: &Done, capture: Option<&Path>) {
        self.plaintext_remaining = done.proof.map(|proof| proof.plaintext_remaining);
        if done.proof.is_none() {
            self.residue_removed = 0;
        }
        let capture = capture.zip(done.capture);
        self.capture = capture.map(|(path, file)| CaptureReport {
            path: path.display().to_string(),
            encrypted: file.encrypted,
            kept: file.kept,
        });
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
                0 => String::from("and unused parts of the file contain none"),
                left => format!(
                    "but unused parts of the file still contain {} (--keep-residue)",
                    counted(left, "plaintext token")
                ),
            };
            return write_wrapped(out, "", 2, &format!("nothing to do: {are} hashed, {rest}"));
        }
        let (verb, end) = match (self.dry_run, self.hashed) {
            (true, _) => ("would be hashed", unchanged(true)),
            (false, 1) => ("was hashed", ""),
            (false, _) => ("were hashed", ""),
        };
        writeln!(
            out,
            "{hashed} {verb} ({variant}); already hashed: {already}{end}"
        )?;
        if self.migrated {
            let text = told(
                self.dry_run,
                "the schema would become 21: InfluxDB 2.8 and later would start on it, 2.7 and older \
                 would not",
                "the schema is 21: InfluxDB 2.8 and later start on it, 2.7 and older don't",
            );
            write_wrapped(out, "", 2, text)?;
        }
        if let Some(capture) = &self.capture {
            let path = printable(&capture.path);
            let encrypted = if capture.encrypted { ", encrypted" } else { "" };
            if capture.kept {
                writeln!(out, "{path} already contains all of them; kept unchanged")?;
            } else {
                writeln!(out, "all of them are saved in {path}{encrypted}")?;
            }
        }
        Ok(())
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.what_was_done(out)?;
        if self.changed == Some(true) && self.residue_removed > 0 {
            let more = counted(self.residue_removed, "more token");
            let text = format!(
                "unused parts of the file {} {more}, {} of them of hashed tokens; {}overwritten",
                told(self.dry_run, "contain", "contained"),
                self.recovered,
                told(self.dry_run, "they would be ", ""),
            );
            write_wrapped(out, "", 2, &text)?;
        }
        if self.revived > 0 {
            let tokens = counted(self.revived, "hashed token");
            let text = told(
                self.dry_run,
                "without an index entry, which would be added",
                "had no index entry; added",
            );
            writeln!(out, "{tokens} {text}")?;
        }
        if self.stray_index_entries > 0 {
            writeln!(
                out,
                "dangling index entries: {}; {}removed",
                self.stray_index_entries,
                told(self.dry_run, "they would be ", "")
            )?;
        }
        if self.changed == Some(true) && !self.dry_run {
            match self.plaintext_remaining {
                Some(0) => write_wrapped(
                    out,
                    "",
                    2,
                    "verified: every token is found by its hash; no plaintext token is left in token \
                     records, indexes or unused parts of the file",
                )?,
                Some(_) => writeln!(out, "verified: every token is found by its hash")?,
                None => {}
            }
        }
        if !self.dead.is_empty() {
            let text = format!("without a token, unusable: {}", self.dead.join(", "));
            write_wrapped(out, "", 2, &text)?;
        }
        for place in &self.embedded {
            let text = format!("still readable in a live record: {}", embedded_text(place));
            write_wrapped(out, "", 2, &text)?;
        }
        for sibling in &self.siblings {
            let text = format!(
                "still readable beside the database: {} contains {}",
                printable(&sibling.path.display().to_string()),
                counted(sibling.plaintext_tokens, "token")
            );
            write_wrapped(out, "", 2, &text)?;
        }
        if let Some(tokens) = &self.tokens {
            writeln!(out)?;
            let mut table = Table::new(&["ID", "Action", "Description"], true);
            for token in tokens {
                let id = token.id.to_string();
                table.row([&id, token.action.name(), &token.description]);
            }
            table.write(out)?;
        }
        Ok(())
    }
}
