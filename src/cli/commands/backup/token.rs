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
use crate::cli::terminal::auth_details::write_auth_details;
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::stdout;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::auth::list::AuthDetails;
use crate::ops::backup::backup_copy::{could_write, write};
use crate::ops::backup::operator::Answers;
use crate::ops::backup::token;
use crate::ops::backup::token::Plan;
use crate::ops::commit::write_token;
use crate::ops::files::output::OutputFile;
use crate::ops::timestamp::Timestamp;
use crate::ops::token::generate::generate;
use crate::store;
use crate::store::Committed;

/// Options of `backup token`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
influx restore --full replaces the metadata of a server and goes on with the
plaintext of the first operator token in it. Where that one is hashed, as 2.9
keeps all tokens, every influx CLI before 2.8.0 ends with 401 Unauthorized,
when the old metadata is gone already. The copy that this command makes has an
operator token in plaintext that comes first.

Influxd 2.9 hashes it at its next start, and it stays an operator token until
it is deleted.")]
pub struct TokenArgs {
    /// The folder that influx backup or boltkey backup export wrote; it is not changed
    #[arg(value_name = "DIR")]
    backup: PathBuf,
    /// The folder to write the copy to; it must not be there
    #[arg(long, value_name = "DIR2")]
    out: PathBuf,
    /// The file that holds the token; - for standard input. `BOLTKEY_TOKEN` holds the token itself
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    token_file: Option<PathBuf>,
    /// Make a new token
    #[arg(long)]
    generate: bool,
    /// Put the new token into this file too, new and readable by its owner only
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
        .with_hint("unpack it into a folder and name that"));
    }
    let given = args.token_file.is_some() || Secret::TOKEN.is_set();
    if !args.generate && !given {
        return Err(Error::new(
            ErrorKind::Usage,
            "it has to be said which token: one in a file, or a new one",
        )
        .with_hint("give --token-file FILE (- for standard input) or --generate"));
    }
    let dry_run = session.dry_run();
    if args.generate && args.token_out.is_none() && !dry_run {
        stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost: give --token-out FILE for it")
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
            "{} has no .manifest, so influx restore takes neither it nor the copy; boltkey backup \
             export --influx-manifest writes one",
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
                    "{path} could not be removed ({cause}) and holds a token that opens nothing"
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

/// What was put in, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a AuthDetails<'a>,
    changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    out: String,
    /// Whether the backup had the authorization already, with the token as a hash.
    existing: bool,
    full_restore: Restore,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    was_given: bool,
    #[serde(skip)]
    id: Id,
}

#[derive(Serialize)]
struct Restore {
    #[serde(rename = "cliBefore28")]
    cli_before_28: crate::ops::backup::operator::Answer,
    #[serde(rename = "cli28")]
    cli_28: crate::ops::backup::operator::Answer,
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
                "a copy with an operator token would be written to {copy}; nothing was\nwritten"
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
            writeln!(out, "the token is in {}", printable(path))?;
        }
        writeln!(out)?;
        let hidden = self.dry_run || self.token_out.is_some() || self.was_given;
        write_auth_details(self.authorization, hidden, out)?;
        writeln!(
            out,
            "\ninflux restore --full ends well with the copy, with any influx CLI: it goes\n\
             on with this token. It replaces everything that the server has, and the\n\
             token stays one of an operator until it is deleted"
        )
    }
}
