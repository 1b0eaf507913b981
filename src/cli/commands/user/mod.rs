//! `boltkey user`.

mod list;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::Change;
use crate::cli::commands::user::list::ListArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::secret_input::{Secret, is_exposed, read_new_secret};
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::Id;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::user;
use crate::ops::user::list::User;
use crate::secret::Token;
use crate::store::Snapshot;

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

/// Options of `user create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The name to sign in with
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The organization the user is to own
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    /// Power over the whole instance: every organization, and everybody's tokens
    #[arg(long)]
    instance_owner: bool,
    /// Read the password from this file, or from standard input for -; else from
    /// `BOLTKEY_PASSWORD`; without any there is no login
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Options of `user password`.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// Read the password from this file, or from standard input for -; else from
    /// `BOLTKEY_PASSWORD`, else it is asked for twice
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
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
        Command::Create(args) => create(args, session),
        Command::Password(args) => password(args, session),
        Command::Delete(args) => delete(args, session),
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

fn create(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let file = args.password_file.as_deref();
    let password = if file.is_some() || Secret::PASSWORD.is_set() {
        Some(read_password(file, session)?)
    } else {
        None
    };
    let options = user::create::Options {
        name: args.name,
        org: args.org.map(By::Name),
        instance_owner: args.instance_owner,
        password,
        strong_passwords: session.strong_passwords(),
    };
    let database = session.database()?;
    if options.instance_owner && !session.dry_run() {
        let name = printable(&format!("{:?}", options.name));
        let question = format!(
            "Give {name} power over the whole instance, over every organization and everybody's \
             tokens?"
        );
        confirm(session.yes(), &question)?;
    }
    let now = Timestamp::from(&Zoned::now());
    let change = Change {
        plan: |store: &dyn Snapshot| user::create::plan(store, &options, &now),
        apply: user::create::Plan::apply,
        report: |plan: &user::create::Plan, changed, dry_run| {
            session.ui().render(&Report {
                changed,
                dry_run,
                user: &plan.user,
                tokens: None,
                action: Action::Create,
            })
        },
    };
    change.run(session, &database)
}

fn password(args: PasswordArgs, session: &Session) -> Result<Outcome> {
    let password = read_password(args.password_file.as_deref(), session)?;
    let strong = session.strong_passwords();
    let by = By::from(args.who);
    let database = session.database()?;
    if !session.dry_run() {
        let store = session.open_metadata_at(&database)?;
        let plan = user::password::plan(store.snapshot(), &by, None, strong)
            .map_err(|error| error.about(database.path()))?;
        drop(store);
        if plan.had_one {
            let name = printable(&format!("{:?}", plan.user.name));
            let question = format!("Give {name} a new password? The old one opens nothing then.");
            confirm(session.yes(), &question)?;
        }
    }
    let change = Change {
        plan: |store: &dyn Snapshot| user::password::plan(store, &by, Some(&password), strong),
        apply: user::password::Plan::apply,
        report: |plan: &user::password::Plan, changed, dry_run| {
            session.ui().render(&Report {
                changed,
                dry_run,
                user: &plan.user,
                tokens: None,
                action: Action::Password,
            })
        },
    };
    change.run(session, &database)
}

fn delete(args: WhoArgs, session: &Session) -> Result<Outcome> {
    let by = By::from(args);
    let database = session.database()?;
    if !session.dry_run() {
        let store = session.open_metadata_at(&database)?;
        let plan = user::delete::plan(store.snapshot(), &by)
            .map_err(|error| error.about(database.path()))?;
        drop(store);
        let question = format!(
            "Delete {}? The login and {} of that user stop working.",
            printable(&format!("{:?}", plan.user.name)),
            counted(plan.tokens.len() as u64, "token"),
        );
        confirm(session.yes(), &question)?;
    }
    let change = Change {
        plan: |store: &dyn Snapshot| user::delete::plan(store, &by),
        apply: user::delete::Plan::apply,
        report: |plan: &user::delete::Plan, changed, dry_run| {
            session.ui().render(&Report {
                changed,
                dry_run,
                user: &plan.user,
                tokens: Some(&plan.tokens),
                action: Action::Delete,
            })
        },
    };
    change.run(session, &database)
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
    #[serde(skip)]
    action: Action,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = printable(&self.user.name);
        let id = self.user.id;
        let done = match (self.action, self.dry_run) {
            (Action::Create, false) => "was made",
            (Action::Create, true) => "would be made; nothing was changed",
            (Action::Password, false) => "has a new password",
            (Action::Password, true) => "would get a new password; nothing was changed",
            (Action::Delete, false) => "was deleted",
            (Action::Delete, true) => "would be deleted; nothing was changed",
        };
        writeln!(out, "user {name} ({id}) {done}")?;
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
        if !self.user.has_password {
            writeln!(
                out,
                "there is no password, so nobody can sign in: boltkey user password sets one"
            )?;
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
