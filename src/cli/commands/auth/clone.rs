//! `boltkey auth clone`.

use clap::Args;

use crate::cli::change::run_on;
use crate::cli::commands::token_report::{
    Action, TokenChange, TokenCommand, TokenOptions, ValueArgs,
};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::clone::{Options, plan};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `auth clone`.
#[derive(Debug, Args)]
pub struct CloneArgs {
    /// The ID of the token that is to have a double, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// The new token's description; else the old one's
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Mark the description, so that status and check list the token until it is removed
    #[arg(long)]
    temporary: bool,
    #[command(flatten)]
    value: ValueArgs,
}

/// Runs `auth clone`.
///
/// # Errors
/// As the operation.
pub fn run(args: CloneArgs, session: &Session) -> Result<Outcome> {
    let made = TokenOptions {
        source: args.value.source(),
        token_out: args.value.token_out(),
        action: Action::Create,
        again: "boltkey auth clone",
    };
    made.can_be_told(session)?;
    let database = session.database()?;
    let options = Options {
        id: args.id,
        description: args.description,
        temporary: args.temporary,
        making: args.value.read(session)?,
    };
    run_on(
        TokenChange(CloneToken { made, options }),
        session,
        &database,
    )
}

struct CloneToken<'a> {
    made: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for CloneToken<'_> {
    fn made(&self) -> &TokenOptions<'_> {
        &self.made
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }
}
