//! `boltkey auth`: its subcommands, and those that list, show and verify authorizations.

mod clone;
mod create;
mod delete;
mod permission_flags;
mod rotate;
mod update;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::commands::auth::clone::CloneArgs;
use crate::cli::commands::auth::create::CreateArgs;
use crate::cli::commands::auth::delete::DeleteArgs;
use crate::cli::commands::auth::rotate::RotateArgs;
use crate::cli::commands::auth::update::UpdateArgs;
use crate::cli::commands::recover::operator::{CreateOperatorArgs, run_operator};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::write_entry;
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::stdout;
use crate::cli::terminal::table::Table;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::metadata::{Can, Id, Kind, Storage};
use crate::ops::auth::list::{Entry, Filters, Lister, NamedPermission};
use crate::ops::auth::show::{Other, Shown, show};
use crate::ops::auth::verify::{NOT_ALLOWED, Verified, verify};
use crate::store::Store;

/// The subcommands of `auth`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List authorizations, also those that influxd hides
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Show one authorization in full: permissions, why it works or not, who may change it
    Show(ShowArgs),
    /// Tell which authorization a token is, and whether a server would accept it now
    Verify(VerifyArgs),
    /// Make a token with chosen permissions
    Create(Box<CreateArgs>),
    /// Make another token with the same organization, user and permissions
    Clone(CloneArgs),
    /// Give a token a new value; its ID, permissions and description stay
    Rotate(RotateArgs),
    /// Switch a token on or off, or describe it anew
    Update(UpdateArgs),
    /// Delete tokens
    Delete(DeleteArgs),
    /// Make a new operator token without an old one: the same as recover operator
    CreateOperator(CreateOperatorArgs),
}

/// Which authorizations; filters combine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// The one with this ID
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
    /// Of the user with this name
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// Of the user with this ID, deleted or not
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Of the organization with this name
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// Of the organization with this ID, deleted or not
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Active or inactive
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusArg>,
    /// By what they may do
    #[arg(long, value_name = "KIND")]
    kind: Option<KindArg>,
    /// By how the token is kept
    #[arg(long, value_name = "STORAGE")]
    storage: Option<StorageArg>,
    /// Whose user or organization was deleted
    #[arg(long)]
    orphaned: bool,
    /// That may do this, by permission alone: write, write:buckets, write:buckets/NAME
    #[arg(long, value_name = "ACTION[:TYPE[/NAME-OR-ID]]")]
    can: Option<Can>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusArg {
    Active,
    Inactive,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Operator,
    AllAccess,
    Custom,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StorageArg {
    Plaintext,
    Hashed,
    Both,
    Missing,
}

impl From<FilterArgs> for Filters {
    fn from(args: FilterArgs) -> Self {
        Self {
            id: args.id,
            user: args.user,
            user_id: args.user_id,
            org: args.org,
            org_id: args.org_id,
            active: args.status.map(|s| matches!(s, StatusArg::Active)),
            kind: args.kind.map(|kind| match kind {
                KindArg::Operator => Kind::Operator,
                KindArg::AllAccess => Kind::AllAccess,
                KindArg::Custom => Kind::Custom,
            }),
            storage: args.storage.map(|storage| match storage {
                StorageArg::Plaintext => Storage::Plaintext,
                StorageArg::Hashed => Storage::Hashed,
                StorageArg::Both => Storage::Both,
                StorageArg::Missing => Storage::Missing,
            }),
            orphaned: args.orphaned,
            can: args.can,
        }
    }
}

/// Options of `auth list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: FilterArgs,
    /// The 1.x-compatible authorizations instead; their token is the 1.x user name
    #[arg(long)]
    v1: bool,
    /// Print tokens that are stored in plaintext
    #[arg(long)]
    reveal: bool,
    /// Leave the line with the columns' names out
    #[arg(long)]
    hide_headers: bool,
}

/// Options of `auth show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The authorization's ID, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// Print the token if it is stored in plaintext
    #[arg(long)]
    reveal: bool,
}

/// Options of `auth verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Read the token from this file, or from standard input for -; else from `BOLTKEY_TOKEN`,
    /// else it is asked for
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Ask whether it may do this as well: write, write:buckets, write:buckets/NAME
    #[arg(long, value_name = "ACTION[:TYPE[/NAME-OR-ID]]")]
    can: Option<Can>,
    /// Look names in --can up in this organization; else in the token's own
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation it calls, and when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(args) => run_list(args, session),
        Command::Show(args) => run_show(&args, session),
        Command::Verify(args) => run_verify(&args, session),
        Command::Create(args) => crate::cli::commands::auth::create::run(*args, session),
        Command::Clone(args) => crate::cli::commands::auth::clone::run(args, session),
        Command::Rotate(args) => crate::cli::commands::auth::rotate::run(args, session),
        Command::Update(args) => crate::cli::commands::auth::update::run(args, session),
        Command::Delete(args) => crate::cli::commands::auth::delete::run(&args, session),
        Command::CreateOperator(args) => run_operator(args.into(), session),
    }
}

fn run_list(args: ListArgs, session: &Session) -> Result<Outcome> {
    if args.reveal {
        stdout::ensure_open()?;
    }
    let store = session.open_metadata()?;
    let snapshot = store.snapshot();
    let lister = Lister::new(snapshot, args.filters.into(), args.reveal)?;
    if session.ui().json() {
        return list_json(lister, store, args.v1, session);
    }
    let mut table = list_table(args.v1, !args.hide_headers);
    let mut sink = |entry: &Entry<'_>| add_row(&mut table, entry);
    let skipped = if args.v1 {
        lister.list_legacy(snapshot, &mut sink)?
    } else {
        lister.list(snapshot, &mut sink)?
    };
    drop(store);
    session.ui().warn(&skipped);
    session.ui().text(|out| table.write(out))?;
    Ok(Outcome::Done)
}

/// Prints the list as JSON while it is read. A thread of its own writes, so that a slow reader
/// of standard output does not keep the lock.
fn list_json(lister: Lister, store: Store, v1: bool, session: &Session) -> Result<Outcome> {
    let (texts, printed) = mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        let writer = scope.spawn(|| session.ui().print(printed));
        // Sending fails when the writer has given up; it tells why when it is joined.
        let send = |text: Vec<u8>| drop(texts.send(text));
        send(b"{\"authorizations\":[".to_vec());
        let mut first = true;
        let mut sink = |mut text: Vec<u8>| {
            if first && !text.is_empty() {
                // There is no comma before the first entry.
                text.remove(0);
                first = false;
            }
            send(text);
        };
        let skipped = if v1 {
            let mut text = Vec::new();
            let skipped =
                lister.list_legacy(store.snapshot(), &mut |entry| append(entry, &mut text));
            sink(text);
            skipped
        } else {
            lister.render(
                store.snapshot(),
                &|entry, text| append(entry, text),
                &mut sink,
            )
        };
        let skipped = skipped?;
        drop(store);
        send(b"\n]}\n".to_vec());
        drop(texts);
        session.ui().warn(&skipped);
        match writer.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    Ok(Outcome::Done)
}

fn append<P: Serialize>(entry: &Entry<'_, P>, text: &mut Vec<u8>) {
    text.extend_from_slice(b",\n");
    // Writing into memory does not fail, and the entry's types all serialize.
    let _ = serde_json::to_writer(text, entry);
}

fn list_table(v1: bool, header: bool) -> Table {
    let columns = [
        "ID",
        "Description",
        if v1 { "1.x User" } else { "Token" },
        "User Name",
        "User ID",
        "Kind",
        if v1 { "Password" } else { "Storage" },
        "Status",
        "Permissions",
    ];
    Table::new(&columns, header)
}

fn add_row(table: &mut Table, entry: &Entry<'_>) {
    let user_id = entry.user_id.map(|id| id.to_string()).unwrap_or_default();
    let status = if entry.usable || entry.status != "active" {
        entry.status.to_owned()
    } else {
        format!("{} (unusable)", entry.status)
    };
    let storage = match entry.has_password {
        Some(true) => "yes",
        Some(false) => "no",
        None => entry.storage.name(),
    };
    table.row([
        &entry.id.to_string(),
        entry.description,
        entry.token.unwrap_or_default(),
        entry.user.unwrap_or(match entry.user_id {
            Some(_) => "(deleted)",
            None => "",
        }),
        &user_id,
        entry.kind.name(),
        storage,
        &status,
        &permission_cell(&entry.permissions),
    ]);
}

/// The list in one cell, as `influxd recovery auth list` prints it.
fn permission_cell(permissions: &[NamedPermission<'_>]) -> String {
    let mut cell = String::from("[");
    for (n, permission) in permissions.iter().enumerate() {
        if n > 0 {
            cell.push(' ');
        }
        cell.push_str(&permission_text(permission, false));
    }
    cell.push(']');
    cell
}

fn permission_text(permission: &NamedPermission<'_>, names: bool) -> String {
    let resource = &permission.resource;
    let mut text = format!("{}:", permission.action);
    if let Some(org) = resource.org_id {
        text.push_str(&format!("orgs/{org}/"));
    }
    text.push_str(resource.kind);
    if let Some(id) = resource.id {
        text.push_str(&format!("/{id}"));
    }
    if names {
        match (resource.name, resource.org) {
            (Some(name), Some(org)) => text.push_str(&format!("  ({name} in {org})")),
            (Some(name), None) => text.push_str(&format!("  ({name})")),
            (None, Some(org)) => text.push_str(&format!("  (in {org})")),
            (None, None) => {}
        }
    }
    text
}

fn run_show(args: &ShowArgs, session: &Session) -> Result<Outcome> {
    if args.reveal {
        stdout::ensure_open()?;
    }
    let store = session.open_metadata()?;
    let mut rendered = Ok(Zeroizing::new(Vec::new()));
    let skipped = show(store.snapshot(), args.id, args.reveal, |shown| {
        rendered = session.ui().render(shown);
    })?;
    drop(store);
    session.ui().warn(&skipped);
    session.ui().print([&rendered?])?;
    Ok(Outcome::Done)
}

fn run_verify(args: &VerifyArgs, session: &Session) -> Result<Outcome> {
    // Asked for before the lock is taken.
    let token = read_secret(&Secret::TOKEN, args.token_file.as_deref())?;
    let store = session.open_metadata()?;
    let (rendered, yes) = verify(
        store.snapshot(),
        &token,
        args.can.as_ref(),
        args.org.as_deref(),
        |verified| (session.ui().render(verified), verified.is_yes()),
    )?;
    drop(store);
    session.ui().print([&rendered?])?;
    Ok(if yes { Outcome::Done } else { Outcome::No })
}

impl Human for Shown<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_entry(&self.entry, false, out)?;
        writeln!(out, "Permissions:")?;
        for permission in &self.entry.permissions {
            writeln!(out, "  {}", printable(&permission_text(permission, true)))?;
        }
        match self.login {
            Some(user) => writeln!(
                out,
                "Login:        {} has these permissions when signed in, whatever the status \
                 of the token",
                printable(user)
            )?,
            None => writeln!(out, "Login:        nobody's")?,
        }
        if self.orphaned {
            writeln!(
                out,
                "Visible to: no token; the server answers 404, since its user or organization \
                 was deleted"
            )?;
            return write_others("Deletable by", &self.changeable_by, out);
        }
        write_others("Visible to", &self.visible_to, out)?;
        write_others("Changeable by", &self.changeable_by, out)
    }
}

fn write_others(title: &str, others: &[Other], out: &mut dyn Write) -> io::Result<()> {
    if others.is_empty() {
        return writeln!(out, "{title}: no other token");
    }
    writeln!(out, "{title}:")?;
    for other in others {
        let inactive = if other.active { "" } else { "  (inactive)" };
        let description = printable(&other.description);
        writeln!(out, "  {}  {description}{inactive}", other.id)?;
    }
    Ok(())
}

impl Human for Verified<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.authorization {
            Some(entry) if self.authenticates => {
                writeln!(out, "yes: the token authenticates, as {}", entry.id)?;
            }
            Some(entry) => writeln!(out, "no: the token is {}, but it is refused", entry.id)?,
            None => writeln!(out, "no: the token is not known to this store")?,
        }
        match self.allowed {
            Some(true) => writeln!(out, "yes: its permissions allow what was asked")?,
            Some(false) => writeln!(out, "no: its permissions do not allow what was asked")?,
            None => {}
        }
        let of_entry = match &self.authorization {
            Some(entry) => &entry.problems[..],
            None => &[],
        };
        // What the lines of the authorization tell below, or the answer above, is not told twice.
        let told = |reason: &&String| of_entry.contains(reason) || *reason == NOT_ALLOWED;
        for reason in self.reasons.iter().filter(|reason| !told(reason)) {
            writeln!(out, "  - {}", printable(reason))?;
        }
        if let Some(entry) = &self.authorization {
            writeln!(out)?;
            write_entry(entry, false, out)?;
        }
        Ok(())
    }
}
