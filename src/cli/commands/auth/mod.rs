//! `boltkey auth`: its subcommands.

mod clone;
mod create;
mod delete;
pub mod filters;
mod list;
mod permission_flags;
mod rotate;
mod show;
mod update;
mod verify;

use clap::Subcommand;

use crate::cli::commands::auth::clone::CloneArgs;
use crate::cli::commands::auth::create::CreateArgs;
use crate::cli::commands::auth::delete::DeleteArgs;
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

/// Runs a subcommand.
///
/// # Errors
/// As the operation it calls, and when standard output can't be written.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(args) => list::run(args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Verify(args) => verify::run(&args, session),
        Command::Create(args) => create::run(*args, session),
        Command::Clone(args) => clone::run(args, session),
        Command::Rotate(args) => rotate::run(args, session),
        Command::Update(args) => update::run(args, session),
        Command::Delete(args) => delete::run(&args, session),
        Command::CreateOperator(args) => operator::run(args.into(), session),
    }
}
