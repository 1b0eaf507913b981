//! `boltkey apply`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Zoned;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change::{changed, changed_meanwhile, ended};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_secret};
use crate::cli::terminal::ui::{Human, printable};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::counted;
use crate::metadata::Id;
use crate::ops::apply::{
    Action, Generated, Kind, List, Options, Plan, PlannedChange, Secrets, plan,
};
use crate::ops::commit::{SideFiles, sound_structure};
use crate::ops::timestamp::Timestamp;
use crate::secret::Token;

/// Options of `apply`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ApplyArgs {
    /// The list, TOML or JSON, or - for standard input; paths in it are relative to it
    #[arg(value_name = "FILE")]
    list: PathBuf,
    /// Delete tokens that an earlier apply made and the list no longer names; nothing else
    #[arg(long)]
    prune: bool,
}

const EXAMPLE: &str = r#"A list:
  [[org]]
  name = "acme"
  [[user]]
  name = "alice"
  orgs = ["acme"]                       # those that alice is to own
  passwordFile = "alice.pw"             # without it alice can't sign in
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
  generate = "admin.token"              # made on the first run

A second run changes nothing. A token is known again by its name and organization."#;

/// Runs `apply`.
///
/// # Errors
/// As the operation, for what is wrong with the list, and when nobody says yes to deletions.
pub fn run(args: &ApplyArgs, session: &Session) -> Result<Outcome> {
    let (list, _) = read_list(&args.list, session)?;
    let options = Options {
        list: &list,
        prune: args.prune,
        use_hashed_tokens: session.use_hashed_tokens(),
        strong_passwords: session.strong_passwords(),
    };
    let database = session.database()?;
    let now = Timestamp::from(&Zoned::now());
    // What is wrong with the list names the list already.
    let named = |error: Error| error.about(database.path());
    let ui = session.ui();

    // What is asked must be answered before the lock is taken for the change.
    let store = session.open_metadata_at(&database)?;
    let first = plan(store.snapshot(), &options, &now).map_err(named)?;
    if first.changes.is_empty() || session.dry_run() {
        if !first.changes.is_empty() {
            sound_structure(store.inspect()).map_err(named)?;
            side_files(session, &first).could_be_made()?;
        }
        drop(store);
        tell(session, &first);
        let would = Some(!first.changes.is_empty());
        ui.report(&Report::new(&first, would, session.dry_run()))?;
        return Ok(Outcome::Done);
    }
    drop(store);
    if !first.doomed.is_empty() {
        session.confirm(&question(&first))?;
    }
    session.may_write(&database)?;

    let mut store = session.open_writable(&database)?;
    let plan = plan(&store, &options, &now).map_err(named)?;
    let doomed = |plan: &Plan| {
        plan.doomed
            .iter()
            .map(|one| one.id)
            .collect::<BTreeSet<Id>>()
    };
    if doomed(&plan) != doomed(&first) {
        return Err(changed_meanwhile(&database));
    }
    let committed = plan.apply(&mut store, &side_files(session, &plan))?;
    drop(store);
    tell(session, &plan);
    let report = ui.render(&Report::new(&plan, changed(&committed), false));
    ended(session, report, committed)
}

fn side_files<'p>(session: &'p Session, plan: &'p Plan) -> SideFiles<'p> {
    let made = plan.made.iter();
    SideFiles {
        keep_copy: session.keep_copy(),
        tokens_out: made.map(|(path, token)| (&**path, token)).collect(),
        ..SideFiles::default()
    }
}

fn tell(session: &Session, plan: &Plan) {
    for note in &plan.notes {
        session.ui().warning(note);
    }
}

/// Reads the list and its secrets; returns what it is called in messages as well.
fn read_list(path: &Path, session: &Session) -> Result<(List, String)> {
    /// Enough for a hundred thousand tokens.
    const LONGEST: u64 = 64 << 20;
    let read = |source: &mut dyn Read| {
        let mut bytes = Zeroizing::new(Vec::new());
        source.take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let (name, folder, bytes) = if path == Path::new("-") {
        let name = String::from("standard input");
        let bytes = read(&mut io::stdin().lock()).at("read", Path::new(&name))?;
        (name, Path::new(""), bytes)
    } else {
        let opened = File::open(path).and_then(|mut file| read(&mut file));
        let bytes = opened.at("read", path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        (path.display().to_string(), folder, bytes)
    };
    let refused = |why: &str| Error::new(ErrorKind::Refused, format!("{name} {why}"));
    if bytes.len() as u64 > LONGEST {
        return Err(refused("is longer than 64 MiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| refused("is no UTF-8 text"))?;
    let mut files = Files { folder, session };
    let list = List::read(text, &name, &mut files)?;
    Ok((list, name))
}

/// The files that a list refers to.
struct Files<'a> {
    /// Where the list stands.
    folder: &'a Path,
    session: &'a Session,
}

impl Files<'_> {
    fn path(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        // A file of this name, which elsewhere stands for standard input.
        if path == Path::new("-") {
            return PathBuf::from("./-");
        }
        path
    }

    fn read(&self, secret: &Secret, path: &Path) -> Result<Token> {
        let path = self.path(path);
        if is_exposed(&path) {
            self.session.ui().warning(&format!(
                "{} can be read by others: a {} in it is a secret of theirs too",
                path.display(),
                secret.name(),
            ));
        }
        read_secret(secret, Some(&path))
    }
}

impl Secrets for Files<'_> {
    fn password(&mut self, path: &Path) -> Result<Token> {
        self.read(&Secret::PASSWORD, path)
    }

    fn token(&mut self, path: &Path) -> Result<Token> {
        self.read(&Secret::TOKEN, path)
    }

    fn generated(&mut self, path: &Path) -> Result<Generated> {
        match self.read(&Secret::TOKEN, path) {
            Ok(token) => Ok(Generated::Made(token)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Generated::ToMake(self.path(path)))
            }
            Err(error) => Err(error),
        }
    }
}

/// Names what would stop working.
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
        parts.push(format!(
            "Delete {tokens} that the list no longer names: {text}?"
        ));
    }
    let (replaced, text) = names(Action::Replace);
    if replaced > 0 {
        parts.push(format!(
            "Replace {} by what the list says, with other permissions or another owner: {text}?",
            counted(replaced, "token")
        ));
    }
    if plan.last_operator {
        parts.push("No usable operator token is left then.".into());
    }
    parts.join(" ")
}

/// A thing by its name, and a token by its organization too.
fn named(planned: &PlannedChange) -> String {
    let name = printable(&planned.name);
    match &planned.org {
        Some(org) => format!("{name} in {}", printable(org)),
        None => name,
    }
}

/// What was done, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    changes: Vec<Change<'a>>,
    /// How many things were as the list says.
    unchanged: usize,
    /// Whether this leaves no usable operator token, though there was one.
    last_operator: bool,
}

#[derive(Serialize)]
struct Change<'a> {
    action: Action,
    kind: Kind,
    /// Null for what would be made.
    id: Option<Id>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
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
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let things = |number: usize| counted(number as u64, "thing");
        if self.changes.is_empty() && self.unchanged == 0 {
            return writeln!(out, "nothing to change: the list is empty");
        }
        if self.changes.is_empty() {
            let verb = if self.unchanged == 1 { "is" } else { "are" };
            return writeln!(
                out,
                "nothing to change: {} {verb} as the list says",
                things(self.unchanged)
            );
        }
        let number = self.changes.len() as u64;
        match self.dry_run {
            true => writeln!(
                out,
                "would make {}; nothing was changed",
                counted(number, "change")
            )?,
            false => writeln!(out, "made {}", counted(number, "change"))?,
        }
        for change in &self.changes {
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
                Kind::Token => "token",
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
        if self.unchanged > 0 {
            let verb = if self.unchanged == 1 { "is" } else { "are" };
            writeln!(
                out,
                "{} {verb} as the list says already",
                things(self.unchanged)
            )?;
        }
        if self.last_operator {
            let verb = if self.dry_run { "would be" } else { "is" };
            writeln!(
                out,
                "no usable operator token {verb} left; boltkey recover operator makes a new one"
            )?;
        }
        Ok(())
    }
}
