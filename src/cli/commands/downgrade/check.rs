//! `boltkey downgrade check`, and how the report of `downgrade apply` tells the same things.

use std::io::{self, Write};

use clap::Args;

use crate::cli::commands::downgrade::target::ToArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::ui::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::counted;
use crate::metadata::release_impact::Loss;
use crate::ops::downgrade::check::{Outlook, check};
use crate::ops::downgrade::sql_side::SqlBeside;

/// What stands below its long help.
pub const CHECK_HELP: &str = "\
InfluxDB 2.7 and older find no token by its hash. On such a release a hashed
token answers 401, and stays dead after the next upgrade; influxd downgrade
neither asks nor lists them. This command names each of them beforehand, with
the commands that lead to the release, in order.

Exit code 3 if any token would be lost.";

/// Options of `downgrade check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    to: ToArgs,
}

/// Runs `downgrade check`.
///
/// # Errors
/// As the operation, and when standard output can't be written.
pub fn run(args: CheckArgs, session: &Session) -> Result<Outcome> {
    let options = args.to.into();
    let database = session.database()?;
    let sql = SqlBeside::read(database.path(), &session.open_options(), &options)?;
    let store = session.open_records_at(&database)?;
    let (outlook, skipped) = check(&store, options.target, &sql)?;
    drop(store);
    session.ui().warn(&skipped);
    session.ui().report(&outlook)?;
    Ok(if outlook.lost.is_empty() {
        Outcome::Done
    } else {
        Outcome::No
    })
}

impl Human for Outlook {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let target = self.target;
        if !self.supported {
            writeln!(out, "There is no way from here to InfluxDB {target}.")?;
        } else if self.undo.database.is_empty() && self.undo.sqlite.is_empty() {
            writeln!(out, "Nothing has to be undone for InfluxDB {target}.")?;
        } else {
            writeln!(out, "To be undone for InfluxDB {target}:")?;
            for (place, names) in [
                ("in the database", &self.undo.database),
                ("in the SQLite file", &self.undo.sqlite),
            ] {
                for name in names {
                    write_wrapped(out, "  ", 4, &format!("{place}: {name}"))?;
                }
            }
        }
        let kept = counted(self.kept, "token");
        let lost = self.lost.len();
        let lost = if lost == 0 {
            String::from("none would be lost")
        } else {
            format!("{lost} would be LOST")
        };
        writeln!(out, "It would know {kept}; {lost}.")?;
        write_losses("LOST", &self.lost, out)?;
        write_losses("With fewer permissions", &self.reduced, out)?;
        write_steps(&self.steps, out)?;
        write_warnings(&self.warnings, out)
    }
}

/// Tokens that the older release loses, those with the same reason together.
///
/// # Errors
/// When `out` can't be written.
pub fn write_losses(title: &str, losses: &[Loss], out: &mut dyn Write) -> io::Result<()> {
    let mut reasons: Vec<&str> = Vec::new();
    for loss in losses {
        if !reasons.contains(&&*loss.reason) {
            reasons.push(&loss.reason);
        }
    }
    for reason in reasons {
        writeln!(out)?;
        write_wrapped(out, "", 2, &format!("{title}: {reason}"))?;
        for loss in losses.iter().filter(|loss| loss.reason == reason) {
            let description = printable(&loss.description);
            let text = format!("{}  {description}", loss.kind.name());
            write_wrapped(out, &format!("  {}  ", loss.id), 4, &text)?;
        }
    }
    Ok(())
}

/// The commands that lead to the release, in order.
///
/// # Errors
/// When `out` can't be written.
pub fn write_steps(steps: &[String], out: &mut dyn Write) -> io::Result<()> {
    const WIDTH: usize = 80;
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nThe way there:")?;
    for step in steps {
        let step = printable(step);
        // In a form that a shell reads as one line.
        if step.chars().count() + 2 > WIDTH {
            writeln!(out, "  {}", step.replace(" --", " \\\n      --"))?;
        } else {
            writeln!(out, "  {step}")?;
        }
    }
    Ok(())
}

/// What is to be known beside.
///
/// # Errors
/// When `out` can't be written.
pub fn write_warnings(warnings: &[String], out: &mut dyn Write) -> io::Result<()> {
    if warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo be known:")?;
    for warning in warnings {
        write_wrapped(out, "  - ", 4, &printable(warning))?;
    }
    Ok(())
}
