//! `boltkey auth`: its subcommands.

pub mod affected_text;
pub mod clone;
pub mod create;
pub mod delete;
pub mod export;
pub mod filters;
pub mod list;
pub mod permission_flags;
pub mod rotate;
pub mod rotate_many;
pub mod show;
pub mod tokens_args;
pub mod update;
pub mod verify;

use clap::Subcommand;

use crate::cli::commands::auth::clone::CloneArgs;
use crate::cli::commands::auth::create::CreateArgs;
use crate::cli::commands::auth::delete::DeleteArgs;
use crate::cli::commands::auth::export::ExportArgs;
use crate::cli::commands::auth::list::ListArgs;
use crate::cli::commands::auth::rotate::RotateArgs;
use crate::cli::commands::auth::show::ShowArgs;
use crate::cli::commands::auth::update::UpdateArgs;
use crate::cli::commands::auth::verify::VerifyArgs;
use crate::cli::commands::recover::operator;
use crate::cli::commands::recover::operator::CreateOperatorArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `auth`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List authorizations, including those hidden by influxd
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Show one authorization: permissions, whether it works and why, who can change it
    Show(ShowArgs),
    /// Find the authorization of a token and check whether a server would accept it
    Verify(VerifyArgs),
    /// Create a token
    Create(Box<CreateArgs>),
    /// Create a token with the organization, user and permissions of another one
    Clone(CloneArgs),
    /// Replace the values of tokens; keep their IDs, permissions and descriptions
    Rotate(Box<RotateArgs>),
    /// Change the status or the description of tokens
    Update(Box<UpdateArgs>),
    /// Delete tokens
    Delete(Box<DeleteArgs>),
    /// Write organizations, users, buckets, tokens and 1.x access as a list, with which apply makes
    /// them work on another server
    Export(Box<ExportArgs>),
    /// Create an operator token without an existing token (same as recover operator)
    CreateOperator(CreateOperatorArgs),
}

/// Runs a subcommand.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(args) => list::run(args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Verify(args) => verify::run(&args, session),
        Command::Create(args) => create::run(*args, session),
        Command::Clone(args) => clone::run(args, session),
        Command::Rotate(args) => rotate::run(*args, session),
        Command::Update(args) => update::run(*args, session),
        Command::Delete(args) => delete::run(*args, session),
        Command::Export(args) => export::run(*args, session),
        Command::CreateOperator(args) => operator::run(args.into(), session),
    }
}
