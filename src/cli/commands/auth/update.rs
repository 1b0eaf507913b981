//! `boltkey auth update`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use crate::cli::change::Change;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::write_entry;
use crate::cli::terminal::ui::{Human, printable};
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::list::Entry;
use crate::ops::auth::update::{Options, Plan, plan};
use crate::ops::timestamp::Timestamp;
use crate::store::Snapshot;

/// Options of `auth update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The token's ID, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// Whether it is accepted; what it may do stays with its owner's login either way
    #[arg(long, value_name = "STATUS", required_unless_present = "description")]
    status: Option<StatusArg>,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusArg {
    Active,
    Inactive,
}

/// Runs `auth update`.
///
/// # Errors
/// As the operation.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        id: args.id,
        active: args.status.map(|status| status == StatusArg::Active),
        description: args.description,
    };
    let database = session.database()?;
    let now = Timestamp::from(&Zoned::now());
    let ui = session.ui();
    let change = Change {
        plan: |store: &dyn Snapshot| plan(store, &options, &now),
        apply: Plan::apply,
        report: |plan: &Plan, changed: Option<bool>, dry_run| {
            let changed = changed.map(|changed| changed && !plan.changes.is_empty());
            plan.show(|entry| ui.render(&Report::new(entry, changed, dry_run)))?
        },
    };
    change.run(session, &database)
}

/// What was changed, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a Entry<'a>,
    /// Null if it can't be known.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The user whose login has the permissions of this token, active or not.
    login: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn new(entry: &'a Entry<'a>, changed: Option<bool>, dry_run: bool) -> Self {
        Self {
            authorization: entry,
            changed,
            dry_run,
            login: entry.user,
        }
    }
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = self.authorization.id;
        match (self.changed, self.dry_run) {
            (Some(false), _) => writeln!(out, "{id} is like that already; nothing was changed")?,
            (_, true) => writeln!(out, "{id} would be changed; nothing was changed")?,
            (_, false) => writeln!(out, "{id} was changed")?,
        }
        writeln!(out)?;
        write_entry(self.authorization, true, out)?;
        if let (Some(user), false) = (self.login, self.authorization.status == "active") {
            writeln!(
                out,
                "Login:        {} keeps these permissions when signed in;\n              \
                 only deleting the token ends that: boltkey auth delete",
                printable(user)
            )?;
        }
        Ok(())
    }
}
