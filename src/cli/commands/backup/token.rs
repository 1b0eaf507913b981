//! `boltkey backup token`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::{NewToken, end};
use crate::cli::commands::backup::open;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{IT_WOULD_BE, write_auth_details};
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::report::{Human, printable, told};
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::auth::list::AuthDetails;
use crate::ops::backup::backup_copy::{could_write, write};
use crate::ops::backup::full_restore::Answers;
use crate::ops::backup::token;
use crate::ops::backup::token::Plan;
use crate::ops::commit::write_token;
use crate::ops::files::secret_output::OutputFile;
use crate::ops::timestamp::Timestamp;
use crate::ops::token::generate::generate;
use crate::store;
use crate::store::Committed;

/// Options of `backup token`.
#[derive(Debug, Args)]
#[command(after_help = "\
influx restore --full replaces the metadata of a server and then uses the
plaintext of its first operator token. If that token is hashed, as in 2.9, every
influx CLI before 2.8.0 fails with 401 Unauthorized after the old metadata was
deleted. This command writes a copy whose first operator token is in plaintext.

InfluxDB 2.9 hashes the token at its next start. It stays an operator token
until you delete it.")]
pub struct TokenArgs {
    /// Folder written by influx backup or boltkey backup export; it is not changed
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// Folder for the copy, which must not exist
    #[arg(long, value_name = "DIR2")]
    out: PathBuf,
    /// File with the token (- for standard input) [env: `BOLTKEY_TOKEN`]
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    token_file: Option<PathBuf>,
    /// Generate a token
    #[arg(long)]
    generate: bool,
    /// Write the new token to this file, which must not exist; created with mode 0600
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
}

/// Runs `backup token`.
///
/// # Errors
/// As the operation, and when the token can't be printed.
pub fn run(args: &TokenArgs, session: &Session) -> Result<Outcome> {
    if args.backup == Path::new("-") {
        return Err(Error::new(
            ErrorKind::Usage,
            "a backup on standard input can't be copied",
        )
        .with_hint("unpack it to a folder and pass the folder"));
    }
    let given = args.token_file.is_some() || Secret::TOKEN.is_set();
    if !args.generate && !given {
        return Err(
            Error::new(ErrorKind::Usage, "--token-file or --generate required")
                .with_hint("pass --token-file FILE (- for standard input) or --generate"),
        );
    }
    let dry_run = session.dry_run();
    if args.generate && args.token_out.is_none() && !dry_run {
        closed_stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost; use --token-out FILE")
        })?;
    }
    let secret = if args.generate {
        generate()?
    } else {
        read_secret(&Secret::TOKEN, args.token_file.as_deref())?
    };
    let now = Timestamp::from(&Zoned::now());
    let backup = open(&args.backup, None)?;
    let store = token::open(&backup, &session.open_options())?;
    session.ui().warn(store.notices());
    let has_manifest = backup.kind.has_manifest();
    if !has_manifest {
        session.ui().warning(&format!(
            "{} has no .manifest, so influx restore accepts neither it nor the copy; use boltkey \
             backup export --influx-manifest",
            backup.path.display()
        ));
    }
    let plan = token::plan(&store, secret, &now)?;
    could_write(&args.out)?;
    let token_out = args.token_out.as_deref();
    let ui = session.ui();
    if dry_run {
        token_out.map_or(Ok(()), OutputFile::could_create_regular)?;
        let report = show(&plan, args, true, |report| ui.render(report))??;
        ui.print([&report])?;
        return Ok(Outcome::Done);
    }
    let kept = token_out
        .map(|path| write_token(path, plan.token()))
        .transpose()?;
    if let Err(error) = write(&backup, &store, &plan, &args.out) {
        return Err(
            match kept.map(|file| (file.path().display().to_string(), file.remove())) {
                Some((path, Err(cause))) => error.and_note(&format!(
                    "can't remove {path} ({cause}); the token in it is not valid"
                )),
                _ => error,
            },
        );
    }
    drop(store);
    let report = show(&plan, args, false, |report| ui.render(report))?;
    let committed = Committed {
        outcome: store::CommitOutcome::Changed,
        failure: None,
    };
    let token = NewToken {
        id: plan.id(),
        token_out,
        given: !args.generate,
        again: "boltkey backup token",
    };
    end(session, report, committed, Some(&token))
}

fn show<T>(
    plan: &Plan,
    args: &TokenArgs,
    dry_run: bool,
    use_it: impl FnOnce(&Report<'_>) -> T,
) -> Result<T> {
    plan.show(!dry_run, |put| {
        use_it(&Report {
            authorization: &put.entry,
            changed: true,
            dry_run,
            out: args.out.display().to_string(),
            existing: plan.existing,
            full_restore: Restore::from(plan.answers),
            token_out: args
                .token_out
                .as_ref()
                .map(|path| path.display().to_string()),
            was_given: !args.generate,
            id: plan.id(),
        })
    })
}

/// The report of `backup token`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The operator token that was put into the copy.
    authorization: &'a AuthDetails<'a>,
    /// Whether the copy was made.
    changed: bool,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The folder of the copy.
    out: String,
    /// Whether the backup already had the authorization with a hashed token.
    existing: bool,
    /// What `influx restore --full` does with the copy and this token.
    full_restore: Restore,
    /// The file with the new token, if `--token-out` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    was_given: bool,
    #[serde(skip)]
    id: Id,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Restore {
    /// With an influx CLI before 2.8.0.
    #[serde(rename = "cliBefore28")]
    cli_before_28: crate::ops::backup::full_restore::Answer,
    /// With influx CLI 2.8.0 or later.
    #[serde(rename = "cli28")]
    cli_28: crate::ops::backup::full_restore::Answer,
}

impl From<Answers> for Restore {
    fn from(answers: Answers) -> Self {
        Self {
            cli_before_28: answers.cli_before_28,
            cli_28: answers.cli_28,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let copy = printable(&self.out);
        if self.dry_run {
            writeln!(
                out,
                "would write a copy with an operator token to {copy}; nothing was written"
            )?;
        } else if self.existing {
            writeln!(
                out,
                "wrote {copy}, a copy in which the token of {} is in plaintext",
                self.id
            )?;
        } else {
            writeln!(out, "wrote {copy}, a copy with one more operator token")?;
        }
        if let Some(path) = &self.token_out {
            let is = told(self.dry_run, "would be", "is");
            writeln!(out, "the token {is} in {}", printable(path))?;
        }
        writeln!(out, "{}", told(self.dry_run, IT_WOULD_BE, ""))?;
        let hidden = self.dry_run || self.token_out.is_some() || self.was_given;
        write_auth_details(self.authorization, hidden, out)?;
        let text = told(
            self.dry_run,
            "influx restore --full of the copy would succeed with every influx CLI and use this token. \
             It would replace everything on the server. The token would stay an operator token until \
             you deleted it",
            "influx restore --full of the copy succeeds with every influx CLI and uses this token. It \
             replaces everything on the server. The token stays an operator token until you delete it",
        );
        writeln!(out)?;
        write_wrapped(out, "", 0, text)
    }
}
