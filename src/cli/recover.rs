//! `boltkey recover operator`, also spelled `boltkey auth create-operator`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Zoned;
use serde::Serialize;

use super::Session;
use super::auth::write_entry;
use super::change::{TokenMade, changed, conclude};
use super::exit::Outcome;
use super::prompt::choose;
use super::stdout;
use super::ui::{Human, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Storage;
use crate::ops::auth_list::Entry;
use crate::ops::commit::{Around, sound_structure};
use crate::ops::moment::Moment;
use crate::ops::recover_operator::{KeptBecause, Options, Recovered, choices, plan};

/// The subcommands of `recover`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new operator token without an old one: the way back in
    Operator(OperatorArgs),
}

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

/// Where a new token goes beside standard output.
#[derive(Debug, Args)]
pub struct TokenOutArgs {
    /// Put the new token into this file, new and readable by its owner only, before anything is
    /// changed
    #[arg(long, value_name = "FILE")]
    token_out: Option<PathBuf>,
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation, and when the token can't be printed.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::Operator(args) => run_operator(args, session),
    }
}

/// Runs `recover operator`.
///
/// # Errors
/// As [`run`].
pub fn run_operator(args: OperatorArgs, session: &Session) -> Result<Outcome> {
    if args.token_out.token_out.is_none() && !session.dry_run() {
        stdout::ensure_open().map_err(|error| {
            error.with_hint("the new token would be lost: give --token-out FILE for it")
        })?;
    }
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
    let now = Moment::from(&Zoned::now());
    let token_out = args.token_out.token_out.as_deref();
    if session.dry_run() {
        let store = session.open_metadata_at(&database)?;
        let named = |error: Error| error.about(database.path());
        sound_structure(store.inspect()).map_err(named)?;
        let plan = plan(store.snapshot(), &options, &now).map_err(named)?;
        drop(store);
        let around = Around {
            keep_copy: session.keep_copy(),
            token_out: token_out.map(|path| (path, plan.token())),
            ..Around::default()
        };
        around.could_be_made()?;
        let ui = session.ui();
        let report = plan.show(false, |made| {
            ui.render(&Report::new(made, Some(true), true))
        })?;
        ui.print([&report?])?;
        return Ok(Outcome::Done);
    }

    session.may_write(&database)?;
    let mut store = session.open_writable(&database)?;
    let plan = plan(&store, &options, &now).map_err(|error| error.about(database.path()))?;
    let around = Around {
        keep_copy: session.keep_copy(),
        token_out: token_out.map(|path| (path, plan.token())),
        ..Around::default()
    };
    let committed = plan.apply(&mut store, &around)?;
    drop(store);
    let changed = changed(&committed);
    let ui = session.ui();
    let report = plan.show(true, |made| {
        let mut report = Report::new(made, changed, false);
        report.token_out = token_out.map(|path| path.display().to_string());
        ui.render(&report)
    })?;
    let made = TokenMade {
        id: plan.id(),
        token_out,
        again: "boltkey recover operator",
    };
    conclude(session, report, committed, &made)
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

/// What was made, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a Entry<'a>,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The user whose login has these permissions too.
    login: Option<&'a str>,
    /// Whether that login had operator power before.
    login_had_power: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_out: Option<String>,
    #[serde(skip)]
    kept: String,
}

impl<'a> Report<'a> {
    fn new(made: &'a Recovered<'a>, changed: Option<bool>, dry_run: bool) -> Self {
        let how = made.entry.storage.name();
        let kept = match (made.kept_because, made.entry.storage) {
            (KeptBecause::Schema, _) => {
                format!(
                    "{how}: releases of schema {} know no hashed tokens",
                    made.schema
                )
            }
            (KeptBecause::Setting, _) => format!("{how}, as use-hashed-tokens says"),
            (KeptBecause::Store, Storage::Hashed) => format!("{how}, as other tokens of the store"),
            (KeptBecause::Store, _) => format!("{how}: the store holds no hashed tokens"),
        };
        Self {
            authorization: &made.entry,
            changed,
            dry_run,
            login: made.entry.user,
            login_had_power: made.login_had_power,
            token_out: None,
            kept,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.dry_run {
            writeln!(
                out,
                "a new operator token would be made; nothing was changed"
            )?;
        } else if let Some(path) = &self.token_out {
            writeln!(
                out,
                "a new operator token was made; it is in {}",
                printable(path)
            )?;
        } else {
            writeln!(out, "a new operator token was made; it is shown only now")?;
        }
        writeln!(out)?;
        let hidden = self.dry_run || self.token_out.is_some();
        write_entry(self.authorization, hidden, out)?;
        writeln!(out, "Kept:         {}", self.kept)?;
        if let Some(user) = self.login {
            let user = printable(user);
            if self.login_had_power {
                writeln!(
                    out,
                    "Login:        {user} has operator power when signed in, as before"
                )?;
            } else {
                writeln!(
                    out,
                    "Login:        {user} gains operator power when signed in, for as long as the \
                     token exists"
                )?;
            }
        }
        Ok(())
    }
}
