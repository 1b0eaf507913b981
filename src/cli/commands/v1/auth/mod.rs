//! `boltkey v1 auth`: its subcommands.

pub mod bucket_flags;
pub mod create;
pub mod delete;
pub mod list;
pub mod password;
pub mod report;
pub mod update;

use clap::{Args, Subcommand};

use crate::cli::commands::v1::auth::create::CreateArgs;
use crate::cli::commands::v1::auth::list::ListArgs;
use crate::cli::commands::v1::auth::password::PasswordArgs;
use crate::cli::commands::v1::auth::update::UpdateArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::resolve::By;

/// The subcommands of `v1 auth`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List 1.x users
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Create a 1.x user, who can use /query and /write with a password
    Create(CreateArgs),
    /// Change the status, the description or the permissions of a 1.x user
    Update(UpdateArgs),
    /// Set the password of a 1.x user
    Password(PasswordArgs),
    /// Delete a 1.x user
    Delete(WhoArgs),
}

/// Selects a 1.x user.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArgs {
    /// 1.x user name
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// ID of the 1.x-compatible authorization
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
}

impl From<WhoArgs> for By {
    fn from(args: WhoArgs) -> Self {
        match (args.id, args.username) {
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
        Command::List(args) => list::run(args, session),
        Command::Create(args) => create::run(args, session),
        Command::Update(args) => update::run(args, session),
        Command::Password(args) => password::run(args, session),
        Command::Delete(args) => delete::run(args, session),
    }
}
