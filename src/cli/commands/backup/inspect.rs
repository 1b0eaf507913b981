//! `boltkey backup inspect`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::commands::backup::export::write_shards;
use crate::cli::commands::backup::{OperatorTokenArgs, open};
use crate::cli::commands::check::write_finding;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::style::{bad, good};
use crate::cli::terminal::token_numbers::{operator_token_text, write_schema, write_token_numbers};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::ops::backup::file_states::State;
use crate::ops::backup::full_restore::Answer;
use crate::ops::backup::inspect::{FullRestore, Inspected, MaybeSummary, inspect};
use crate::ops::backup::source::Kind;
use crate::ops::backup::summary::Summary;

/// Options of `backup inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Folder written by influx backup or boltkey backup export, a tar of it, or a database file,
    /// optionally gzipped (- for standard input)
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    operator: OperatorTokenArgs,
}

/// Runs `backup inspect`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: InspectArgs, session: &Session) -> Result<Outcome> {
    args.operator.beside(&args.backup)?;
    let token = args.operator.given()?;
    let backup = open(&args.backup, None)?;
    let report = inspect(&backup, token.as_ref(), &session.open_options())?;
    drop(backup);
    session.ui().report(&report)?;
    let refused = report
        .operator_token
        .as_ref()
        .is_some_and(|token| !token.matches);
    Ok(if report.complete && !refused {
        Outcome::Done
    } else {
        Outcome::No
    })
}

impl Human for Inspected {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let path = printable(&self.path.display().to_string());
        let base = self.base.as_deref().map(printable);
        let what = match self.kind {
            Kind::Influx => "written by influx backup",
            Kind::Boltkey => "written by boltkey backup export",
            Kind::Database => "a database file",
        };
        writeln!(out, "Backup:    {path}")?;
        match base {
            Some(base) => writeln!(out, "           {base}, {what}")?,
            None => writeln!(out, "           {what}")?,
        }
        self.write_files(out)?;
        match &self.summary {
            MaybeSummary::Read(summary) => write_summary(summary, out)?,
            MaybeSummary::Unreadable { .. } => writeln!(out, "Metadata:  can't be read")?,
        }
        if let Some(token) = &self.operator_token {
            let text = match (token.matches, token.id) {
                (true, Some(id)) => format!("belongs to {id} and opens this backup"),
                (_, Some(id)) => format!("belongs to {id} and does NOT open this backup"),
                (_, None) => String::from("does NOT open this backup"),
            };
            let reason = token
                .reason
                .as_deref()
                .map_or(String::new(), |why| format!(": {why}"));
            writeln!(out, "\nSupplied operator token:")?;
            write_wrapped(out, "  ", 4, &printable(&format!("{text}{reason}")))?;
        }
        if let Some(restore) = &self.full_restore {
            write_restore(restore, out)?;
        }
        if !self.findings.is_empty() {
            writeln!(out, "\nFindings:")?;
            for finding in &self.findings {
                write_finding(finding, out)?;
            }
        }
        Ok(())
    }
}

impl Inspected {
    fn write_files(&self, out: &mut dyn Write) -> io::Result<()> {
        let whole = if self.complete {
            String::from("complete (no missing or damaged file found)")
        } else {
            bad("NOT complete")
        };
        writeln!(out, "           {whole}")?;
        // A backup can have thousands of shards.
        const MOST: usize = 20;
        for file in self.files.iter().take(MOST) {
            let state = match file.state {
                State::Ok => good("ok"),
                State::Missing => bad("MISSING"),
                State::Damaged => bad("DAMAGED"),
            };
            let size = file
                .size
                .map_or(String::new(), |size| format!(", {size} bytes"));
            writeln!(out, "  {}  {state}{size}", printable(&file.file_name))?;
        }
        if self.files.len() > MOST {
            let more = (self.files.len() - MOST) as u64;
            writeln!(out, "  and {}", counted(more, "more file"))?;
        }
        Ok(())
    }
}

fn write_summary(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    write_schema(&summary.schema, out)?;
    writeln!(
        out,
        "Holds:     {}, {}, {}",
        summary.users.of("user"),
        summary.organizations.of("organization"),
        summary.buckets.of("bucket")
    )?;
    write_token_numbers(&summary.tokens, out)?;
    writeln!(out, "\nOperator tokens:")?;
    for token in &summary.operator_tokens {
        write_wrapped(out, "  ", 4, &operator_token_text(token))?;
    }
    let tokens = &summary.operator_tokens;
    match (tokens.hidden, tokens.len()) {
        (false, 0) => writeln!(out, "  none"),
        (false, _) => Ok(()),
        (true, 0) => writeln!(out, "  unknown; damage hides records"),
        (true, _) => writeln!(out, "  there may be more; damage hides records"),
    }
}

fn write_restore(restore: &FullRestore, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nResult of influx restore --full:")?;
    let text = |answer| match answer {
        Some(Answer::Ok) => "succeeds",
        Some(Answer::NeedsOperatorToken) => {
            "succeeds with --operator-token and an operator token of this backup"
        }
        Some(Answer::Fails) => "fails with 401 after replacing the metadata",
        None => "unknown, because damage hides tokens",
    };
    for (cli, answer) in [
        ("  influx CLI before 2.8.0: ", restore.cli_before_28),
        ("  influx CLI since 2.8.0:  ", restore.cli_28),
    ] {
        write_wrapped(out, cli, 27, text(answer))?;
    }
    if restore.deletes_shards.hidden {
        let text = "which shards of the target server it deletes is unknown, because damage hides \
                    the metadata of shards";
        return write_wrapped(out, "", 2, text);
    }
    write_shards(&restore.deletes_shards, false, out)
}
