//! `boltkey bucket list`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::incomplete::write_incomplete;
use crate::cli::terminal::report::Human;
use crate::cli::terminal::table::Table;
use crate::error::Result;
use crate::ops::bucket::list::{Buckets, RetentionRule, list};

/// Options of `bucket list`.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Runs `bucket list`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(session: &Session) -> Result<Outcome> {
    let store = session.open_metadata()?;
    let report = list(store.snapshot(), store.inspect())?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
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
                &retention_text(rule),
                &hours(rule.shard_group_duration_seconds),
                bucket.org.as_deref().unwrap_or(&gone),
                bucket.kind,
            ]);
        }
        table.write(out)?;
        write_incomplete(self.buckets.len(), self.buckets.hidden, "bucket", out)
    }
}

/// How long points are kept.
pub(super) fn retention_text(rule: &RetentionRule) -> String {
    match rule.every_seconds {
        0 => "infinite".into(),
        seconds => hours(seconds),
    }
}

/// Formats seconds as the influx CLI does: `168h0m0s`.
pub(super) fn hours(seconds: i64) -> String {
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!("{}h{}m{rest}s", minutes / 60, minutes % 60)
}
