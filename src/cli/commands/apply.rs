//! `boltkey apply`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::encryption::{passphrase, unseal};
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, printable};
use crate::cli::terminal::secret_input::{Secret, read_secret_file};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::counted;
use crate::metadata::Id;
use crate::ops::apply::{Action, Kind, List, Options, Plan, PlannedChange, Secrets, plan};
use crate::ops::auth::affected_tokens::AffectedToken;
use crate::ops::commit::SideFiles;
use crate::ops::files::named_input::open_input;
use crate::ops::files::secret_bytes::read_secret_bytes;
use crate::secret::Token;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `apply`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ApplyArgs {
    /// TOML or JSON file with the list (- for standard input); paths in it are relative to it
    #[arg(value_name = "FILE")]
    list: PathBuf,
    /// Delete tokens created by an earlier apply that are no longer in the list; nothing else
    #[arg(long)]
    prune: bool,
    /// File with the age identity that opens an encrypted list
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// File with the passphrase that opens an encrypted list (- for standard input) [env:
    /// `BOLTKEY_PASSPHRASE`]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

const EXAMPLE: &str = r#"A list:
  [[org]]
  name = "acme"
  [[user]]
  name = "alice"
  orgs = ["acme"]                       # organizations that alice owns
  passwordFile = "alice.pw"             # without it, alice can't sign in
  [[bucket]]
  name = "metrics"
  org = "acme"
  retention = "30d"                     # without it, points are kept for ever
  [[token]]
  name = "telegraf"                     # kept in the description
  org = "acme"
  user = "alice"
  permissions = ["write:buckets/metrics", "read:tasks"]
  tokenFile = "telegraf.token"          # or hash = "$influxdb2-…"
  [[token]]
  name = "admin"
  org = "acme"
  user = "alice"
  kind = "operator"                     # or "all-access"
  generate = "admin.token"              # file created on the first run
  [[token]]
  description = "telegraf of the cellar"  # exactly this text
  org = "acme"
  user = "alice"
  permissions = [{ action = "read", type = "buckets", name = "metrics", org = "beta" }]
  status = "inactive"                   # without it, the status stays
  value = "…"                           # only in a list of mode 0600
  [[v1]]                                # a 1.x user, for /query and /write
  username = "collectd"
  org = "acme"
  permissions = ["write:buckets/metrics"]
  passwordFile = "collectd.pw"          # or passwordHash, as in [[user]]
  [[dbrp]]                              # which bucket a 1.x database means
  database = "collectd"
  retentionPolicy = "autogen"
  bucket = "metrics"
  org = "acme"
  default = true

A second run changes nothing. A token with a name is matched by organization and
name, one with a description by its value or hash, as auth export writes it."#;

/// Runs `apply`.
///
/// # Errors
/// The errors of the operation and of reading the list; an error when deletions are not confirmed.
pub fn run(args: &ApplyArgs, session: &Session) -> Result<Outcome> {
    let list = read_list(args, session)?;
    let options = Options {
        list: &list,
        prune: args.prune,
        use_hashed_tokens: session.use_hashed_tokens(),
        strong_passwords: session.strong_passwords(),
    };
    change::run(ApplyList { options }, session)
}

struct ApplyList<'a> {
    options: Options<'a>,
}

/// The tokens that stop working.
#[derive(PartialEq, Eq)]
struct Ended {
    deleted: Vec<AffectedToken>,
    /// Action, name, organization and replacement, as in the question.
    named: Vec<(Action, String, Option<String>, Vec<String>)>,
    /// Buckets that will keep points for a shorter time.
    shortened: Vec<String>,
}

impl ChangeCommand for ApplyList<'_> {
    type Plan = Plan;
    type Confirmed = Ended;
    type Done = ();

    /// A second run finds nothing to change and needs no exclusive lock.
    fn look(&self) -> Look {
        Look::Always
    }

    fn working(&self) -> Option<&'static str> {
        Some("applying the list")
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

    /// Says what the store lacks, before the question.
    fn complete(&mut self, session: &Session, plan: &Plan) -> Result<bool> {
        for lacking in &plan.lacking {
            session.ui().warning(lacking);
        }
        Ok(false)
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        Some(&plan.changes)
    }

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        let asks = !plan.deleted.is_empty() || !plan.shortened.is_empty();
        Ok(asks.then(|| question(plan)))
    }

    fn confirmed(&self, plan: &Plan) -> Result<Ended> {
        let ends =
            |planned: &&PlannedChange| matches!(planned.action, Action::Delete | Action::Replace);
        let named = |planned: &PlannedChange| {
            (
                planned.action,
                planned.name.clone(),
                planned.org.clone(),
                planned.details.clone(),
            )
        };
        Ok(Ended {
            deleted: plan.deleted.clone(),
            named: plan.planned.iter().filter(ends).map(named).collect(),
            shortened: plan.shortened.clone(),
        })
    }

    fn side_files<'p>(&'p self, session: &'p Session, plan: &'p Plan) -> SideFiles<'p> {
        let made = plan.generated.iter();
        SideFiles {
            keep_copy: session.keep_copy(),
            tokens_out: made.map(|(path, token)| (&**path, token)).collect(),
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
        for note in &plan.notes {
            ui.warning(note);
        }
        ui.render(&Report {
            all: ui.verbose(),
            ..Report::new(plan, ending.changed, ending.dry_run)
        })
    }
}

/// Reads the list and its secrets.
fn read_list(args: &ApplyArgs, session: &Session) -> Result<List> {
    /// Enough for 100,000 tokens.
    const LONGEST: u64 = 64 << 20;
    let ApplyArgs {
        list: path,
        identity,
        passphrase_file,
        ..
    } = args;
    let from_stdin = path == Path::new("-");
    if from_stdin && passphrase_file.as_deref() == Some(path) {
        return Err(Error::new(
            ErrorKind::Usage,
            "the list and its passphrase can't both come from standard input",
        ));
    }
    let (name, mut file) = match from_stdin {
        true => {
            let name = "standard input";
            let stdin = io::stdin().as_fd().try_clone_to_owned();
            let stdin = stdin.map(File::from).at("read", Path::new(name))?;
            (name.to_owned(), stdin)
        }
        false => {
            let file = open_input(path)?;
            (path.display().to_string(), file)
        }
    };
    let others_read = may_others_read(&file).at("access", Path::new(&name))?;
    let passphrase = passphrase(passphrase_file.as_deref())?;
    let unseal = unseal(identity.as_deref(), passphrase.as_ref())?;
    let (bytes, sealed) = unseal.read(&mut file, &name, |_, content| {
        read_secret_bytes(content, LONGEST + 1).at("read", Path::new(&name))
    })?;
    let refused = |why: &str| Error::new(ErrorKind::Refused, format!("{name} {why}"));
    if bytes.len() as u64 > LONGEST {
        return Err(refused("is longer than 64 MiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("is not UTF-8 text"))?;
    let folder = path.parent().filter(|_| !from_stdin);
    let mut files = Files {
        folder: folder.unwrap_or(Path::new("")),
        others_read: others_read && !sealed,
        session,
    };
    List::read(text, &name, &mut files)
}

/// Whether this is a file that other users can read. Pipes are not.
fn may_others_read(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.mode() & 0o077 != 0)
}

/// The files that a list refers to.
struct Files<'a> {
    /// The folder of the list.
    folder: &'a Path,
    /// Whether other users can read the list.
    others_read: bool,
    session: &'a Session,
}

impl Files<'_> {
    fn path(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        // A file named -, which elsewhere means standard input.
        if path == Path::new("-") {
            return PathBuf::from("./-");
        }
        path
    }

    fn read(&self, secret: &Secret, path: &Path) -> Result<Token> {
        read_secret_file(secret, &self.path(path), self.session.ui())
    }
}

impl Secrets for Files<'_> {
    fn password(&mut self, path: &Path) -> Result<Token> {
        self.read(&Secret::PASSWORD, path)
    }

    fn token(&mut self, path: &Path) -> Result<Token> {
        self.read(&Secret::TOKEN, path)
    }

    fn token_if_there(&mut self, path: &Path) -> Result<Option<Token>> {
        match self.read(&Secret::TOKEN, path) {
            Ok(token) => Ok(Some(token)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn may_have_values(&self) -> Result<()> {
        if !self.others_read {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            "the list contains a token and other users can read it",
        )
        .with_hint("run chmod 600 on the list, or use tokenFile"))
    }

    fn full_path(&self, path: &Path) -> PathBuf {
        self.path(path)
    }
}

/// The question. It lists the tokens that stop working.
fn question(plan: &Plan) -> String {
    const MOST: usize = 20;
    let names = |action: Action| {
        let planned = plan
            .planned
            .iter()
            .filter(|planned| planned.action == action);
        let names: Vec<String> = planned.map(named).collect();
        let more = names.len().saturating_sub(MOST);
        let mut text = names
            .get(..names.len() - more)
            .unwrap_or_default()
            .join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        (names.len() as u64, text)
    };
    let mut parts = Vec::new();
    let (deleted, text) = names(Action::Delete);
    if deleted > 0 {
        let tokens = counted(deleted, "token");
        parts.push(format!("Delete {tokens} no longer in the list: {text}?"));
    }
    let (replaced, text) = names(Action::Replace);
    if replaced > 0 {
        parts.push(format!(
            "Replace {} to change permissions or owner: {text}?",
            counted(replaced, "token")
        ));
    }
    if !plan.shortened.is_empty() {
        parts.push(format!(
            "Shorten the retention: {}? influxd then deletes older points.",
            printable(&plan.shortened.join(", "))
        ));
    }
    parts.join(" ")
}

/// The name, and for a token also its organization.
fn named(planned: &PlannedChange) -> String {
    let name = match planned.name.as_str() {
        "" => "(no description)".into(),
        name => printable(name),
    };
    match &planned.org {
        Some(org) => format!("{name} in {}", printable(org)),
        None => name,
    }
}

/// The report of `apply`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The changes, in order.
    changes: Vec<Change<'a>>,
    /// Number of list entries that needed no change.
    unchanged: usize,
    /// Whether the last usable operator token is deleted.
    last_operator: bool,
    /// Whether the text lists all changes.
    #[serde(skip)]
    all: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Change<'a> {
    /// What is done with it.
    action: Action,
    /// The kind of record.
    kind: Kind,
    /// Null for a creation in a dry run.
    id: Option<Id>,
    /// Its name.
    name: &'a str,
    /// The organization it belongs to, if it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    /// What changes about it, in words.
    details: &'a [String],
    #[serde(skip)]
    planned: &'a PlannedChange,
}

impl<'a> Report<'a> {
    fn new(plan: &'a Plan, changed: Option<bool>, dry_run: bool) -> Self {
        let change = |planned: &'a PlannedChange| {
            let is_new = matches!(planned.action, Action::Create | Action::Replace);
            Change {
                action: planned.action,
                kind: planned.kind,
                id: (!dry_run || !is_new).then_some(planned.id),
                name: &planned.name,
                org: planned.org.as_deref(),
                details: &planned.details,
                planned,
            }
        };
        Self {
            changed,
            dry_run,
            changes: plan.planned.iter().map(change).collect(),
            unchanged: plan.same,
            last_operator: plan.last_operator,
            all: false,
        }
    }

    /// The numbers of changes by action and kind, such as `created 2 users, 1 token`.
    fn summary(&self) -> String {
        let actions = [
            (Action::Create, "created", "create"),
            (Action::Update, "updated", "update"),
            (Action::Replace, "replaced", "replace"),
            (Action::Delete, "deleted", "delete"),
        ];
        let kinds = [
            (Kind::Org, "organization"),
            (Kind::User, "user"),
            (Kind::Bucket, "bucket"),
            (Kind::Token, "token"),
            (Kind::V1, "1.x user"),
            (Kind::Dbrp, "mapping"),
        ];
        let parts = actions.into_iter().filter_map(|(action, done, would)| {
            let numbers = kinds.into_iter().filter_map(|(kind, name)| {
                let changes = self.changes.iter();
                let number = changes
                    .filter(|change| change.action == action && change.kind == kind)
                    .count();
                (number > 0).then(|| counted(number as u64, name))
            });
            let numbers: Vec<String> = numbers.collect();
            let verb = if self.dry_run { would } else { done };
            (!numbers.is_empty()).then(|| format!("{verb} {}", numbers.join(", ")))
        });
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// How many changes the text lists.
const MOST_CHANGES: usize = 50;

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let things = |number: usize| counted(number as u64, "thing");
        if self.changes.is_empty() && self.unchanged == 0 {
            return writeln!(out, "nothing to change: the list is empty");
        }
        if self.changes.is_empty() {
            let verb = if self.unchanged == 1 {
                "matches"
            } else {
                "match"
            };
            return writeln!(
                out,
                "nothing to change: {} already {verb} the list",
                things(self.unchanged)
            );
        }
        let most = if self.all {
            self.changes.len()
        } else {
            MOST_CHANGES
        };
        for change in self.changes.iter().take(most) {
            let verb = match (change.action, self.dry_run) {
                (Action::Create, true) => "create ",
                (Action::Create, false) => "created ",
                (Action::Update, true) => "update ",
                (Action::Update, false) => "updated ",
                (Action::Replace, true) => "replace",
                (Action::Replace, false) => "replaced",
                (Action::Delete, true) => "delete ",
                (Action::Delete, false) => "deleted ",
            };
            let kind = match change.kind {
                Kind::Org => "org  ",
                Kind::User => "user ",
                Kind::Bucket => "bucket",
                Kind::Token => "token",
                Kind::V1 => "1.x user",
                Kind::Dbrp => "mapping",
            };
            write!(out, "  {verb} {kind} {}", named(change.planned))?;
            if let Some(id) = change.id {
                write!(out, " ({id})")?;
            }
            writeln!(out)?;
            for detail in change.details {
                writeln!(out, "      {}", printable(detail))?;
            }
        }
        let more = self.changes.len().saturating_sub(most) as u64;
        if more > 0 {
            let more = counted(more, "more change");
            writeln!(out, "  and {more}; --verbose lists all, --json too")?;
        }
        let already = match self.unchanged {
            0 => String::new(),
            1 => format!("; {} already matches the list", things(1)),
            number => format!("; {} already match the list", things(number)),
        };
        let (would, end) = match self.dry_run {
            true => ("would ", format!("; {NOTHING_CHANGED}")),
            false => ("", String::new()),
        };
        let text = format!("{would}{}{already}{end}", self.summary());
        write_wrapped(out, "", 2, &text)?;
        if self.last_operator {
            let verb = if self.dry_run { "would be" } else { "is" };
            writeln!(
                out,
                "no usable operator token {verb} left; boltkey recover operator creates one"
            )?;
        }
        Ok(())
    }
}
