//! `boltkey auth update`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::change;
use crate::cli::change::{ChangeCommand, Ending, Look, Next, View};
use crate::cli::commands::auth::affected_text::{operators_left, summary, write_lines};
use crate::cli::commands::auth::filters::StatusArg;
use crate::cli::commands::auth::tokens_args::TokensArgs;
use crate::cli::commands::login_line::write_keeps;
use crate::cli::commands::token_report::{Owner, owner};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{IT_WOULD_BE, write_auth_details};
use crate::cli::terminal::report::{Human, NOTHING_CHANGED, told};
use crate::error::Result;
use crate::finding::counted;
use crate::ops::auth::affected_tokens::AffectedTokens;
use crate::ops::auth::list::AuthDetails;
use crate::ops::auth::update::{Options, Plan, plan};
use crate::ops::commit::SideFiles;
use crate::store::{ChangeSet, Committed, WritableStore};

/// Options of `auth update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    tokens: TokensArgs,
    /// Present status
    #[arg(long, value_name = "STATUS", help_heading = "Filters")]
    with_status: Option<StatusArg>,
    /// New status; the owner's login keeps the permissions of an inactive token
    #[arg(long, value_name = "STATUS", required_unless_present = "description")]
    status: Option<StatusArg>,
    /// New description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Runs `auth update`.
///
/// # Errors
/// The errors of the operation.
pub fn run(args: UpdateArgs, session: &Session) -> Result<Outcome> {
    let filter = args.with_status.map(StatusArg::is_active);
    let options = Options {
        tokens: args.tokens.selected(filter)?,
        active: args.status.map(StatusArg::is_active),
        description: args.description,
    };
    change::run(UpdateTokens { options }, session)
}

struct UpdateTokens {
    options: Options,
}

impl UpdateTokens {
    /// Whether tokens become inactive. The last usable operator token may be among them.
    fn switches_off(&self) -> bool {
        self.options.active == Some(false)
    }
}

impl ChangeCommand for UpdateTokens {
    type Plan = Plan;
    type Confirmed = (AffectedTokens, Vec<Owner>);
    type Done = ();

    fn look(&self) -> Look {
        match self.options.tokens.only_id() {
            Some(_) if !self.switches_off() => Look::Never,
            _ => Look::ToAsk,
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

    fn question(&self, plan: &Plan, _: &str) -> Result<Option<String>> {
        Ok(Some(self.question_about(&plan.affected)))
    }

    /// Never because of the change alone: it can be undone.
    fn must_ask(&self, _: &Plan) -> Result<bool> {
        Ok(false)
    }

    fn confirmed(&self, plan: &Plan) -> Result<Self::Confirmed> {
        let owners = plan.show(|entries| entries.iter().map(owner).collect())?;
        Ok((plan.affected.clone(), owners))
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
        let ui = session.ui();
        let only = self.options.tokens.only_id().is_some();
        plan.show(|entries| match entries {
            [entry] if only => ui.render(&Report::new(entry, ending.changed, ending.dry_run)),
            _ => ui.render(&ManyReport {
                authorizations: entries,
                changed: ending.changed,
                dry_run: ending.dry_run,
                unchanged: plan.same,
                affected: &plan.affected,
                off: self.switches_off(),
                all: ui.verbose(),
            }),
        })?
    }
}

impl UpdateTokens {
    /// The question. It says which tokens, and whether an operator token remains.
    fn question_about(&self, affected: &AffectedTokens) -> String {
        let number = affected.tokens.len();
        let one = number == 1;
        let (change, described) = match (self.options.active, &self.options.description) {
            (Some(true), also) => ("Activate", also.is_some()),
            (Some(false), also) => ("Deactivate", also.is_some()),
            (None, _) if one => ("Replace the description of", false),
            (None, _) => ("Replace the descriptions of", false),
        };
        let also = match (described, one) {
            (false, _) => "",
            (true, true) => " and replace its description",
            (true, false) => " and replace their descriptions",
        };
        let tokens = counted(number as u64, "token");
        let text = format!("{change} {tokens}{also}: {}?", summary(affected));
        let them = if one { "it" } else { "them" };
        match self.switches_off() {
            true => format!(
                "{text} Clients that use {them} lose access.{}",
                operators_left(affected)
            ),
            false => text,
        }
    }
}

/// The report of `auth update` for one token.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The authorization after the change.
    authorization: &'a AuthDetails<'a>,
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
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
        let would = self.dry_run && self.changed != Some(false);
        writeln!(out, "{}", told(would, IT_WOULD_BE, ""))?;
        write_auth_details(self.authorization, true, out)?;
        if let (Some(user), false) = (self.login, self.authorization.status == "active") {
            write_keeps(user, would, out)?;
        }
        Ok(())
    }
}

/// The report of `auth update` for several tokens.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ManyReport<'a> {
    /// The authorizations after the change.
    authorizations: &'a [AuthDetails<'a>],
    /// Whether the database was changed; null if unknown.
    changed: Option<bool>,
    /// Only in a dry run, and true there: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// How many of them already had these values.
    unchanged: usize,
    #[serde(skip)]
    affected: &'a AffectedTokens,
    #[serde(skip)]
    off: bool,
    /// Whether the text lists all tokens.
    #[serde(skip)]
    all: bool,
}

impl Human for ManyReport<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = |number: usize| counted(number as u64, "token");
        let number = self.affected.tokens.len();
        let already = match self.unchanged {
            0 => String::new(),
            same => format!("; {} already had these values", tokens(same)),
        };
        match (self.authorizations.is_empty(), number, self.dry_run) {
            (true, _, _) => return writeln!(out, "no token matches; {NOTHING_CHANGED}"),
            (false, 0, _) => {
                let number = tokens(self.unchanged);
                return writeln!(out, "{number} already had these values; {NOTHING_CHANGED}");
            }
            (false, _, true) => {
                let number = tokens(number);
                writeln!(out, "would update {number}{already}; {NOTHING_CHANGED}")?;
            }
            (false, _, false) => writeln!(out, "updated {}{already}", tokens(number))?,
        }
        write_lines(&self.affected.tokens, self.all, out)?;
        if self.off {
            writeln!(
                out,
                "the logins of their users keep these permissions; to remove them, delete the \
                 tokens: boltkey auth delete"
            )?;
        }
        Ok(())
    }
}
