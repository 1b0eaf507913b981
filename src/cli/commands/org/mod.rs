//! `boltkey org`.

mod list;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::Change;
use crate::cli::commands::org::list::ListArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::ops::org::create::{Plan, plan};
use crate::ops::org::list::Org;
use crate::ops::timestamp::Timestamp;
use crate::store::Snapshot;

/// The subcommands of `org`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them all
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
    /// Make an organization, with all that influxd needs to start on it
    Create(CreateArgs),
}

/// Options of `org create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name; outer white space is dropped
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// Runs a subcommand.
///
/// # Errors
/// As the operation it calls.
pub fn run(command: Command, session: &Session) -> Result<Outcome> {
    match command {
        Command::List(ListArgs {}) => list::run(session),
        Command::Create(args) => create(&args, session),
    }
}

fn create(args: &CreateArgs, session: &Session) -> Result<Outcome> {
    let database = session.database()?;
    let now = Timestamp::from(&Zoned::now());
    let change = Change {
        plan: |store: &dyn Snapshot| plan(store, &args.name, &now),
        apply: Plan::apply,
        report: |plan: &Plan, changed, dry_run| {
            session.ui().render(&Report {
                changed,
                dry_run,
                org: &plan.org,
            })
        },
    };
    change.run(session, &database)
}

/// What was made, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    org: &'a Org,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Org { id, name, .. } = self.org;
        let name = printable(name);
        if self.dry_run {
            return writeln!(
                out,
                "organization {name} ({id}) would be made; nothing was changed"
            );
        }
        writeln!(
            out,
            "organization {name} ({id}) was made, with its buckets _tasks and _monitoring"
        )?;
        writeln!(
            out,
            "nobody owns it yet: boltkey user create --org makes an owner"
        )
    }
}
