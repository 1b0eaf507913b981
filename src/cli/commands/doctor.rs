//! `boltkey doctor`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use jiff::Zoned;

use crate::cli::exit::Outcome;
use crate::cli::host::discover::{Environment, Influxds, is_same};
use crate::cli::host::installed_influxd::installed;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::style::{bad, caution, good};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::ops::backup::source::is_archive;
use crate::ops::doctor::{
    Check, Chosen, Examined, HostFacts, Options, ServiceUser, Verdict, examine, examine_backup,
};
use crate::ops::timestamp::Timestamp;

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examines which store influxd would open, its lock, owner and mode, its structure and records, what
would keep influxd from starting, whether database, SQLite file and engine folder belong together,
who can still get in, which tokens can be read in plaintext, and the free space. Each line is ok,
WARN or FAIL. Below a WARN or FAIL stand what to do and the command for it. Nothing is changed.

Exit code 0 means that nothing failed, 3 that something did; 4 or 5 that the store is held by
another process or can't be read, after everything that is known without it.")]
pub struct DoctorArgs {
    /// Database file, folder of influxd, or backup, in place of --db
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, conflicts_with = "db")]
    path: Option<PathBuf>,
    /// The engine folder of influxd [default: engine beside the database]
    #[arg(long, value_name = "PATH")]
    engine_path: Option<PathBuf>,
    /// The SQLite file of influxd [default: influxd.sqlite beside the database]
    #[arg(long, value_name = "PATH")]
    sqlite_path: Option<PathBuf>,
}

/// Runs `doctor`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written. A store that is
/// held or can't be read is an error after the report.
pub fn run(args: DoctorArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        engine_path: args.engine_path,
        sqlite_path: args.sqlite_path,
        open: session.open_options(),
    };
    let mut examined = match args.path {
        Some(path) => {
            let database = path.join("influxd.bolt");
            if database.is_file() {
                of_store(&database, Chosen::default(), &options, session)?
            } else if path.is_dir() || is_archive(&path) {
                examine_backup(&path, &options.open)?
            } else {
                of_store(&path, Chosen::default(), &options, session)?
            }
        }
        None => {
            let database = session.database()?;
            let chosen = Chosen {
                why: database.why().map(str::to_owned),
                rivals: database.rivals().to_vec(),
            };
            of_store(database.path(), chosen, &options, session)?
        }
    };
    let failure = examined.failure.take();
    session.ui().report(&examined)?;
    match failure {
        Some(error) => Err(error),
        None if examined.verdict == Verdict::Fail => Ok(Outcome::No),
        None => Ok(Outcome::Done),
    }
}

fn of_store(path: &Path, chosen: Chosen, options: &Options, session: &Session) -> Result<Examined> {
    let environment = Environment::of_process();
    let influxds = Influxds::of(&environment);
    let opens_it = |database: &Option<(PathBuf, String)>| {
        let database = database.as_ref();
        database.is_some_and(|(opened, _)| is_same(opened, path))
    };
    let service = influxds
        .services
        .iter()
        .find(|service| opens_it(&service.opens.database));
    let service_user = service.and_then(|service| service.user).map(|uid| {
        let user = influxds.users.iter().find(|user| user.uid == uid);
        ServiceUser {
            name: user.map_or_else(|| uid.to_string(), |user| user.name.clone()),
            uid,
        }
    });
    let host = HostFacts {
        chosen,
        service_user,
        installed: installed(&environment),
        use_hashed_tokens: session.use_hashed_tokens(),
    };
    examine(path, &host, options, &Timestamp::from(&Zoned::now()))
}

impl Human for Examined {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write_checks(&self.checks.iter().collect::<Vec<_>>(), 0, out)?;
        writeln!(out)?;
        let Some(first) = self.first_step() else {
            return match self.verdict {
                Verdict::Ok => writeln!(out, "{}: nothing has to be done", good("ok")),
                _ => Ok(()),
            };
        };
        write_wrapped(
            out,
            "First step: ",
            2,
            first.hint.as_deref().unwrap_or_default(),
        )?;
        if let Some(command) = &first.command {
            writeln!(out, "  {}", printable(command))?;
        }
        Ok(())
    }
}

/// Writes the checks of one level. What to do stands below each, or once below several in a row.
fn write_checks(checks: &[&Check], depth: usize, out: &mut dyn Write) -> io::Result<()> {
    for (at, check) in checks.iter().enumerate() {
        let next = checks.get(at + 1);
        let same =
            next.is_some_and(|next| next.command == check.command && next.hint == check.hint);
        write_check(check, depth, same, out)?;
    }
    Ok(())
}

fn write_check(check: &Check, depth: usize, more: bool, out: &mut dyn Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    let word = match check.result {
        Verdict::Ok => good("ok"),
        Verdict::Warn => caution("WARN"),
        Verdict::Fail => bad("FAIL"),
    };
    let pad = match check.result {
        Verdict::Ok => "    ",
        Verdict::Warn | Verdict::Fail => "  ",
    };
    let label = format!("{indent}{word}{pad}");
    let text = match depth {
        0 => format!("{:<10} {}", check.id, printable(&check.message)),
        _ => format!("{} [{}]", printable(&check.message), check.id),
    };
    let hanging = 2 * depth + if depth == 0 { 17 } else { 6 };
    write_wrapped(out, &label, hanging, &text)?;
    if !more {
        let below = " ".repeat(hanging);
        if let Some(hint) = &check.hint {
            write_wrapped(out, &below, hanging, &printable(hint))?;
        }
        if let Some(command) = &check.command {
            writeln!(out, "{below}{}", printable(command))?;
        }
    }
    let below = check.checks.iter();
    let below: Vec<&Check> = below.filter(|below| below.result > Verdict::Ok).collect();
    write_checks(&below, depth + 1, out)
}
