//! `boltkey downgrade prepare`.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{ChangeCommand, Ending, Look, Next, View, run_on};
use crate::cli::commands::residue::files::FilesArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::encryption::{UnsealArgs, passphrase};
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable, told};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, Result};
use crate::finding::counted;
use crate::metadata::Fingerprint;
use crate::metadata::residue::Known;
use crate::ops::capture::unseal::Unseal;
use crate::ops::commit::SideFiles;
use crate::ops::downgrade::prepare::{Found, Plan, Prepared, TokenSearch, plan};
use crate::ops::files::named_input::open_input;
use crate::store::{ChangeSet, Committed, Store, WritableStore};

/// The name of standard input in messages.
const STDIN: &str = "standard input";

/// Text after the help.
pub const PREPARE_HELP: &str = "\
A hash can't be reversed, but the plaintext may still exist: in a capture, in a
list, in the copy that influxd saved before the upgrade, or in unused parts of
the database file. A token from a source is used only if its hash is in the
store.";

/// Options of `downgrade prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// Capture, or list with one token per line (- for standard input); may be repeated
    #[arg(long, value_name = "FILE")]
    tokens: Vec<PathBuf>,
    /// Older database or backup, such as .bolt, .bolt.gz, .redb, or the copy that influxd saved
    /// before an upgrade; may be repeated
    #[arg(long, value_name = "PATH")]
    from_db: Vec<PathBuf>,
    #[command(flatten)]
    files: FilesArgs,
    /// Search unused parts of the database file
    #[arg(long)]
    from_residue: bool,
    #[command(flatten)]
    key: UnsealArgs,
}

impl PrepareArgs {
    /// Refuses invalid combinations.
    fn make_sense(&self) -> Result<()> {
        let files = self.files.paths();
        let none = self.tokens.is_empty() && self.from_db.is_empty() && files.is_empty();
        if none && !self.from_residue {
            return Err(Error::new(ErrorKind::Usage, "no source for the tokens")
                .with_hint("pass --tokens FILE, --from-db PATH, --files FILE or --from-residue"));
        }
        let secrets = [&self.key.identity, &self.key.passphrase_file];
        let all = self.tokens.iter().chain(secrets.into_iter().flatten());
        if all.filter(|path| is_stdin(path)).count() > 1 {
            return Err(
                Error::new(ErrorKind::Usage, "- (standard input) can be used only once")
                    .with_hint("use files for the others"),
            );
        }
        Ok(())
    }

    fn unseal(&self) -> Result<Unseal> {
        let mut unseal = Unseal::default();
        if let Some(path) = &self.key.identity {
            unseal.add_identities(open(path)?, name_of(path).as_ref())?;
        }
        if let Some(passphrase) = passphrase(self.key.passphrase_file.as_deref())? {
            unseal.add_passphrase(&passphrase);
        }
        Ok(unseal)
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        STDIN.to_owned()
    } else {
        path.display().to_string()
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = open_input(path).map_err(|error| match error.hint() {
        None => error.with_hint("check the path; use - for standard input"),
        Some(_) => error,
    })?;
    Ok(Box::new(file))
}

/// Runs `downgrade prepare`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: PrepareArgs, session: &Session) -> Result<Outcome> {
    args.make_sense()?;
    let database = session.database_to_change()?;
    let unseal = args.unseal()?;

    // Reading the sources may be slow, so the lock is not held.
    let store = session.open_metadata_at(&database)?;
    let (known, _) = Known::load(store.snapshot())?;
    drop(store);
    let mut search = search(&args, &known, &unseal, session)?;
    if args.from_residue {
        search.own_file(&Store::open(database.path(), &session.open_options())?)?;
    }
    let found = search.finish();
    session.ui().warn(&found.findings);
    run_on(Prepare { found }, session, &database)
}

struct Prepare {
    found: Found,
}

/// The restored tokens and those that stay hashed.
#[derive(PartialEq, Eq)]
struct Restored {
    tokens: Fingerprint,
    prepared: Prepared,
}

impl ChangeCommand for Prepare {
    type Plan = Plan;
    type Confirmed = Restored;
    type Done = ();

    /// A plan without changes needs no exclusive lock.
    fn look(&self) -> Look {
        Look::Always
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.found)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.changes.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, _: &'p Plan) -> Option<&'p ChangeSet> {
        None
    }

    fn question(&self, plan: &Plan, database: &str) -> Result<Option<String>> {
        Ok(Some(format!(
            "Restore {} in {database} in plaintext? Everyone who can read the file can then use them.",
            counted(plan.prepared.restored, "token"),
        )))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Restored> {
        Ok(Restored {
            tokens: plan.restored(),
            prepared: plan.prepared.clone(),
        })
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
        // A dry run changes nothing.
        let changed = match ending.done {
            Some(()) => ending.changed,
            None => Some(false),
        };
        session
            .ui()
            .render(&Report::new(plan, changed, ending.dry_run))
    }
}

/// Reads all sources except the store's own file.
fn search<'k>(
    args: &PrepareArgs,
    known: &'k Known,
    unseal: &Unseal,
    session: &Session,
) -> Result<TokenSearch<'k>> {
    let mut search = TokenSearch::new(known);
    for path in &args.tokens {
        search.list(&mut *open(path)?, &name_of(path), unseal)?;
    }
    for path in &args.from_db {
        search.database(path, &session.open_options())?;
    }
    for path in args.files.paths() {
        search.file(path, &session.open_options())?;
    }
    Ok(search)
}

/// The report of `downgrade prepare`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// What was put back.
    #[serde(flatten)]
    prepared: &'a Prepared,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, changed: Option<bool>, dry_run: bool) -> Self {
        Self {
            prepared: &plan.prepared,
            changed,
            dry_run,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Prepared {
            restored,
            already_plaintext,
            unmatched,
            still_hashed,
        } = self.prepared;
        let restored_any = *restored > 0;
        let restored = match (*restored, self.dry_run) {
            (0, _) => String::from("nothing to restore"),
            (number, false) => format!("restored {} in plaintext", counted(number, "token")),
            (number, true) => format!("would restore {} in plaintext", counted(number, "token")),
        };
        let mut parts = vec![restored];
        match *already_plaintext {
            0 => {}
            1 => parts.push("1 token was already in plaintext".into()),
            number => parts.push(format!("{number} tokens were already in plaintext")),
        }
        match *unmatched {
            0 => {}
            1 => parts.push("1 unrelated token-like value ignored".into()),
            number => parts.push(format!("{number} unrelated token-like values ignored")),
        }
        if self.changed == Some(false) {
            parts.push(NOTHING_CHANGED.into());
        }
        let text = parts.join("; ");
        write_wrapped(out, "", 0, &text)?;
        if restored_any && !self.dry_run {
            let text = "InfluxDB 2.9 would hash them again at its next start; boltkey downgrade check \
                        lists the next steps";
            write_wrapped(out, "", 0, text)?;
        }
        if still_hashed.is_empty() {
            let are = told(self.dry_run && restored_any, "would be", "are");
            return writeln!(out, "no hashed tokens {are} left");
        }
        let title = told(
            self.dry_run,
            "These would stay hashed, and would be lost on a release before 2.8",
            "Still hashed, and lost on a release before 2.8",
        );
        writeln!(out, "\n{title} ({}):", still_hashed.len())?;
        for token in still_hashed {
            let text = format!("{}  {}", token.kind.name(), printable(&token.description));
            write_wrapped(out, &format!("  {}  ", token.id), 4, &text)?;
        }
        Ok(())
    }
}
