//! `boltkey downgrade check`, and the report sections shared with `downgrade apply`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::commands::downgrade::target::ToArgs;
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::style::bad;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::metadata::release_impact::Loss;
use crate::ops::downgrade::check::{Outlook, check};
use crate::ops::downgrade::sql_side::SqlBeside;
use crate::ops::known::Number;

/// Text after the long help.
pub const CHECK_HELP: &str = "\
InfluxDB 2.7 and older do not support hashed tokens. They reject a hashed token
with 401, and it still does not work after the next upgrade. influxd downgrade
does not list these tokens. This command lists them, and the commands to reach
the older release, in order.

Exit code 3 if any token would be lost, or if damage hides tokens.";

/// Options of `downgrade check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    to: ToArgs,
}

/// Runs `downgrade check`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: CheckArgs, session: &Session) -> Result<Outcome> {
    let options = args.to.into();
    let database = session.database()?;
    let sql = SqlBeside::read(database.path(), &session.open_options(), &options)?;
    let store = session.open_records_at(&database)?;
    let (outlook, skipped) = check(&store, options.target, &sql)?;
    drop(store);
    session.ui().warn(&skipped);
    session.ui().report(&outlook)?;
    Ok(if outlook.lost.has_none() {
        Outcome::Done
    } else {
        Outcome::No
    })
}

impl Human for Outlook {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let target = self.target;
        if !self.supported {
            writeln!(out, "A downgrade to InfluxDB {target} is not possible.")?;
        } else if self.undo.database.is_empty() && self.undo.sqlite.is_empty() {
            writeln!(out, "InfluxDB {target} requires no migration to be undone.")?;
        } else {
            writeln!(out, "Migrations to undo for InfluxDB {target}:")?;
            for (place, names) in [
                ("in the database", &self.undo.database),
                ("in the SQLite file", &self.undo.sqlite),
            ] {
                for name in names {
                    write_wrapped(out, "  ", 4, &format!("{place}: {name}"))?;
                }
            }
        }
        let kept = self.kept.of("token");
        let lost = Number::new(self.lost.len() as u64, self.lost.hidden);
        let lost = match lost {
            Number {
                readable: 0,
                hidden: false,
            } => String::from("none would be lost"),
            Number {
                readable: 0,
                hidden: true,
            } => String::from("how many would be lost is unknown"),
            lost => format!("{lost} would be {}", bad("LOST")),
        };
        if self.lost.hidden {
            let text =
                format!("Damage hides tokens: InfluxDB {target} would accept {kept}; {lost}.");
            write_wrapped(out, "", 0, &text)?;
        } else {
            writeln!(out, "InfluxDB {target} would accept {kept}; {lost}.")?;
        }
        write_losses(&bad("LOST"), &self.lost, out)?;
        write_losses("With fewer permissions", &self.reduced, out)?;
        write_steps(&self.steps, out)?;
        write_warnings(&self.warnings, out)
    }
}

/// Writes the tokens that the older release loses, grouped by reason.
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

/// Writes the commands to reach the release, in order.
///
/// # Errors
/// When `out` can't be written.
pub fn write_steps(steps: &[String], out: &mut dyn Write) -> io::Result<()> {
    const WIDTH: usize = 80;
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nSteps:")?;
    for step in steps {
        let step = printable(step);
        // Break long commands so that a shell still reads one line.
        if step.chars().count() + 2 > WIDTH {
            writeln!(out, "  {}", step.replace(" --", " \\\n      --"))?;
        } else {
            writeln!(out, "  {step}")?;
        }
    }
    Ok(())
}

/// Writes the warnings.
///
/// # Errors
/// When `out` can't be written.
pub fn write_warnings(warnings: &[String], out: &mut dyn Write) -> io::Result<()> {
    if warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWarnings:")?;
    for warning in warnings {
        write_wrapped(out, "  - ", 4, &printable(warning))?;
    }
    Ok(())
}
