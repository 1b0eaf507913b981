//! `boltkey capture verify`.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::commands::capture::is_open_to_others;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::encryption::{UnsealArgs, passphrase, unseal};
use crate::cli::terminal::report::{Human, Ui, printable};
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::style::{bad, caution, good};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Storage;
use crate::ops::capture::read::NAME_A_CAPTURE;
use crate::ops::capture::saved_values::SavedValues;
use crate::ops::capture::unseal::{Unseal, needs_passphrase};
use crate::ops::capture::verify::{Missing, Verified, verify};
use crate::ops::files::named_input::open_input;

/// The most tokens that the text lists; JSON lists all.
const MOST: usize = 50;

/// The start of the lines after the first one of a field.
const INDENT: usize = 11;

/// Text after the help.
const AFTER_HELP: &str = "\
Exit 0: the file opens and holds a value for every token of the store: for one
in plaintext the token itself, for a hashed one a value with that hash. Exit 3:
some are missing, or damage of the store may hide some. Exit 5: the file is
damaged. Lists of tokens and output of the influx CLI are read too.";

/// Options of `capture verify`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Capture in json, csv or env form, encrypted or not
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    key: UnsealArgs,
}

/// The report of `capture verify`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// The capture.
    file: PathBuf,
    /// The database.
    store: PathBuf,
    /// The comparison.
    #[serde(flatten)]
    verified: Verified,
}

/// Runs `capture verify`.
///
/// # Errors
/// The errors of the operation, and an error when the file can't be read.
pub fn run(args: &VerifyArgs, session: &Session) -> Result<Outcome> {
    let path = args.file.as_path();
    let name = path.display().to_string();
    let mut file = open(path)?;
    let metadata = file.metadata();
    let is_regular = metadata.as_ref().is_ok_and(Metadata::is_file);
    let is_open = metadata.is_ok_and(|metadata| is_open_to_others(&metadata));
    // Before the lock is taken.
    let (needs_passphrase, mut file) =
        needs_passphrase(&mut file, &name).map_err(|error| error.with_hint(NAME_A_CAPTURE))?;
    let unseal = keys(args, needs_passphrase)?;
    let mut saved = SavedValues::File {
        file: &mut file,
        name: &name,
        unseal: &unseal,
    };
    if !is_regular {
        saved = saved.ahead()?;
    }
    let store = session.open_damaged()?;
    let (snapshot, inspect) = (store.snapshot(), store.inspect());
    let (verified, findings) = verify(snapshot, inspect, saved)?;
    if verified.plaintext.readable + verified.hashed.readable == 0 {
        // If damage hides all records, an empty result would be wrong.
        session.is_readable(&store)?;
    }
    session.ui().warn(&findings);
    if !verified.encrypted && is_open && verified.tokens > 0 {
        warn_of_readers(path, session.ui());
    }
    let outcome = match verified.complete {
        Some(true) => Outcome::Done,
        Some(false) | None => Outcome::No,
    };
    let report = Report {
        file: args.file.clone(),
        store: store.description().path.clone(),
        verified,
    };
    session.ui().report(&report)?;
    Ok(outcome)
}

fn open(path: &Path) -> Result<File> {
    let file = open_input(path).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => error.with_hint("run the command as a user who may read it"),
        _ => error.with_hint(NAME_A_CAPTURE),
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let why = format!("{} is a folder", path.display());
        return Err(Error::new(ErrorKind::Refused, why).with_hint(NAME_A_CAPTURE));
    }
    Ok(file)
}

/// The keys that are given. Asks for the passphrase of a file that needs one, at a terminal.
fn keys(args: &VerifyArgs, needs_passphrase: bool) -> Result<Unseal> {
    let given = passphrase(args.key.passphrase_file.as_deref());
    let passphrase = match given.map_err(with_way_out)? {
        None if needs_passphrase && io::stdin().is_terminal() => {
            Some(read_secret(&Secret::PASSPHRASE, None)?)
        }
        given => given,
    };
    unseal(args.key.identity.as_deref(), passphrase.as_ref()).map_err(with_way_out)
}

/// What to do about a key that can't be read.
fn with_way_out(error: Error) -> Error {
    match error.hint() {
        Some(_) => error,
        None => error.with_hint(
            "name the key's file with --identity FILE, or that of the passphrase with \
             --passphrase-file FILE",
        ),
    }
}

/// Warns that others can read a capture that is not encrypted.
fn warn_of_readers(path: &Path, ui: &Ui) {
    ui.warning(&format!(
        "other users can read {}, which contains tokens in plaintext; run chmod 600 on it",
        path.display()
    ));
}

impl Report {
    /// The first line: the answer.
    fn answer(&self) -> (String, String) {
        let file = printable(&self.file.display().to_string());
        let store = printable(&self.store.display().to_string());
        let verified = &self.verified;
        let missing = counted(verified.missing.len() as u64, "token");
        match verified.complete {
            Some(true) => (
                good("complete"),
                format!("{file} opens and holds every token of {store}"),
            ),
            Some(false) => (
                bad("NOT complete"),
                format!(
                    "{file} lacks {}{missing} of {store}",
                    match verified.missing.hidden {
                        true => "at least ",
                        false => "",
                    }
                ),
            ),
            None => (
                caution("unknown"),
                format!(
                    "{file} opens and holds every token of {store} that can be read; damage may \
                     hide others (see boltkey check)"
                ),
            ),
        }
    }

    /// Whether no value of the file belongs to the store, although both have some.
    fn is_of_another_store(&self) -> bool {
        let verified = &self.verified;
        let wanted = verified.plaintext.readable + verified.hashed.readable;
        wanted > 0 && verified.tokens > 0 && verified.unmatched.readable == verified.tokens
    }

    fn write_list(&self, out: &mut dyn Write) -> io::Result<()> {
        let missing = &self.verified.missing;
        if missing.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let columns = ["MISSING", "STORED", "USER", "ORG", "DESCRIPTION"];
        let mut table = Table::new(&columns, true).whole(&["MISSING"]);
        for one in missing.into_iter().take(MOST) {
            let of = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".into());
            let user = match (one.user_id, &one.org_id) {
                (None, Some(_)) => String::new(),
                _ => of(&one.user),
            };
            let storage = one.storage.name();
            let (id, org) = (one.id.to_string(), of(&one.org));
            table.row([&id, storage, &user, &org, &of(&one.description)]);
        }
        table.write(out)?;
        if missing.len() > MOST {
            writeln!(out, "and {} more; --json lists all", missing.len() - MOST)?;
        }
        Ok(())
    }

    /// The commands that write what is missing.
    fn write_next(&self, out: &mut dyn Write) -> io::Result<()> {
        let missing = &self.verified.missing;
        let is_hashed = |one: &&Missing| one.storage == Storage::Hashed;
        let hashed = missing.into_iter().filter(is_hashed).count();
        let mut next = Vec::new();
        if self.is_of_another_store() {
            next.push("name the store that the file was made of with --db");
        }
        if hashed < missing.len() {
            next.push("boltkey capture --out NEW saves every token that is still in plaintext");
        }
        if hashed > 0 {
            next.push(
                "boltkey residue recover --out NEW saves the hashed tokens that unused parts of \
                 the file, or old files given with --files, still show",
            );
        }
        next.iter()
            .try_for_each(|text| write_wrapped(out, "Next:      ", INDENT, text))
    }
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let verified = &self.verified;
        let (word, answer) = self.answer();
        write_wrapped(out, "Capture:   ", INDENT, &format!("{word}: {answer}"))?;
        let encrypted = match verified.encrypted {
            true => "encrypted",
            false => "not encrypted",
        };
        let readable = match verified.unmatched.hidden {
            true => " that can be read",
            false => "",
        };
        let of_none = match verified.unmatched.readable {
            0 => String::new(),
            _ if self.is_of_another_store() => format!(
                "; no value matches a token of the store{readable}: it may be a capture of \
                 another store"
            ),
            number => format!(
                "; {number} {} to no token of the store{readable}",
                if number == 1 { "belongs" } else { "belong" }
            ),
        };
        let values = counted(verified.tokens, "value");
        let text = format!("{values}, {encrypted}{of_none}");
        write_wrapped(out, "File:      ", INDENT, &text)?;
        let (plaintext, hashed) = (verified.plaintext, verified.hashed);
        let text = match plaintext.hidden {
            true => format!(
                "{} in plaintext, {} hashed; damage hides records",
                plaintext.of("token"),
                hashed
            ),
            false => format!("{} in plaintext, {hashed} hashed", plaintext.of("token")),
        };
        write_wrapped(out, "Store:     ", INDENT, &text)?;
        self.write_list(out)?;
        self.write_next(out)
    }
}
