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
    /// ID of the token to clone, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// Description of the new token [default: the description of the old one]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Mark the token as temporary in its description; status and check list it until removed
    #[arg(long)]
    temporary: bool,
    #[command(flatten)]
    value: ValueArgs,
}

/// Runs `auth clone`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: CloneArgs, session: &Session) -> Result<Outcome> {
    let token_options = TokenOptions {
        source: args.value.source(),
        token_out: args.value.token_out(),
        action: Action::Create,
        again: "boltkey auth clone",
    };
    token_options.can_be_told(session)?;
    let database = session.database_to_change()?;
    let options = Options {
        id: args.id,
        description: args.description,
        temporary: args.temporary,
        making: args.value.read(session)?,
    };
    run_on(
        TokenChange(CloneToken {
            token_options,
            options,
        }),
        session,
        &database,
    )
}

struct CloneToken<'a> {
    token_options: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for CloneToken<'_> {
    fn token_options(&self) -> &TokenOptions<'_> {
        &self.token_options
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }
}
