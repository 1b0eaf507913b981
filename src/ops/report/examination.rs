//! The checks of `doctor` about one store of a report, or about a backup.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::error::Result;
use crate::metadata::shown_tokens::ShownTokens;
use crate::ops::backup::source::{Backup, From};
use crate::ops::check::Checked;
use crate::ops::doctor::{
    Check, HostFacts, OfStore, examine_backup, no_holder, owner_and_mode, shards_for_repair,
};
use crate::ops::files::one_set::{engine_beside, sqlite_beside};
use crate::ops::repair::EngineShards;
use crate::ops::report::Options;
use crate::ops::report::next_steps::{Head, head};
use crate::ops::report::search::Found;
use crate::ops::status::Status;
use crate::ops::timestamp::Timestamp;
use crate::store::Store;

/// The checks so far.
pub(super) struct Examination {
    checks: Vec<Check>,
    /// Those of a store with files around it: none for a backup.
    of_store: Option<OfStore>,
    database: PathBuf,
    /// Whether the commands for the store can be run as they are.
    has_commands: bool,
}

impl Examination {
    /// Examines a backup with several files.
    ///
    /// # Errors
    /// When the backup can't be read.
    pub(super) fn of_backup(found: &Found, options: &Options) -> Result<Self> {
        Ok(Self {
            checks: examine_backup(&found.path, &options.open)?.checks,
            of_store: None,
            database: found.path.clone(),
            has_commands: true,
        })
    }

    /// Examines a store that is a file of its own, and the backup that it is part of. `checked` is
    /// what `check` found in the store.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn of_store(
        found: &Found,
        store: &Store,
        checked: &Checked,
        shards: &EngineShards,
        options: &Options,
    ) -> Result<Self> {
        let host = HostFacts::default();
        let now = Timestamp::from(&options.now.to_zoned(TimeZone::UTC));
        let sqlite = sqlite_beside(&found.path);
        let of_store = OfStore::of(store, checked, shards, &host, &sqlite, &options.open, &now)?;
        let is_itself = store.description().path == found.path;
        let mut checks = match folder_of_backup(&found.path) {
            Some(folder) => examine_backup(folder, &options.open)?.checks,
            None => Vec::new(),
        };
        checks.extend([no_holder(store), owner_and_mode(&found.path, &host)?]);
        Ok(Self {
            checks,
            of_store: Some(of_store),
            database: found.path.clone(),
            has_commands: is_itself && !options.previous,
        })
    }

    /// The head, with what the status of the store and the files around it tell. The lock is not
    /// needed.
    pub(super) fn head(self, status: &Status, shown: &mut ShownTokens<'_>) -> Head {
        let mut checks = self.checks;
        if let Some(of_store) = self.of_store {
            let (sqlite, engine) = (sqlite_beside(&self.database), engine_beside(&self.database));
            let mut of_store = of_store.with_files(&self.database, status, &sqlite, &engine);
            if !self.has_commands {
                leave_out_commands(&mut of_store);
            }
            checks.extend(of_store);
        }
        head(&checks, shown)
    }
}

fn leave_out_commands(checks: &mut [Check]) {
    for check in checks {
        check.command = None;
        leave_out_commands(&mut check.checks);
    }
}

/// The folder of a file, if it is a backup with this file as its database.
fn folder_of_backup(file: &Path) -> Option<&Path> {
    let (folder, name) = (file.parent()?, file.file_name()?.to_str()?);
    let base = name.strip_suffix(".gz").unwrap_or(name);
    let base = base.strip_suffix(".bolt")?;
    let is_there = |ending: &str| file.with_file_name(format!("{base}{ending}")).exists();
    // Quickly, because folders may have thousands of files.
    if ![".manifest", ".boltkey.json"].into_iter().any(is_there) {
        return None;
    }
    let backup = Backup::open(From::Path(folder), None).ok()?;
    (backup.kv.name == name).then_some(folder)
}

/// What `repair` would read of the engine folder beside a store, which is not open yet.
pub(super) fn shards_beside(found: &Found, options: &Options) -> EngineShards {
    let engine = engine_beside(&found.path);
    match engine.is_dir() && !options.previous {
        true => shards_for_repair(&found.path, &engine, &options.open),
        false => EngineShards::default(),
    }
}
