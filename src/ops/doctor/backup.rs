//! A backup: whether it is complete, what it contains, and whether it can be restored.

use std::path::Path;

use crate::error::Result;
use crate::finding::{Severity, counted};
use crate::ops::backup::full_restore::Answer;
use crate::ops::backup::inspect::{MaybeSummary, inspect};
use crate::ops::backup::source::{Backup, From};
use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::doctor::content::with_command;
use crate::ops::doctor::{Check, Examined, Verdict};
use crate::store::OpenOptions;

/// Examines a backup.
///
/// # Errors
/// [`crate::ErrorKind::NotAStore`] when it is none; otherwise when it can't be read.
pub fn examine_backup(path: &Path, open: &OpenOptions) -> Result<Examined> {
    let backup = Backup::open(From::Path(path), None)?;
    let report = inspect(&backup, None, open)?;
    let shown = text(path);
    let inspect = boltkey(&["backup", "inspect", &shown]);
    let number = counted(report.files.len() as u64, "file");
    let found = report.findings.iter();
    let checks = found
        .filter(|finding| finding.severity > Severity::Info)
        .map(|finding| {
            with_command(
                finding,
                "See which files are damaged or missing; another backup may be whole.",
                Some(inspect.clone()),
            )
        });
    let mut all = vec![Check::group(
        "backup",
        format!("{shown}, {number}"),
        checks.collect(),
    )];
    if let MaybeSummary::Read(summary) = &report.summary {
        let usable = summary
            .operator_tokens
            .iter()
            .filter(|t| t.usable != Some(false));
        all.push(Check::ok(
            "content",
            format!(
                "schema {}, {}, {}",
                summary.schema.migrations,
                summary.tokens.total.of("token"),
                counted(usable.count() as u64, "usable operator token")
            ),
        ));
    }
    if let Some(restore) = &report.full_restore {
        all.push(of_restore(&shown, restore.cli_28));
    }
    Ok(Examined::new(path, all, None))
}

/// What `influx restore --full` does with it.
fn of_restore(shown: &str, answer: Option<Answer>) -> Check {
    let copy = [
        "backup",
        "token",
        shown,
        "--out",
        "<new folder>",
        "--generate",
    ];
    match answer {
        Some(Answer::Ok) => Check::ok("restore", "influx restore --full accepts it"),
        Some(Answer::NeedsOperatorToken) => Check::found(
            "restore",
            Verdict::Warn,
            "influx restore --full needs an operator token of this backup, and the influx CLI before 2.8 fails",
            "If no operator token is known, put a new one into a copy of the backup.",
            Some(boltkey(&copy)),
        ),
        Some(Answer::Fails) => Check::found(
            "restore",
            Verdict::Warn,
            "influx restore --full replaces the metadata and then fails with 401",
            "Put a new operator token into a copy of the backup.",
            Some(boltkey(&copy)),
        ),
        None => Check::ok("restore", "unknown, because damage hides tokens"),
    }
}
