//! `boltkey auth rotate`.

use clap::Args;
use jiff::Zoned;

use crate::cli::commands::token_report::{Action, Made, ValueArgs};
use crate::cli::exit::Outcome;
use crate::cli::session::Database;
use crate::cli::session::Session;
use crate::cli::terminal::prompt::confirm;
use crate::cli::terminal::ui::printable;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::rotate::{Options, plan};
use crate::ops::timestamp::Timestamp;

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
    let made = Made {
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
    if !session.dry_run() {
        ask(session, &database, &options)?;
    }
    made.run(session, &database, |store, now| plan(store, &options, now))
}

/// Asks, before the lock is taken for the change, naming what would stop working.
fn ask(session: &Session, database: &Database, options: &Options) -> Result<()> {
    let store = session.open_metadata_at(database)?;
    let now = Timestamp::from(&Zoned::now());
    let plan = plan(store.snapshot(), options, &now).map_err(|e| e.about(database.path()))?;
    drop(store);
    let question = plan.show(false, |made| {
        let entry = &made.entry;
        let owner = match (entry.user, entry.org) {
            (Some(user), Some(org)) => format!(" of {user:?} in {org:?}"),
            _ => String::new(),
        };
        printable(&format!(
            "Give {} {:?} ({}{owner}) a new value? Whatever uses the old one stops working.",
            entry.id,
            entry.description,
            entry.kind.name(),
        ))
    })?;
    confirm(session.yes(), &question)
}
