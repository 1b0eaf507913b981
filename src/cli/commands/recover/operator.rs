//! `boltkey recover operator`, also spelled `boltkey auth create-operator`.

use clap::Args;

use crate::cli::change;
use crate::cli::commands::token_report::{
    Action, Owner, Source, TokenChange, TokenCommand, TokenOptions, TokenOutArgs, owner,
};
use crate::cli::exit::Outcome;
use crate::cli::session::{Database, Session};
use crate::cli::terminal::prompt::choose;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::auth::list::AuthDetails;
use crate::ops::recover::operator::{Choice, Options, choices, plan};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `recover operator`.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// The user who is to own the token; not needed if there is only one
    #[arg(long, short = 'u', value_name = "NAME", alias = "username")]
    user: Option<String>,
    /// The organization it is to belong to; not needed if there is only one
    #[arg(long, short = 'o', value_name = "NAME")]
    org: Option<String>,
    #[command(flatten)]
    token_out: TokenOutArgs,
}

/// Options of `auth create-operator`, the words of `influxd recovery auth create-operator`.
#[derive(Debug, Args)]
pub struct CreateOperatorArgs {
    /// The user who is to own the token; not needed if there is only one
    #[arg(long, short = 'u', value_name = "NAME", alias = "user")]
    username: Option<String>,
    /// The organization it is to belong to; not needed if there is only one
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
/// As the operation, and when the token can't be printed.
pub fn run(args: OperatorArgs, session: &Session) -> Result<Outcome> {
    let token_out = args.token_out.path();
    let made = TokenOptions {
        source: Source::Generated,
        token_out,
        action: Action::Create,
        again: "boltkey recover operator",
    };
    made.can_be_told(session)?;
    let options = Options {
        user: args.user.map(By::Name),
        org: args.org.map(By::Name),
        use_hashed_tokens: session.use_hashed_tokens(),
    };
    change::run(TokenChange(RecoverOperator { made, options }), session)
}

struct RecoverOperator<'a> {
    made: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for RecoverOperator<'_> {
    type Confirmed = Owner;

    fn made(&self) -> &TokenOptions<'_> {
        &self.made
    }

    fn choose(&mut self, session: &Session, database: &Database) -> Result<Option<Owner>> {
        let options = &mut self.options;
        if options.user.is_some() && options.org.is_some() {
            return Ok(None);
        }
        let store = session.open_metadata_at(database)?;
        let choices = choices(store.snapshot())?;
        // Nobody should wait for the lock while somebody thinks.
        drop(store);
        let users = &choices.users;
        let chosen = choose_missing(&mut options.user, "user", "--user", users)?;
        let orgs = &choices.orgs;
        let chosen = choose_missing(&mut options.org, "organization", "--org", orgs)? || chosen;
        // The names that were shown belong to these records.
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

    fn confirmed(&self, entry: &AuthDetails<'_>) -> Owner {
        owner(entry)
    }
}

/// Asks who is meant if nobody was named and there are several. Returns whether it has asked.
fn choose_missing(
    by: &mut Option<By>,
    what: &str,
    option: &str,
    choices: &[Choice],
) -> Result<bool> {
    if by.is_some() || choices.len() < 2 {
        return Ok(false);
    }
    let names: Vec<String> = choices.iter().map(Choice::label).collect();
    let chosen = choose(what, &names, || {
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        Error::new(
            ErrorKind::Confirmation,
            format!(
                "there are several {what}s ({}) and nobody is there to be asked; nothing was \
                 changed",
                names.join(", ")
            ),
        )
        .with_hint(format!("choose one with {option} NAME"))
    })?;
    *by = choices.get(chosen).map(|choice| By::Id(choice.id));
    Ok(true)
}
