//! `boltkey auth update`.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::login_line::write_keeps;
use crate::cli::commands::token_report::{Owner, owner};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::write_auth_details;
use crate::cli::terminal::report::{Human, NOTHING_CHANGED};
use crate::error::Result;
use crate::metadata::{Id, Kind};
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::update::{Options, Plan, plan};
use crate::ops::commit::SideFiles;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `auth update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// ID of the token, 16 hex digits
    #[arg(value_name = "ID")]
    id: Id,
    /// New status; the owner's login keeps the permissions of an inactive token
    #[arg(long, value_name = "STATUS", required_unless_present = "description")]
    status: Option<StatusArg>,
    /// New description
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
/// The errors of the operation.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        id: args.id,
        active: args.status.map(|status| status == StatusArg::Active),
        description: args.description,
    };
    change::run(UpdateToken { options }, session)
}

struct UpdateToken {
    options: Options,
}

impl UpdateToken {
    /// Whether the token becomes inactive. It may be the last usable operator token.
    fn switches_off(&self) -> bool {
        self.options.active == Some(false)
    }
}

impl ChangeCommand for UpdateToken {
    type Plan = Plan;
    type Confirmed = (Id, Kind, Owner);
    type Done = ();

    fn look(&self) -> Look {
        match self.switches_off() {
            true => Look::ToAsk,
            false => Look::Never,
        }
    }

    fn plan(&self, store: &View<'_>) -> Result<Plan> {
        plan(store.snapshot, &self.options, &store.now)
    }

    fn next(&self, plan: &Plan) -> Next {
        match plan.changes.is_empty() {
            true => Next::Nothing,
            false => Next::Commit,
        }
    }

    fn edits<'p>(&self, plan: &'p Plan) -> Option<&'p ChangeSet> {
        self.switches_off().then_some(&plan.changes)
    }

    fn question(&self, _: &Plan, _: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        plan.show(|entry| (entry.id, entry.kind, owner(entry)))
    }

    fn apply(
        &self,
        plan: &Plan,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> Result<(Committed, ())> {
        Ok((plan.apply(store, side_files)?, ()))
    }

    fn report(
        &self,
        session: &Session,
        plan: &Plan,
        ending: &Ending<'_, ()>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        plan.show(|entry| {
            let report = Report::new(entry, ending.changed, ending.dry_run);
            session.ui().render(&report)
        })?
    }
}

/// The report of `auth update`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    authorization: &'a AuthDetails<'a>,
    /// Null if unknown.
    changed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// The user whose login has the permissions of this token, even if it is inactive.
    login: Option<&'a str>,
}

impl<'a> Report<'a> {
    fn new(entry: &'a AuthDetails<'a>, changed: Option<bool>, dry_run: bool) -> Self {
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
            (Some(false), _) => writeln!(out, "{id} already has these values; {NOTHING_CHANGED}")?,
            (_, true) => writeln!(out, "would update {id}; {NOTHING_CHANGED}")?,
            (_, false) => writeln!(out, "updated {id}")?,
        }
        writeln!(out)?;
        write_auth_details(self.authorization, true, out)?;
        if let (Some(user), false) = (self.login, self.authorization.status == "active") {
            write_keeps(user, out)?;
        }
        Ok(())
    }
}
