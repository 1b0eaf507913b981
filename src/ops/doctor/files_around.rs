//! Whether database, SQLite file and engine folder belong together.

use std::path::Path;

use crate::error::Result;
use crate::finding::{Code, Finding, Severity};
use crate::metadata::{Catalog, Schema};
use crate::ops::doctor::Check;
use crate::ops::doctor::command_line::{boltkey, command, text};
use crate::ops::doctor::content::with_command;
use crate::ops::files::one_set::OneSet;
use crate::store::Store;

/// What the database says about the files around it.
pub(super) struct Around(OneSet);

impl Around {
    /// Reads it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn of(store: &Store) -> Result<Self> {
        let snapshot = store.snapshot();
        let (schema, catalog) = (Schema::load(snapshot)?, Catalog::load(snapshot)?);
        Ok(Self(OneSet::of(snapshot, &schema, &catalog)?))
    }

    /// The check. The lock is not needed.
    pub(super) fn check(&self, database: &Path, sqlite: &Path, engine: &Path) -> Check {
        let found = self.0.look_at(sqlite, engine);
        let there = [sqlite, engine].into_iter().filter(|path| path.exists());
        let there: Vec<String> = there.map(text).collect();
        let message = match there.is_empty() {
            true => String::from("no SQLite file and no engine folder beside it"),
            false => format!("examined with {}", there.join(" and ")),
        };
        let checks = found
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .map(|finding| {
                let (hint, command) = of(finding, database, engine);
                with_command(finding, hint, Some(command))
            });
        Check::group("set", message, checks.collect())
    }
}

/// What to do, and the command for it.
fn of(finding: &Finding, database: &Path, engine: &Path) -> (&'static str, String) {
    let (at, database) = (finding.place.as_str(), text(database));
    let aside = || command("mv", &[at, &format!("{at}.aside")]);
    match finding.code {
        Code::SqliteUnusable | Code::SqliteForeign | Code::SqliteSchema => (
            "Put the file that belongs to the database in its place, or move this one away: influxd \
             then creates a new one, without notebooks, annotations, remotes and replications.",
            aside(),
        ),
        Code::EngineOld => ("Move it away.", aside()),
        Code::EngineForeign => (
            "Put the engine folder of this database in its place, or make buckets for the unknown \
             shards again.",
            boltkey(&[
                "bucket",
                "adopt",
                "--all",
                "--engine-path",
                &text(engine),
                "--db",
                &database,
            ]),
        ),
        Code::EngineEmpty => (
            "Put the engine folder of this database in its place; another store may belong to this one.",
            boltkey(&["locate"]),
        ),
        code => ("See what it means.", boltkey(&["explain", code.name()])),
    }
}
