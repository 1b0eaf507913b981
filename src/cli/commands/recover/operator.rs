//! `boltkey recover operator`, also spelled `boltkey auth create-operator`.

use clap::Args;

use crate::cli::commands::token_report::{Action, Made, Source, TokenOutArgs};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::prompt::choose;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::recover::operator::{Options, choices, plan};

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
    let made = Made {
        source: Source::Generated,
        token_out,
        action: Action::Create,
        again: "boltkey recover operator",
    };
    made.can_be_told(session)?;
    let database = session.database()?;
    let mut options = Options {
        user: args.user,
        org: args.org,
        use_hashed_tokens: session.use_hashed_tokens(),
    };
    if options.user.is_none() || options.org.is_none() {
        // Asked before the lock is taken; influxd gives up on it after a second.
        let store = session.open_metadata_at(&database)?;
        let (users, orgs) = choices(store.snapshot())?;
        drop(store);
        let users: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
        let orgs: Vec<&str> = orgs.iter().map(|org| org.name.as_str()).collect();
        choose_missing(&mut options.user, "user", "--user", &users)?;
        choose_missing(&mut options.org, "organization", "--org", &orgs)?;
    }
    made.run(session, &database, |store, now| plan(store, &options, now))
}

/// Asks for a name that was not given, if there are several.
fn choose_missing(
    name: &mut Option<String>,
    what: &str,
    option: &str,
    names: &[&str],
) -> Result<()> {
    if name.is_some() || names.len() < 2 {
        return Ok(());
    }
    let chosen = choose(what, names, || {
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
    *name = Some(chosen.to_owned());
    Ok(())
}
