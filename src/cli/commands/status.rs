//! `boltkey status`.

use std::io::{self, Write};

use crate::cli::commands::check::{write_finding, write_previous};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::token_numbers::{
    embedded_text, operator_token_text, write_schema, write_token_numbers,
};
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::finding::{Severity, counted};
use crate::ops::known::Number;
use crate::ops::residue::sql_tokens::SqlTokens;
use crate::ops::status::{Status, status};
use crate::ops::v1::access::V1Access;

/// The number of records with tokens that are listed.
const MOST_RECORDS: usize = 20;

/// Runs `status`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    let database = session.database()?;
    let (sql, _) = SqlTokens::beside(database.path());
    let store = session.open_records_at(&database)?;
    let mut report = status(&store, &sql)?;
    drop(store);
    report.look_beside(&sql);
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
        if let Some(free) = database.free_bytes.filter(|free| *free > 0) {
            writeln!(out, "           {free} bytes of them in free pages")?;
        }
        write_schema(&self.schema, out)?;
        write_token_numbers(&self.tokens, out)?;
        if !self.hash_variants.is_empty() {
            let names: Vec<&str> = self.hash_variants.iter().map(|v| v.name()).collect();
            writeln!(out, "           hashed with {}", names.join(" and "))?;
        }
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
    fn write_ways_in(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nAccess:")?;
        if self.operator_tokens.has_none() && self.logins.has_none() {
            writeln!(out, "  nobody: no operator token, no user with a password")?;
        }
        for token in &self.operator_tokens {
            write_wrapped(out, "  operator token ", 4, &operator_token_text(token))?;
            if let Some(because) = &token.because {
                write_wrapped(out, "    - ", 6, &printable(because))?;
            }
        }
        if self.operator_tokens.hidden {
            let text = match self.operator_tokens.len() {
                0 => "operator tokens: unknown; damage hides records",
                _ => "there may be more operator tokens; damage hides records",
            };
            write_wrapped(out, "  ", 4, text)?;
        }
        for login in &self.logins {
            let active = if login.active { "" } else { "INACTIVE " };
            let power = match (login.signs_in, login.operator) {
                (Some(false), _) => "can't sign in",
                (_, Some(true)) => "operator power",
                (_, Some(false)) => "no operator power",
                (_, None) => "operator power unknown, because damage hides records",
            };
            let text = format!(
                "{}  {power}: {}",
                printable(&login.user),
                printable(&login.because)
            );
            write_wrapped(out, &format!("  {active}login "), 4, &text)?;
        }
        if self.logins.hidden {
            let text = match self.logins.len() {
                0 => "logins: unknown; damage hides records",
                _ => "there may be more logins; damage hides records",
            };
            write_wrapped(out, "  ", 4, text)?;
        }
        if !self.v1.has_none() {
            let V1Access {
                users,
                usable,
                mappings,
            } = &self.v1;
            let text = format!(
                "1.x clients: {}, {usable} usable with a password; {} of databases",
                users.of("user"),
                mappings.of("mapping")
            );
            write_wrapped(out, "  ", 4, &text)?;
        }
        // A damaged store refuses the cure.
        let is_sound = self.findings.iter().all(|f| f.severity != Severity::Error);
        let has_operator = self.operator_tokens.iter().any(|t| t.usable != Some(false));
        if is_sound && !has_operator {
            let text = "no operator token is usable; boltkey recover operator creates one";
            write_wrapped(out, "  ", 4, text)?;
        }
        Ok(())
    }

    fn write_residue(&self, out: &mut dyn Write) -> io::Result<()> {
        let residue = &self.residue;
        writeln!(out, "\nPlaintext still readable:")?;
        let last = match residue.recoverable {
            Number {
                readable: 0,
                hidden: true,
            } => String::from("how many of them are the last copy is unknown"),
            number => format!("{number} of them the last copy"),
        };
        let unused = format!("{}, {last}", counted(residue.plaintext_tokens, "token"));
        write_wrapped(out, "  in unused parts of this file: ", 4, &unused)?;
        for place in self.embedded.iter().take(MOST_RECORDS) {
            write_wrapped(out, "  in ", 4, &embedded_text(place))?;
        }
        if let Some(more) = self.embedded.len().checked_sub(MOST_RECORDS + 1) {
            writeln!(out, "  and in {}", counted(more as u64 + 1, "more record"))?;
        }
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
