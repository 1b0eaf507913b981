//! The checks of an open store, for `doctor` and for the head of a report.

use std::path::Path;

use crate::error::Result;
use crate::ops::check::Checked;
use crate::ops::doctor::cures::Cures;
use crate::ops::doctor::files_around::Around;
use crate::ops::doctor::{Check, HostFacts, access, content, plaintext, start};
use crate::ops::repair::{EngineShards, Needed};
use crate::ops::status::Status;
use crate::ops::timestamp::Timestamp;
use crate::store::{OpenOptions, Store};

/// What an open store tells.
pub(crate) struct OfStore {
    checks: Vec<Check>,
    around: Around,
}

impl OfStore {
    /// The checks of its pages and records, and what a start of influxd would do. `found` is what
    /// `check` found, `sqlite` the SQLite file that belongs to it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn of(
        store: &Store,
        found: &Checked,
        shards: &EngineShards,
        host: &HostFacts,
        sqlite: &Path,
        open: &OpenOptions,
        now: &Timestamp,
    ) -> Result<Self> {
        let cures = Cures::of(store, &found.findings, shards, now);
        let checks = vec![
            content::structure(found, &cures),
            content::metadata(found, &cures),
            start::start(store, cures.is_damaged(), host, sqlite, open)?,
        ];
        Ok(Self {
            checks,
            around: Around::of(store)?,
        })
    }

    /// All of them in the order in which one acts on them, with those that follow from the status of
    /// the store, and from the SQLite file and the engine folder that belong to it. The lock is not
    /// needed.
    pub(crate) fn with_files(
        self,
        database: &Path,
        status: &Status,
        sqlite: &Path,
        engine: &Path,
    ) -> Vec<Check> {
        let mut checks = self.checks;
        checks.push(self.around.check(database, sqlite, engine));
        checks.push(access::check(database, status));
        checks.push(plaintext::check(database, status));
        checks
    }
}

/// What `repair` would read of the engine folder. That may take long, so the store is not open
/// meanwhile. Nothing is known if the store or the folder can't be read, which other checks tell.
pub(crate) fn shards_for_repair(path: &Path, engine: &Path, open: &OpenOptions) -> EngineShards {
    let list = || -> Result<EngineShards> {
        let store = Store::open(path, open)?;
        let needed = Needed::of(store.snapshot())?;
        drop(store);
        let named = engine.is_dir().then_some(engine);
        let mut shards = EngineShards::list(&needed, path, named)?;
        shards.read(&needed, &|_| {});
        Ok(shards)
    };
    list().unwrap_or_default()
}
