//! `boltkey auth export`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::commands::auth::filters::FilterArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable, told};
use crate::cli::terminal::sealed_output::SealedOutArgs;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::auth::export::{Contains, Options, Skipped, export};
use crate::ops::known::Number;

/// Options of `auth export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    out: SealedOutArgs,
    /// Include the hashes of passwords, so that users and 1.x users keep their old ones
    #[arg(long)]
    with_passwords: bool,
    #[command(flatten)]
    filters: FilterArgs,
}

/// Runs `auth export`.
///
/// # Errors
/// The errors of the operation, and an error when the output can't be written.
pub fn run(args: ExportArgs, session: &Session) -> Result<Outcome> {
    let output = args
        .out
        .open(session, "write the list to a file with --out FILE")?;
    let store = session.open_damaged()?;
    let source = store.description().path.display().to_string();
    let options = Options {
        filters: args.filters.into(),
        with_passwords: args.with_passwords,
        source: &source,
    };
    let exported = export(store.snapshot(), store.inspect(), &options)?;
    if exported.contains.tokens.readable == 0 {
        // If damage hides all records, an empty list would be wrong.
        session.is_readable(&store)?;
    }
    drop(store);
    session.ui().warn(&exported.findings);
    let report = Report {
        contains: exported.contains,
        skipped: exported.skipped,
        incomplete: exported.incomplete,
        out: args.out.out.display().to_string(),
        encrypted: output.is_sealed(),
        changed: false,
        dry_run: session.dry_run(),
    };
    let to_stdout = output.is_stdout();
    output.write(|out| out.write_all(&exported.list))?;
    if !to_stdout {
        session.ui().report(&report)?;
        return Ok(Outcome::Done);
    }
    let mut text = Vec::new();
    report
        .write(&mut text)
        .map_err(|cause| Error::new(ErrorKind::Io, cause.to_string()))?;
    for line in String::from_utf8_lossy(&text).lines() {
        session.ui().status(line);
    }
    Ok(Outcome::Done)
}

/// The report of `auth export`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What the list has.
    #[serde(flatten)]
    contains: Contains,
    /// What is not in the list.
    skipped: Vec<Skipped>,
    /// The numbers that damage makes incomplete.
    incomplete: Vec<&'static str>,
    /// The file, or `-`.
    out: String,
    /// Whether the file is encrypted with age.
    encrypted: bool,
    /// Always false: the database is only read.
    changed: bool,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl Human for Report {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Contains {
            orgs,
            users,
            buckets,
            passwords,
            tokens,
            values,
            v1_users,
            mappings,
        } = &self.contains;
        let out_name = printable(&self.out);
        let encrypted = if self.encrypted { ", encrypted" } else { "" };
        let (verb, end) = match self.dry_run {
            true => ("would export", "; nothing was written"),
            false => ("exported", ""),
        };
        let mut numbers = vec![
            orgs.of("organization"),
            users.of("user"),
            buckets.of("bucket"),
            tokens.of("token"),
        ];
        for (number, noun) in [(v1_users, "1.x user"), (mappings, "mapping")] {
            if *number != Number::default() {
                numbers.push(number.of(noun));
            }
        }
        let numbers = numbers.join(", ");
        let line = format!("{verb} {numbers} to {out_name}{encrypted}{end}");
        write_wrapped(out, "", 2, &line)?;
        if passwords.readable > 0 {
            let hashes = if passwords.readable == 1 {
                "hash"
            } else {
                "hashes"
            };
            writeln!(out, "with the {hashes} of {}", passwords.of("password"))?;
        }
        match values.readable {
            0 => {}
            1 => writeln!(
                out,
                "1 of the tokens {} in plaintext: keep the list private",
                told(self.dry_run, "would be", "is")
            )?,
            number => writeln!(
                out,
                "{number} of the tokens {} in plaintext: keep the list private",
                told(self.dry_run, "would be", "are")
            )?,
        }
        if !self.skipped.is_empty() {
            writeln!(out, "\nNot in the list:")?;
        }
        for Skipped {
            kind,
            id,
            name,
            reason,
        } in &self.skipped
        {
            let line = format!("{kind} {name:?} ({id}): {reason}");
            writeln!(out, "  {}", printable(&line))?;
        }
        Ok(())
    }
}
