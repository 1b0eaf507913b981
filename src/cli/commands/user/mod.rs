//! `boltkey user`: its subcommands.

pub mod create;
pub mod delete;
pub mod list;
pub mod password;
pub mod report;
pub mod update;
pub mod verify;

use clap::{Args, Subcommand};

use crate::cli::commands::user::create::CreateArgs;
use crate::cli::commands::user::list::ListArgs;
use crate::cli::commands::user::password::PasswordArgs;
use crate::cli::commands::user::update::UpdateArgs;
use crate::cli::commands::user::verify::VerifyArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::resolve::By;

/// The subcommands of `user`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List users
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Check whether a password signs a user in, and with which power
    Verify(VerifyArgs),
    /// Create a user
    Create(CreateArgs),
    /// Set the password of a user
    Password(PasswordArgs),
    /// Switch a user on or off, or change the name
    Update(UpdateArgs),
    /// Delete a user; keep the tokens, which no server accepts any more
    Delete(WhoArgs),
}

/// Selects a user.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArgs {
    /// User name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// User ID
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
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(ListArgs {}) => list::run(session),
        Command::Verify(args) => verify::run(&args, session),
        Command::Create(args) => create::run(args, session),
        Command::Password(args) => password::run(args, session),
        Command::Update(args) => update::run(args, session),
        Command::Delete(args) => delete::run(args, session),
    }
}
