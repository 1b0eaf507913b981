//! `boltkey v1 dbrp`: its subcommands.

pub mod create;
pub mod delete;
pub mod list;
pub mod report;
pub mod update;

use clap::Subcommand;

use crate::cli::commands::v1::dbrp::create::CreateArgs;
use crate::cli::commands::v1::dbrp::delete::DeleteArgs;
use crate::cli::commands::v1::dbrp::list::ListArgs;
use crate::cli::commands::v1::dbrp::update::UpdateArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;

/// The subcommands of `v1 dbrp`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List mappings, also the virtual ones that influxd makes of the names of buckets
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Map a 1.x database with a retention policy to a bucket
    Create(CreateArgs),
    /// Change the retention policy of a mapping, or make it the default of its database
    Update(UpdateArgs),
    /// Delete a mapping
    Delete(DeleteArgs),
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
        Command::Delete(args) => delete::run(&args, session),
    }
}
