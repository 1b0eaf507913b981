//! `boltkey auth update`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use jiff::Zoned;
use serde::Serialize;

use super::Session;
use super::change::{changed, ended};
use super::entry::write_entry;
use super::exit::Outcome;
use super::ui::{Human, printable};
use crate::error::{Error, Result};
use crate::metadata::Id;
use crate::ops::auth_list::Entry;
use crate::ops::auth_update::{Options, plan};
use crate::ops::commit::{Around, sound_structure};
use crate::ops::moment::Moment;

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
    let now = Moment::from(&Zoned::now());
    let named = |error: Error| error.about(database.path());
    let around = Around {
        keep_copy: session.keep_copy(),
        ..Around::default()
    };
    let ui = session.ui();
    if session.dry_run() {
        let store = session.open_metadata_at(&database)?;
        sound_structure(store.inspect()).map_err(named)?;
        let plan = plan(store.snapshot(), &options, &now).map_err(named)?;
        drop(store);
        around.could_be_made()?;
        let would = !plan.changes.is_empty();
        let report = plan.show(|entry| ui.render(&Report::new(entry, Some(would), true)))?;
        ui.print([&report?])?;
        return Ok(Outcome::Done);
    }
    session.may_write(&database)?;
    let mut store = session.open_writable(&database)?;
    let plan = plan(&store, &options, &now).map_err(named)?;
    let committed = plan.apply(&mut store, &around)?;
    drop(store);
    let changed = changed(&committed);
    let report = plan.show(|entry| ui.render(&Report::new(entry, changed, false)))?;
    ended(session, report, committed)
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
