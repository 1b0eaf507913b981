//! `boltkey user list`, `org list` and `bucket list`.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::table::Table;
use crate::cli::terminal::ui::Human;
use crate::error::Result;
use crate::ops::bucket::list::Buckets;
use crate::ops::org::list::Orgs;
use crate::ops::user::list::Users;
use crate::ops::{bucket, org, user};

/// The one subcommand of `bucket`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them all
    #[command(visible_aliases = ["find", "ls"])]
    List(ListArgs),
}

/// Options of the listings.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs `user list`.
///
/// # Errors
/// As the operation, and when standard output can't be written.
pub fn users(session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let report = user::list::list(store.snapshot())?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

/// Runs `org list`.
///
/// # Errors
/// As the operation, and when standard output can't be written.
pub fn orgs(session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let report = org::list::list(store.snapshot())?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

/// Runs `bucket list`.
///
/// # Errors
/// As the operation, and when standard output can't be written.
pub fn buckets(Command::List(ListArgs {}): Command, session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let report = bucket::list::list(store.snapshot())?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

impl Human for Users {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(&["ID", "Name", "Status", "Password", "Owner of"], true);
        for user in &self.users {
            let mut owns: Vec<&str> = user
                .owns
                .iter()
                .map(|org| org.name.as_deref().unwrap_or("(deleted)"))
                .collect();
            if user.owns_instance {
                owns.push("(the whole instance)");
            }
            table.row([
                &user.id.to_string(),
                &user.name,
                &user.status,
                if user.has_password { "yes" } else { "no" },
                &owns.join(", "),
            ]);
        }
        table.write(out)
    }
}

impl Human for Orgs {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(&["ID", "Name", "Description", "Created"], true);
        for org in &self.orgs {
            table.row([
                &org.id.to_string(),
                &org.name,
                &org.description,
                &org.created_at,
            ]);
        }
        table.write(out)
    }
}

impl Human for Buckets {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = [
            "ID",
            "Name",
            "Retention",
            "Shard group",
            "Organization",
            "Type",
        ];
        let mut table = Table::new(&columns, true);
        for bucket in &self.buckets {
            let [rule] = &bucket.retention_rules;
            let gone = format!("(deleted) {}", bucket.org_id);
            table.row([
                &bucket.id.to_string(),
                &bucket.name,
                &if rule.every_seconds == 0 {
                    String::from("infinite")
                } else {
                    hours(rule.every_seconds)
                },
                &hours(rule.shard_group_duration_seconds),
                bucket.org.as_deref().unwrap_or(&gone),
                bucket.kind,
            ]);
        }
        table.write(out)
    }
}

/// Seconds the way the influx CLI prints them: `168h0m0s`.
fn hours(seconds: i64) -> String {
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!("{}h{}m{rest}s", minutes / 60, minutes % 60)
}
