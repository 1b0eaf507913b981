//! Tokens that can still be read in plaintext.

use std::path::Path;

use crate::finding::{Code, counted};
use crate::ops::doctor::command_line::{boltkey, command, text};
use crate::ops::doctor::content::with_command;
use crate::ops::doctor::{Check, Verdict};
use crate::ops::status::Status;

/// The check.
pub(super) fn check(database: &Path, status: &Status) -> Check {
    let database = text(database);
    let mut checks = Vec::new();
    let residue = &status.residue;
    if residue.recoverable.readable > 0 {
        checks.push(Check::found(
            "last-copies",
            Verdict::Fail,
            format!(
                "unused parts of the file contain the last copy of {}, and a running influxd overwrites it",
                counted(residue.recoverable.readable, "token")
            ),
            "Save these tokens before influxd starts.",
            Some(boltkey(&["residue", "recover", &database, "--out", "<new file>"])),
        ));
    } else if residue.plaintext_tokens > 0 && status.tokens.hashed.readable > 0 {
        checks.push(Check::found(
            "unused-parts",
            Verdict::Warn,
            format!(
                "{} can be read in unused parts of the file, although the store hashes its tokens",
                counted(residue.plaintext_tokens, "token")
            ),
            "Overwrite the unused parts.",
            Some(boltkey(&["residue", "scrub", "--db", &database])),
        ));
    }
    for sibling in &status.siblings {
        let path = text(&sibling.path);
        checks.push(Check::found(
            "files-beside",
            Verdict::Warn,
            format!(
                "{path} contains {} in plaintext",
                counted(sibling.plaintext_tokens, "token")
            ),
            "Move it to a safe place or delete it.",
            Some(super::command_line::command(
                "mv",
                &[&path, "<safe folder>"],
            )),
        ));
    }
    let findings = status.findings.iter();
    for finding in findings.filter(|finding| finding.code == Code::LeftOver) {
        let delete = command("rm", &[&finding.place]);
        checks.push(with_command(finding, "Delete the file.", Some(delete)));
    }
    if !status.embedded.is_empty() && status.tokens.hashed.readable > 0 {
        let number = counted(status.embedded.len() as u64, "other record");
        checks.push(Check::found(
            "other-records",
            Verdict::Warn,
            format!("tokens stand in {number} of the store or its SQLite file"),
            "Change these records in InfluxDB, or rotate the tokens; boltkey status names both.",
            Some(boltkey(&["status", &database])),
        ));
    }
    let message = format!("{} in records", status.tokens.plaintext.of("token"));
    Check::group("plaintext", message, checks)
}
