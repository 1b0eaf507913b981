//! `boltkey status`.

use std::io::{self, Write};

use crate::cli::commands::check::{write_finding, write_previous};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::{Severity, counted};
use crate::metadata::Storage;
use crate::ops::status::{Status, status};

/// Runs `status`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let mut report = status(&store)?;
    drop(store);
    report.look_beside();
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

impl Human for Status {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let database = &self.database;
        let path = printable(&database.path.display().to_string());
        writeln!(out, "Database:  {path}")?;
        writeln!(
            out,
            "           {} bytes in pages of {}",
            database.size_bytes, database.page_size
        )?;
        let schema = &self.schema;
        let (number, release) = (schema.migrations, schema.release);
        if schema.known {
            writeln!(out, "Schema:    {number}, written by InfluxDB {release}")?;
        } else {
            writeln!(out, "Schema:    {number}, not known to this version")?;
        }
        self.write_tokens(out)?;
        write_previous(&self.previous, out)?;
        self.write_ways_in(out)?;
        self.write_residue(out)?;
        if !self.findings.is_empty() {
            writeln!(out, "\nFindings:")?;
            for finding in &self.findings {
                write_finding(finding, out)?;
            }
        }
        Ok(())
    }
}

impl Status {
    fn write_tokens(&self, out: &mut dyn Write) -> io::Result<()> {
        let tokens = &self.tokens;
        writeln!(
            out,
            "Tokens:    {} = {} plaintext + {} hashed + {} both + {} missing",
            tokens.total, tokens.plaintext, tokens.hashed, tokens.both, tokens.missing
        )?;
        writeln!(
            out,
            "           {} operator, {} all-access, {} custom; {} inactive, {} orphaned",
            tokens.operator, tokens.all_access, tokens.custom, tokens.inactive, tokens.orphaned
        )?;
        if tokens.legacy > 0 {
            writeln!(
                out,
                "           {} 1.x-compatible in addition",
                tokens.legacy
            )?;
        }
        if !self.hash_variants.is_empty() {
            let names: Vec<&str> = self.hash_variants.iter().map(|v| v.name()).collect();
            writeln!(out, "           hashed with {}", names.join(" and "))?;
        }
        Ok(())
    }

    fn write_ways_in(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nAccess:")?;
        if self.operator_tokens.is_empty() && self.logins.is_empty() {
            writeln!(out, "  nobody: no operator token, no user with a password")?;
        }
        for token in &self.operator_tokens {
            let usable = if token.usable { "usable" } else { "NOT usable" };
            let text = format!(
                "{}  {usable}, {}, of {}: {}",
                token.id,
                match token.storage {
                    Storage::Plaintext => "plaintext",
                    Storage::Hashed => "hashed",
                    Storage::Both => "plaintext and hashed",
                    Storage::Missing => "no token",
                },
                printable(token.user.as_deref().unwrap_or("a deleted user")),
                printable(&token.description)
            );
            write_wrapped(out, "  operator token ", 4, &text)?;
            if let Some(because) = &token.because {
                write_wrapped(out, "    - ", 6, &printable(because))?;
            }
        }
        for login in &self.logins {
            let active = if login.active { "" } else { "INACTIVE " };
            let power = match (login.signs_in, login.operator) {
                (Some(false), _) => "can't sign in",
                (_, true) => "operator power",
                (_, false) => "no operator power",
            };
            let text = format!(
                "{}  {power}: {}",
                printable(&login.user),
                printable(&login.because)
            );
            write_wrapped(out, &format!("  {active}login "), 4, &text)?;
        }
        // A damaged store refuses the cure.
        let is_sound = self.findings.iter().all(|f| f.severity != Severity::Error);
        let has_operator = self.operator_tokens.iter().any(|token| token.usable);
        if is_sound && !has_operator {
            let text = "no operator token is usable; boltkey recover operator creates one";
            write_wrapped(out, "  ", 4, text)?;
        }
        Ok(())
    }

    fn write_residue(&self, out: &mut dyn Write) -> io::Result<()> {
        let residue = &self.residue;
        writeln!(out, "\nPlaintext still readable:")?;
        writeln!(
            out,
            "  in unused parts of this file: {}, {} of them the last copy",
            counted(residue.plaintext_tokens, "token"),
            residue.recoverable
        )?;
        for sibling in &self.siblings {
            writeln!(
                out,
                "  in {}: {}",
                printable(&sibling.path.display().to_string()),
                counted(sibling.plaintext_tokens, "token")
            )?;
        }
        Ok(())
    }
}
