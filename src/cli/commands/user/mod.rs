//! `boltkey user`: its subcommands, and the report that those have in common that change a user.

mod create;
mod delete;
mod list;
mod password;

use std::io::{self, Write};
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::commands::user::create::CreateArgs;
use crate::cli::commands::user::list::ListArgs;
use crate::cli::commands::user::password::PasswordArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_new_secret};
use crate::cli::terminal::ui::{Human, printable, unchanged};
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::resolve::By;
use crate::ops::user::list::User;
use crate::secret::Token;

/// The subcommands of `user`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them all
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Make a user who can sign in
    Create(CreateArgs),
    /// Give a user a new password
    Password(PasswordArgs),
    /// Delete a user; the user's tokens stay, and no server accepts them
    Delete(WhoArgs),
}

/// Which user.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArgs {
    /// The one of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The one with this ID
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
}

impl From<WhoArgs> for By {
    fn from(args: WhoArgs) -> Self {
        match (args.id, args.name) {
            (Some(id), _) => Self::Id(id),
            (None, name) => Self::Name(name.unwrap_or_default()),
        }
    }
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation it calls, and when nobody says yes.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(ListArgs {}) => list::run(session),
        Command::Create(args) => create::run(args, session),
        Command::Password(args) => password::run(args, session),
        Command::Delete(args) => delete::run(args, session),
    }
}

/// A password that is to be set.
///
/// # Errors
/// As [`read_new_secret`].
pub fn read_password(file: Option<&Path>, session: &Session) -> Result<Token> {
    if let Some(path) = file.filter(|path| is_exposed(path)) {
        session.ui().warning(&format!(
            "{} can be read by others: a password in it is a secret of theirs too",
            path.display()
        ));
    }
    read_new_secret(&Secret::PASSWORD, file)
}

#[derive(Clone, Copy)]
enum Action {
    Create,
    Password,
    Delete,
}

/// What was done, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    user: &'a User,
    /// The authorizations that nobody owns any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<&'a [Id]>,
    /// Whether the missing index entry of the name is made with the password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    index_entry_made: bool,
    #[serde(skip)]
    action: Action,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = printable(&self.user.name);
        let id = self.user.id;
        let done = match (self.action, self.dry_run) {
            (Action::Create, false) => "was made",
            (Action::Create, true) => "would be made",
            (Action::Password, false) => "has a new password",
            (Action::Password, true) => "would get a new password",
            (Action::Delete, false) => "was deleted",
            (Action::Delete, true) => "would be deleted",
        };
        let end = unchanged(self.dry_run);
        writeln!(out, "user {name} ({id}) {done}{end}")?;
        if let Action::Delete = self.action {
            let tokens = self.tokens.unwrap_or_default();
            if !tokens.is_empty() {
                writeln!(
                    out,
                    "of that user stay, and no server accepts them: boltkey auth delete removes \
                     them"
                )?;
                for id in tokens {
                    writeln!(out, "  {id}")?;
                }
            }
            return Ok(());
        }
        if self.index_entry_made {
            let done = if self.dry_run { "would be" } else { "was" };
            writeln!(
                out,
                "the missing entry of the name in the index {done} made, so that influxd finds \
                 the user"
            )?;
        }
        if !self.user.has_password {
            writeln!(
                out,
                "there is no password, so nobody can sign in: boltkey user password sets one"
            )?;
        } else if let Some(because) = &self.user.because {
            let known = match self.user.signs_in {
                Some(true) => "the user",
                Some(false) => "nobody can sign in:",
                None => "whether the user can sign in is unknown:",
            };
            writeln!(out, "{known} {}", printable(because))?;
        }
        let orgs: Vec<&str> = self
            .user
            .owns
            .iter()
            .filter_map(|org| org.name.as_deref())
            .collect();
        if self.user.owns_instance {
            writeln!(out, "owner of the whole instance")?;
        }
        match orgs.is_empty() {
            true => writeln!(out, "owner of no organization"),
            false => writeln!(out, "owner of {}", printable(&orgs.join(", "))),
        }
    }
}
