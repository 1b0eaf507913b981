//! `boltkey recover operator` and its alias `boltkey auth create-operator`.

use clap::Args;

use crate::cli::change;
use crate::cli::commands::token_report::{
    Action, Owner, Source, TokenChange, TokenCommand, TokenOptions, TokenOutArgs,
};
use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::choose_owner::choose_missing;
use crate::error::Result;
use crate::ops::recover::operator::{Options, choices, plan};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `recover operator`.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// User who will own the token [default: the only user, otherwise prompt]
    #[arg(long, short = 'u', value_name = "NAME", alias = "username")]
    user: Option<String>,
    /// Organization of the token [default: the only organization, otherwise prompt]
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    #[command(flatten)]
    token_out: TokenOutArgs,
}

/// Options of `auth create-operator`, named as in `influxd recovery auth create-operator`.
#[derive(Debug, Args)]
pub struct CreateOperatorArgs {
    /// User who will own the token [default: the only user, otherwise prompt]
    #[arg(long, short = 'u', value_name = "NAME", alias = "user")]
    username: Option<String>,
    /// Organization of the token [default: the only organization, otherwise prompt]
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    #[command(flatten)]
    token_out: TokenOutArgs,
}

impl From<CreateOperatorArgs> for OperatorArgs {
    fn from(args: CreateOperatorArgs) -> Self {
        Self {
            user: args.username,
            org: args.org,
            token_out: args.token_out,
        }
    }
}

/// Runs `recover operator`.
///
/// # Errors
/// The errors of the operation, and an error when the token can't be printed.
pub fn run(args: OperatorArgs, session: &Session) -> Result<Outcome> {
    let token_out = args.token_out.path();
    let token_options = TokenOptions {
        source: Source::Generated,
        token_out,
        action: Action::Create,
        again: "boltkey recover operator",
    };
    token_options.can_be_told(session)?;
    let options = Options {
        user: args.user.map(By::Name),
        org: args.org.map(By::Name),
        use_hashed_tokens: session.use_hashed_tokens(),
    };
    change::run(
        TokenChange(RecoverOperator {
            token_options,
            options,
        }),
        session,
    )
}

struct RecoverOperator<'a> {
    token_options: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for RecoverOperator<'_> {
    fn token_options(&self) -> &TokenOptions<'_> {
        &self.token_options
    }

    fn choose(&mut self, session: &Session, database: &Database) -> Result<Option<Owner>> {
        let options = &mut self.options;
        if options.user.is_some() && options.org.is_some() {
            return Ok(None);
        }
        let store = session.open_at(database)?;
        session.is_readable(&store)?;
        let choices = choices(store.snapshot())?;
        if options.owner(&choices).is_none() {
            // Before a question. The plan refuses such a store too.
            session.nothing_lost(store.snapshot(), store.inspect(), database)?;
        }
        // Release the lock before the prompt.
        drop(store);
        let users = &choices.users;
        let chosen = choose_missing(&mut options.user, "user", "--user", users)?;
        let orgs = &choices.orgs;
        let chosen = choose_missing(&mut options.org, "organization", "--org", orgs)? || chosen;
        // The records of the listed names.
        Ok(options
            .owner(&choices)
            .filter(|_| chosen)
            .map(|(user, org)| {
                (
                    Some(user.id),
                    Some(user.name.clone()),
                    org.id,
                    Some(org.name.clone()),
                )
            }))
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }
}
