//! `boltkey user verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::auth_details::{write_auth_details, write_permissions};
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::secret_input::{Secret, read_secret};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::ops::user::verify::{Database, Facts, Verified, must_exist};
use crate::ops::v1::auth::verify::Facts as V1Facts;

/// Options of `user verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --v1 the answer is \"yes\" if /query and /write accept name and password,
as basic authentication or as u= and p= in the address. They also accept the
password if it is an API token and no 1.x user has the name.")]
pub struct VerifyArgs {
    /// User name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// File with the password (- for standard input) [default: `BOLTKEY_PASSWORD`, otherwise
    /// prompt]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Check a 1.x user, as 1.x clients sign in
    #[arg(long)]
    v1: bool,
}

/// Runs `user verify`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: &VerifyArgs, session: &Session) -> Result<Outcome> {
    // Refuse before the prompt. The prompt comes without the lock.
    let store = session.open_metadata()?;
    if !args.v1 {
        must_exist(store.snapshot(), &args.name)?;
    }
    drop(store);
    let password = read_secret(&Secret::PASSWORD, args.password_file.as_deref())?;
    let strong = session.strong_passwords();
    let store = session.open_metadata()?;
    let answer = |verified: &Verified<'_>| {
        let report = Report {
            verified,
            name: &args.name,
            v1: args.v1,
        };
        (session.ui().render(&report), verified.authenticates)
    };
    let (rendered, yes) = if args.v1 {
        let facts = V1Facts::load(store.snapshot(), &args.name, &password)?;
        drop(store);
        facts.verify(&password, strong, answer)
    } else {
        let facts = Facts::load(store.snapshot(), &args.name)?;
        drop(store);
        facts.verify(&password, strong, answer)
    };
    session.ui().print([&rendered?])?;
    Ok(if yes { Outcome::Done } else { Outcome::No })
}

/// The answer, and what was asked.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report<'a> {
    #[serde(flatten)]
    verified: &'a Verified<'a>,
    #[serde(skip)]
    name: &'a str,
    #[serde(skip)]
    v1: bool,
}

impl Human for Report<'_> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Verified {
            authenticates,
            authorization,
            databases,
            reasons,
            hint,
            ..
        } = self.verified;
        let name = printable(self.name);
        match (self.v1, authenticates) {
            (false, true) => writeln!(out, "yes: the password signs {name} in")?,
            (false, false) => writeln!(out, "no: the password does not sign {name} in")?,
            (true, true) => writeln!(out, "yes: 1.x clients can use {name} with the password")?,
            (true, false) => writeln!(out, "no: 1.x clients can't use {name} with the password")?,
        }
        // The details below show these.
        let of_entry = match authorization {
            Some(entry) => &entry.problems[..],
            None => &[],
        };
        for reason in reasons.iter().filter(|one| !of_entry.contains(one)) {
            write_wrapped(out, "  - ", 4, &printable(reason))?;
        }
        if let Some(hint) = hint {
            write_wrapped(out, "  ", 2, &printable(hint))?;
        }
        if let (Some(power), true) = (self.verified.power, *authenticates) {
            let scope = match self.verified.operator {
                Some(true) => "access to everything",
                Some(false) => "no access to everything",
                None => "access to everything is unknown",
            };
            let text = format!("power: {scope} ({})", printable(power));
            write_wrapped(out, "", 2, &text)?;
        }
        if let Some(entry) = authorization {
            writeln!(out)?;
            write_auth_details(entry, false, out)?;
            // Of a token, the databases say it shorter.
            if entry.has_password.is_some() {
                write_permissions(&entry.permissions, out)?;
            }
        }
        write_databases(databases, authorization.is_some(), out)
    }
}

fn write_databases(databases: &[Database], is_v1: bool, out: &mut dyn Write) -> io::Result<()> {
    if !is_v1 {
        return Ok(());
    }
    let none = if databases.is_empty() { "  none" } else { "" };
    writeln!(out, "Databases:{none}")?;
    for one in databases {
        let may = match (one.read, one.write) {
            (true, true) => "read, write",
            (true, false) => "read",
            (false, _) => "write",
        };
        let default = if one.default { ", default" } else { "" };
        writeln!(
            out,
            "  {} (retention policy {}{default}): {may} bucket {}",
            printable(&one.database),
            printable(&one.retention_policy),
            printable(&one.bucket),
        )?;
    }
    Ok(())
}
