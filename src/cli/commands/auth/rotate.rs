//! `boltkey auth rotate`.

use clap::Args;

use crate::cli::change::{Look, run_on};
use crate::cli::commands::token_report::{
    Action, TokenChange, TokenCommand, TokenOptions, ValueArgs,
};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::ui::printable;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::rotate::{Options, plan};
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `auth rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The token's ID, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    #[command(flatten)]
    value: ValueArgs,
}

/// Runs `auth rotate`.
///
/// # Errors
/// As the operation, and when nobody says yes.
pub fn run(args: RotateArgs, session: &Session) -> Result<Outcome> {
    let made = TokenOptions {
        source: args.value.source(),
        token_out: args.value.token_out(),
        action: Action::Rotate,
        again: "boltkey auth rotate",
    };
    made.can_be_told(session)?;
    let database = session.database()?;
    let options = Options {
        id: args.id,
        making: args.value.read(session)?,
    };
    run_on(
        TokenChange(RotateToken { made, options }),
        session,
        &database,
    )
}

struct RotateToken<'a> {
    made: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for RotateToken<'_> {
    fn made(&self) -> &TokenOptions<'_> {
        &self.made
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }

    fn look(&self) -> Look {
        Look::ToAsk
    }

    /// Names what would stop working.
    fn question(&self, entry: &AuthDetails<'_>) -> Option<String> {
        let owner = match (entry.user, entry.org) {
            (Some(user), Some(org)) => format!(" of {user:?} in {org:?}"),
            _ => String::new(),
        };
        Some(printable(&format!(
            "Give {} {:?} ({}{owner}) a new value? Whatever uses the old one stops working.",
            entry.id,
            entry.description,
            entry.kind.name(),
        )))
    }
}
