//! `boltkey auth rotate`.

use clap::Args;

use crate::cli::change::{Look, run_on};
use crate::cli::commands::auth::filters::StatusFilter;
use crate::cli::commands::auth::rotate_many;
use crate::cli::commands::auth::rotate_many::FormArgs;
use crate::cli::commands::auth::tokens_args::TokensArgs;
use crate::cli::commands::token_report::{
    Action, TokenChange, TokenCommand, TokenOptions, ValueArgs,
};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::printable;
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
    #[command(flatten)]
    tokens: TokensArgs,
    #[command(flatten)]
    status: StatusFilter,
    #[command(flatten)]
    value: ValueArgs,
    #[command(flatten)]
    form: FormArgs,
}

/// Runs `auth rotate`.
///
/// # Errors
/// The errors of the operation, and an error when the change is not confirmed.
pub fn run(args: RotateArgs, session: &Session) -> Result<Outcome> {
    let tokens = args.tokens.selected(args.status.active())?;
    match tokens.only_id() {
        Some(id) if !args.form.is_given() => run_for_one(id, &args.value, session),
        _ => rotate_many::run(tokens, &args.value, &args.form, session),
    }
}

fn run_for_one(id: Id, value: &ValueArgs, session: &Session) -> Result<Outcome> {
    let token_options = TokenOptions {
        source: value.source(),
        token_out: value.token_out(),
        action: Action::Rotate,
        again: "boltkey auth rotate",
    };
    token_options.can_be_told(session)?;
    let database = session.database_to_change()?;
    let options = Options {
        id,
        making: value.read(session)?,
    };
    run_on(
        TokenChange(RotateToken {
            token_options,
            options,
        }),
        session,
        &database,
    )
}

struct RotateToken<'a> {
    token_options: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for RotateToken<'_> {
    fn token_options(&self) -> &TokenOptions<'_> {
        &self.token_options
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }

    fn look(&self) -> Look {
        Look::ToAsk
    }

    /// The question. It names the token.
    fn question(&self, entry: &AuthDetails<'_>) -> Option<String> {
        let owner = match (entry.user, entry.org) {
            (Some(user), Some(org)) => format!(" of {user:?} in {org:?}"),
            _ => String::new(),
        };
        Some(printable(&format!(
            "Replace the value of {} {:?} ({}{owner})? Clients that use the old value lose access.",
            entry.id,
            entry.description,
            entry.kind.name(),
        )))
    }
}
