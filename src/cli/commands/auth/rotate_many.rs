//! `boltkey auth rotate` for several tokens.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{ChangeCommand, Ending, Next, View, run_on};
use crate::cli::commands::auth::affected_text::{summary, write_lines};
use crate::cli::commands::capture::FormatArg;
use crate::cli::commands::token_report::{Source, ValueArgs, storage_text};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::encryption::SealArgs;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Storage;
use crate::ops::auth::affected_tokens::AffectedTokens;
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::rotate_many::{Options, Plan, plan};
use crate::ops::auth::selected_tokens::SelectedTokens;
use crate::ops::capture::Format;
use crate::ops::capture::seal::Seal;
use crate::ops::commit::{SideFiles, TokensFile};
use crate::store::{ChangeSet, Committed, WritableStore};

/// The form of the `--token-out` file for several tokens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several tokens")]
pub struct FormArgs {
    /// Format of the --token-out file, as in capture [default: json]; also with one ID, whose file
    /// otherwise contains only the token
    #[arg(long, value_name = "FORMAT", requires = "token_out")]
    format: Option<FormatArg>,
    #[command(flatten)]
    seal: SealArgs,
}

impl FormArgs {
    /// Whether the form for several tokens is asked for.
    pub fn is_given(&self) -> bool {
        self.format.is_some() || self.seal.is_given()
    }
}

/// Runs `auth rotate` for these tokens.
///
/// # Errors
/// [`ErrorKind::Usage`] for one value for several tokens, or without a file for the new values; the
/// errors of the operation, and an error when the change is not confirmed.
pub fn run(
    tokens: SelectedTokens,
    value: &ValueArgs,
    form: &FormArgs,
    session: &Session,
) -> Result<Outcome> {
    let usage = |why: &str, hint: &str| {
        Error::new(ErrorKind::Usage, why.to_owned()).with_hint(hint.to_owned())
    };
    if value.source() != Source::Generated {
        return Err(usage(
            "a value can be given to one token only",
            "name one ID, or let values be generated; boltkey apply sets chosen values of several \
             tokens",
        ));
    }
    let Some(token_out) = value.token_out() else {
        return Err(usage(
            "--token-out is required for several tokens",
            "use --token-out FILE; the file gets the new values before the database is changed",
        ));
    };
    let database = session.database_to_change()?;
    let command = RotateTokens {
        options: Options {
            tokens,
            making: value.read(session)?,
        },
        token_out,
        format: form.format.map(Format::from).unwrap_or_default(),
        seal: form.seal.seal()?,
    };
    run_on(command, session, &database)
}

struct RotateTokens<'a> {
    options: Options,
    token_out: &'a Path,
    format: Format,
    seal: Seal,
}

impl ChangeCommand for RotateTokens<'_> {
    type Plan = Plan;
    type Confirmed = AffectedTokens;
    type Done = ();

    fn working(&self) -> Option<&'static str> {
        Some("replacing tokens")
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.changes.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(self.question_about(&plan.affected)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<AffectedTokens> {
        Ok(plan.affected.clone())
    }

    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p Plan) -> SideFiles<'p> {
        SideFiles {
            keep_copy: session.keep_copy(),
            tokens_file: Some(TokensFile {
                path: self.token_out,
                format: self.format,
                seal: &self.seal,
                tokens: &plan.tokens,
            }),
            ..SideFiles::default()
        }
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files)?, ()))
    }

    fn report(
        &self,
        session: &Session,
        plan: &Plan,
        ending: &Ending<'_, ()>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let ui = session.ui();
        let storage = match plan.hashed {
            true => Storage::Hashed,
            false => Storage::Plaintext,
        };
        let written = !ending.dry_run && ending.done.is_some();
        plan.show(|authorizations| {
            ui.render(&Report {
                authorizations,
                changed: ending.changed,
                dry_run: ending.dry_run,
                token_out: written.then(|| self.token_out.display().to_string()),
                encrypted: self.seal.is_closed(),
                operators_unchanged: plan.affected.other_operators,
                operators_rotated: plan.affected.operators(),
                affected: &plan.affected,
                storage: storage_text(storage, plan.storage_reason, plan.schema),
                all: ui.verbose(),
            })
        })?
    }
}

impl RotateTokens<'_> {
    /// The question. It says which tokens, where their new values will be, and whether an operator
    /// token keeps its value.
    fn question_about(&self, affected: &AffectedTokens) -> String {
        let (these, them) = match affected.tokens.len() {
            1 => (String::from("the value of this token"), "the old value"),
            number => (format!("the values of {number} tokens"), "the old values"),
        };
        let operators = match (affected.other_operators, affected.operators()) {
            (0, 0) => String::from("No operator token is usable, before or after."),
            (0, _) => {
                String::from("No usable operator token keeps its value, so the file is the way in.")
            }
            (1, _) => String::from("1 usable operator token keeps its value."),
            (number, _) => format!("{number} usable operator tokens keep their values."),
        };
        format!(
            "Replace {these}: {}? Clients that use {them} lose access. The new values go to {}. \
             {operators}",
            summary(affected),
            printable(&self.token_out.display().to_string()),
        )
    }
}

/// The report of `auth rotate` for several tokens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// With their new values only in the file.
    authorizations: &'a [AuthDetails<'a>],
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The file with the new values, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    /// Whether the file is encrypted with age.
    encrypted: bool,
    /// Usable operator tokens that keep their values.
    operators_unchanged: u64,
    /// Usable operator tokens with new values.
    operators_rotated: u64,
    #[serde(skip)]
    affected: &'a AffectedTokens,
    #[serde(skip)]
    storage: String,
    /// Whether the text lists all tokens.
    #[serde(skip)]
    all: bool,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.authorizations.is_empty() {
            return writeln!(out, "no token matches; {NOTHING_CHANGED}");
        }
        let tokens = counted(self.affected.tokens.len() as u64, "token");
        match &self.token_out {
            None => writeln!(
                out,
                "would replace {tokens}; the old values would stop working;\n{NOTHING_CHANGED}"
            )?,
            Some(path) => {
                let encrypted = if self.encrypted { ", encrypted" } else { "" };
                writeln!(
                    out,
                    "replaced {tokens}; the old values no longer work;\nthe new values are in {}\
                     {encrypted}",
                    printable(path)
                )?;
            }
        }
        write_lines(&self.affected.tokens, self.all, out)?;
        writeln!(out, "Storage: {}", self.storage)
    }
}
