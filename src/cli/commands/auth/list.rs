//! `boltkey auth list`.

use std::sync::mpsc;
use std::thread;

use clap::Args;
use serde::Serialize;

use crate::cli::commands::auth::filters::FilterArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::permission_text;
use crate::cli::terminal::closed_stdout;
use crate::cli::terminal::incomplete::write_incomplete;
use crate::cli::terminal::table::Table;
use crate::error::Result;
use crate::ops::auth::access::{Gone, access};
use crate::ops::auth::list::{AuthDetails, Filters, Lister, NamedPermission};
use crate::ops::v1::auth::find;
use crate::store::Store;

/// Options of `auth list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: FilterArgs,
    /// List 1.x-compatible authorizations instead; their token is the 1.x user name
    #[arg(long)]
    v1: bool,
    /// Show tokens that are stored in plaintext
    #[arg(long)]
    reveal: bool,
    /// Print the columns of influx auth list, with every permission in full
    #[arg(long)]
    wide: bool,
    /// Omit the header line
    #[arg(long)]
    hide_headers: bool,
}

/// Runs `auth list`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: ListArgs, session: &Session) -> Result<Outcome> {
    if args.reveal {
        closed_stdout::ensure_open()?;
    }
    let options = Options {
        filters: args.filters.into(),
        v1_username: None,
        v1: args.v1,
        reveal: args.reveal,
        wide: args.wide,
        hide_headers: args.hide_headers,
    };
    list(options, session)
}

/// What to list and how. Also `v1 auth list`.
pub struct Options {
    /// The authorizations to list.
    pub filters: Filters,
    /// Only that of this 1.x user.
    pub v1_username: Option<String>,
    /// Whether to list 1.x-compatible authorizations.
    pub v1: bool,
    /// Whether to show tokens that are stored in plaintext.
    pub reveal: bool,
    /// Whether to print the columns of the influx CLI.
    pub wide: bool,
    /// Whether to omit the header line.
    pub hide_headers: bool,
}

/// Lists authorizations.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn list(options: Options, session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let snapshot = store.snapshot();
    let mut filters = options.filters;
    if let Some(name) = &options.v1_username {
        filters.id = Some(find::by_name(snapshot, name)?);
    }
    let mut lister = Lister::new(snapshot, filters, options.reveal)?;
    lister.find_hidden(snapshot, store.inspect())?;
    if session.ui().json() {
        return list_json(lister, store, options.v1, session);
    }
    let columns = Columns {
        wide: options.wide,
        v1: options.v1,
        tokens: options.reveal,
        gone: Gone::of(&lister.catalog().hidden),
    };
    let mut table = columns.table(!options.hide_headers);
    let mut readable = 0;
    let mut sink = |entry: &AuthDetails<'_>| {
        readable += 1;
        columns.add_row(&mut table, entry);
    };
    let skipped = if options.v1 {
        lister.list_legacy(snapshot, &mut sink)?
    } else {
        lister.list(snapshot, &mut sink)?
    };
    drop(store);
    session.ui().warn(&skipped.findings);
    // Scripts that leave out the header read lines.
    let hidden = skipped.hidden && !options.hide_headers;
    session.ui().text(|out| {
        table.write(out)?;
        write_incomplete(readable, hidden, "authorization", out)
    })?;
    Ok(Outcome::Done)
}

/// Prints the list as JSON while it is read. A separate thread writes, so that a slow reader of
/// standard output does not hold the lock.
fn list_json(lister: Lister, store: Store, v1: bool, session: &Session) -> Result<Outcome> {
    let (texts, printed) = mpsc::channel::<Vec<u8>>();
    thread::scope(|scope| {
        let writer = scope.spawn(|| session.ui().print(printed));
        // Sending fails when the writer has failed. Joining it returns the error.
        let send = |text: Vec<u8>| drop(texts.send(text));
        let mut first = true;
        let mut sink = |mut text: Vec<u8>| {
            if first && !text.is_empty() {
                // The list begins in place of the comma before the first entry.
                text.splice(..1, *b"{\"authorizations\":[");
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
        let (list, incomplete) = match (first, skipped.hidden) {
            (true, true) => ("{\"authorizations\":null", "[\"authorizations\"]"),
            (true, false) => ("{\"authorizations\":[\n]", "[]"),
            (false, true) => ("\n]", "[\"authorizations\"]"),
            (false, false) => ("\n]", "[]"),
        };
        send(format!("{list},\n\"incomplete\":{incomplete}}}\n").into_bytes());
        drop(texts);
        session.ui().warn(&skipped.findings);
        match writer.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    Ok(Outcome::Done)
}

fn append<P: Serialize>(entry: &AuthDetails<'_, P>, text: &mut Vec<u8>) {
    text.extend_from_slice(b",\n");
    // Writing to memory can't fail, and all field types serialize.
    let _ = serde_json::to_writer(text, entry);
}

/// Which columns the table has.
struct Columns {
    wide: bool,
    v1: bool,
    /// Whether tokens are shown.
    tokens: bool,
    gone: Gone,
}

impl Columns {
    fn table(&self, header: bool) -> Table {
        let token = if self.v1 { "1.x User" } else { "Token" };
        let storage = if self.v1 { "Password" } else { "Storage" };
        if self.wide {
            let columns = [
                "ID",
                "Description",
                token,
                "User Name",
                "User ID",
                "Kind",
                storage,
                "Status",
                "Permissions",
            ];
            return Table::new(&columns, header).whole(&columns);
        }
        let mut columns = vec!["ID", "Description"];
        if self.v1 || self.tokens {
            columns.push(token);
        }
        columns.extend(["Kind", "User", "Org", "Status", storage, "Access"]);
        Table::new(&columns, header).whole(&["ID", "Token"])
    }

    fn add_row(&self, table: &mut Table, entry: &AuthDetails<'_>) {
        let id = entry.id.to_string();
        let token = entry.token.unwrap_or_default();
        let user = entry.user.unwrap_or(match entry.user_id {
            Some(_) => self.gone.users,
            None => "",
        });
        let storage = match entry.has_password {
            Some(true) => "yes",
            Some(false) => "no",
            None => entry.storage.name(),
        };
        let is_active = entry.status == "active";
        if self.wide {
            let user_id = entry.user_id.map(|id| id.to_string()).unwrap_or_default();
            let status = match entry.usable {
                Some(false) if is_active => format!("{} (unusable)", entry.status),
                None if is_active => format!("{} (usable or not is unknown)", entry.status),
                _ => entry.status.to_owned(),
            };
            return table.row([
                &id,
                entry.description,
                token,
                user,
                &user_id,
                entry.kind.name(),
                storage,
                &status,
                &permission_cell(&entry.permissions),
            ]);
        }
        let mut cells = vec![id.as_str(), entry.description];
        if self.v1 || self.tokens {
            cells.push(token);
        }
        let status = match entry.usable {
            Some(false) if is_active => "unusable",
            None if is_active => "unknown",
            _ => entry.status,
        };
        let access = access(entry, &self.gone);
        let org = entry.org.unwrap_or(self.gone.orgs);
        cells.extend([entry.kind.name(), user, org, status, storage, &access]);
        table.cells(&cells);
    }
}

/// Formats the permissions as `influxd recovery auth list` does.
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
