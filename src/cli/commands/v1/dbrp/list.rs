//! `boltkey v1 dbrp list`.

use std::io::{self, Write};

use clap::Args;

use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::cli::terminal::incomplete::write_incomplete;
use crate::cli::terminal::report::{Human, printable};
use crate::cli::terminal::table::Table;
use crate::cli::terminal::wrap::write_wrapped;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::resolve::By;
use crate::ops::v1::dbrp::list::{Dbrps, Filters, list};

/// Options of `v1 dbrp list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Organization name
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// Organization ID, deleted or not
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// ID of the mapping
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
    /// Bucket name
    #[arg(long, value_name = "NAME", conflicts_with = "bucket_id")]
    bucket: Option<String>,
    /// Bucket ID, deleted or not
    #[arg(long, value_name = "ID")]
    bucket_id: Option<Id>,
    /// 1.x database
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Retention policy
    #[arg(long, value_name = "NAME")]
    rp: Option<String>,
    /// Only default mappings, which requests without a retention policy use
    #[arg(long)]
    default: bool,
}

/// Runs `v1 dbrp list`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: ListArgs, session: &Session) -> Result<Outcome> {
    let by = |name: Option<String>, id: Option<Id>| name.map(By::Name).or(id.map(By::Id));
    let filters = Filters {
        org: by(args.org, args.org_id),
        id: args.id,
        bucket: by(args.bucket, args.bucket_id),
        database: args.database,
        retention_policy: args.rp,
        default: args.default,
    };
    let store = session.open_metadata()?;
    let report = list(store.snapshot(), store.inspect(), &filters)?;
    drop(store);
    session.ui().warn(&report.skipped);
    session.ui().report(&report)?;
    Ok(Outcome::Done)
}

impl Human for Dbrps {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let columns = [
            "ID",
            "Database",
            "Retention policy",
            "Default",
            "Bucket",
            "Org",
            "Type",
        ];
        let mut table = Table::new(&columns, true);
        for one in &self.dbrps {
            let gone = |id: Option<Id>| match id {
                Some(id) => format!("(deleted) {id}"),
                None => String::from("none"),
            };
            table.row([
                &one.id.to_string(),
                &one.database,
                &one.retention_policy,
                if one.default { "yes" } else { "no" },
                &one.bucket.clone().unwrap_or_else(|| gone(one.bucket_id)),
                &one.org.clone().unwrap_or_else(|| gone(one.org_id)),
                if one.is_virtual { "virtual" } else { "stored" },
            ]);
        }
        table.write(out)?;
        if self.dbrps.is_empty() && !self.dbrps.hidden {
            writeln!(
                out,
                "no mapping; boltkey v1 dbrp list without options shows all"
            )?;
        }
        for one in &self.dbrps {
            for problem in &one.problems {
                write_wrapped(out, "", 2, &printable(&format!("{}: {problem}", one.id)))?;
            }
        }
        write_incomplete(self.dbrps.len(), self.dbrps.hidden, "mapping", out)
    }
}
