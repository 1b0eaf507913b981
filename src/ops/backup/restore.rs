//! `backup restore`: restores a backup as the store of a stopped server, after verifying the
//! operator token.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::authenticate::find;
use crate::metadata::{Id, Storage, Variant, names};
use crate::ops::backup::backup_store::{BackupStore, RestoreContext};
use crate::ops::backup::move_into_place::{
    ExistingFiles, NewTargetFile, PreparedFiles, RestoreTarget,
};
use crate::ops::backup::replaced_store::ReplacedStore;
use crate::ops::backup::restored_access::{
    AccessCheck, Missing, OperatorAccess, OperatorSource, check_access,
};
use crate::ops::backup::source::Backup;
use crate::ops::backup::summary::NamedShard;
use crate::ops::backup::supplied_token::Supplied;
use crate::ops::backup::{shards, sql};
use crate::ops::commit::SideFiles;
use crate::ops::files::checksums::{Checksum, checksum_of, reads_back};
use crate::ops::files::copy::copy;
use crate::ops::files::disk::{Disk, SequentialFile};
use crate::ops::files::engine_folder;
use crate::ops::files::new_file::folder_of;
use crate::ops::timestamp::Timestamp;
use crate::ops::{hash, token_plan};
use crate::secret::Token;
use crate::store::{ChangeSet, Engine, Held, Snapshot};

/// Options of a restore.
#[derive(Debug, Clone)]
pub struct Options {
    /// Target path of the database.
    pub to: PathBuf,
    /// Its storage engine.
    pub engine: Engine,
    /// Target path of the SQLite file.
    pub sqlite: PathBuf,
    /// The engine folder with the time-series data.
    pub engine_path: PathBuf,
    /// Whether existing files may be replaced.
    pub force: bool,
    /// Whether buckets that exist in both the old and the new metadata keep their old shards.
    pub keep_shards: bool,
    /// Whether plaintext tokens are hashed during the restore.
    pub hash: bool,
    /// The value of influxd's setting `use-hashed-tokens`, if it is set.
    pub use_hashed_tokens: Option<bool>,
}

/// A checked restore, ready to run.
pub struct Plan {
    target: RestoreTarget,
    engine: Engine,
    /// `None` after the restore.
    content: Option<BackupStore>,
    sqlite: Option<File>,
    changes: ChangeSet,
    /// The operator token that opens the restored store.
    token: Token,
    id: Id,
    storage: Storage,
    /// The plan of the new operator token, if one is created.
    pub new_token: Option<token_plan::TokenPlan>,
    /// Existing files at the target.
    pub in_the_way: ExistingFiles,
    /// Shards of the old metadata that the new metadata does not know.
    pub lost: Vec<NamedShard>,
    shards: BackupShards,
    /// Options and time of hashing, if tokens are hashed.
    hash: Option<(hash::Options, Timestamp)>,
    /// The number of tokens hashed.
    hashed: u64,
    /// Warnings and notes.
    pub findings: Vec<Finding>,
}

/// The result of planning a restore.
pub enum Planned {
    /// The restore can run.
    Ready(Box<Plan>),
    /// The operator token does not open the backup.
    Refused(Supplied),
    /// Nothing else refuses the restore, but this must be asked for first.
    Missing(Missing),
}

/// Numbers about the backup's shards. None of them is restored.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BackupShards {
    /// In the backup.
    pub in_backup: usize,
    /// Not restored: all of them.
    pub not_restored: usize,
    /// Total size of their files in bytes.
    pub bytes: u64,
}

/// Checks everything that can be checked before a byte is written to the target.
///
/// # Errors
/// * [`ErrorKind::NotAStore`], [`ErrorKind::Corrupt`] for a damaged backup
/// * [`ErrorKind::Refused`] when the target exists, or two shards would have the same number
/// * with a new operator token as [`crate::ops::recover::operator::plan`]
pub fn plan(
    backup: &Backup,
    source: OperatorSource,
    options: &Options,
    old: &ReplacedStore,
    context: &RestoreContext<'_>,
) -> Result<Planned> {
    let (content, facts, judged) =
        BackupStore::open(backup, &options.to, context, |snapshot, facts| {
            check_access(
                snapshot,
                facts,
                source,
                options.use_hashed_tokens,
                context.now,
            )
        })?;
    let snapshot = content.snapshot();
    if facts.summary.tokens.total.readable == 0 && facts.catalog.users.is_empty() {
        is_metadata(snapshot, backup)?;
    }
    let access = match judged? {
        AccessCheck::Opens(opening) => Ok(*opening),
        AccessCheck::OpensNot(supplied) => return Ok(Planned::Refused(supplied)),
        AccessCheck::Missing(missing) => Err(missing),
    };
    // Only now: the operator token is checked first.
    let target = RestoreTarget {
        database: options.to.clone(),
        sqlite: backup.sql.as_ref().map(|_| options.sqlite.clone()),
    };
    let in_the_way = target.in_the_way()?;
    if !options.force {
        in_the_way.must_be_nothing()?;
    }
    let scratch = folder_of(&options.to);
    let sqlite = match backup.sqlite()? {
        Some((file, path)) => Some(sql::unpacked(file, &path, Some(scratch))?),
        None => None,
    };
    let lying = engine_folder::shards(&options.engine_path)?;
    let old_tsm = old.tsm.as_deref();
    let shards = shards::plan(snapshot, old_tsm, &lying, options.keep_shards)?;
    let OperatorAccess {
        token,
        id,
        storage,
        new_token,
        mut changes,
    } = match access {
        Ok(access) => access,
        Err(missing) => return Ok(Planned::Missing(missing)),
    };
    shards.put(&mut changes);
    let mut findings: Vec<Finding> = content.notices().to_vec();
    let (hash, hashed, storage) = if options.hash {
        let how = hash::Options {
            variant: Variant::Sha256,
            keep_residue: false,
        };
        let hashing = hash::plan(snapshot, content.inspect(), how, context.now)?;
        findings.extend(of_hashing(backup, &hashing));
        let fresh = u64::from(new_token.is_some() && storage == Storage::Plaintext);
        let hashed = hashing.numbers.to_hash + fresh;
        (Some((how, context.now.clone())), hashed, Storage::Hashed)
    } else {
        (None, 0, storage)
    };
    if sqlite.is_none() {
        findings.push(no_sqlite(backup, &options.sqlite));
    }
    let of_backup = backup.shards.iter();
    Ok(Planned::Ready(Box::new(Plan {
        target,
        engine: options.engine,
        sqlite,
        changes,
        token,
        id,
        storage,
        new_token,
        in_the_way,
        lost: NamedShard::all(&shards.lost, &old.catalog),
        shards: BackupShards {
            in_backup: backup.shards.len(),
            not_restored: backup.shards.len(),
            bytes: of_backup.map(|shard| shard.file.size).sum(),
        },
        hash,
        hashed,
        findings,
        content: Some(content),
    })))
}

/// Warnings about the side effects of hashing.
fn of_hashing(backup: &Backup, hashing: &hash::Plan) -> Vec<Finding> {
    let place = backup.path.display().to_string();
    let mut findings = Vec::new();
    if hashing.numbers.migrates {
        findings.push(Finding::new(
            Code::HashMigrates,
            place.clone(),
            "hashed tokens need schema 21: InfluxDB 2.7 and older do not start on it",
        ));
    }
    let embedded = hashing.embedded.len() as u64;
    if embedded > 0 {
        findings.push(Finding::new(
            Code::HashEmbedded,
            place,
            format!(
                "{} with tokens in plaintext, such as telegraf configurations, not to be \
                 changed by --hash",
                counted(embedded, "live record")
            ),
        ));
    }
    findings
}

/// Refuses a database that is not an InfluxDB store.
fn is_metadata(snapshot: &dyn Snapshot, backup: &Backup) -> Result<()> {
    let (buckets, _) = snapshot.buckets()?;
    if buckets
        .iter()
        .any(|bucket| names::ALL.contains(&bucket.name.as_slice()))
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} does not contain InfluxDB's buckets",
            backup.path.display()
        ),
    ))
}

fn no_sqlite(backup: &Backup, path: &Path) -> Finding {
    let there = path.symlink_metadata().is_ok();
    let what = if there {
        format!(
            "it has no SQLite file, so {} is not replaced: notebooks, annotations, remotes and \
             replications in it do not come from this backup",
            path.display()
        )
    } else {
        String::from(
            "it has no SQLite file, so it contains no notebooks, annotations, remotes \
                      or replications",
        )
    };
    let severity = if there {
        Severity::Warning
    } else {
        Severity::Info
    };
    Finding::new(Code::NoSqlite, backup.path.display().to_string(), what).with_severity(severity)
}

/// The report of a restore, or of its dry run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Whether the restore was done.
    pub changed: bool,
    /// The database.
    pub database: Database,
    /// The SQLite file, if the backup has one.
    pub sqlite: Option<PathBuf>,
    /// The operator token that opens it.
    pub operator_token: OperatorToken,
    /// Number of tokens hashed during the restore.
    pub hashed: u64,
    /// The backup's shards.
    pub shards: BackupShards,
    /// Shards of the old metadata that the new metadata does not know.
    pub lost_shards: Vec<NamedShard>,
    /// The names under which the previous files were saved.
    pub kept: Vec<PathBuf>,
}

/// A restored database.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Database {
    /// Its path.
    pub path: PathBuf,
    /// Its engine.
    pub engine: Engine,
}

/// The operator token that opens a restored store.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperatorToken {
    /// Its authorization.
    pub id: Id,
    /// How it is stored.
    pub storage: Storage,
}

impl Plan {
    /// The report, before or after the restore.
    #[must_use]
    pub fn told(&self, changed: bool, kept: Vec<PathBuf>) -> Restored {
        Restored {
            changed,
            database: Database {
                path: self.target.database.clone(),
                engine: self.engine,
            },
            sqlite: self.target.sqlite.clone(),
            operator_token: OperatorToken {
                id: self.id,
                storage: self.storage,
            },
            hashed: self.hashed,
            shards: self.shards,
            lost_shards: self.lost.clone(),
            kept,
        }
    }

    /// Existing files at the target now, for a comparison with [`Plan::in_the_way`] under the lock.
    ///
    /// # Errors
    /// As [`RestoreTarget::in_the_way`].
    pub fn in_the_way_now(&self) -> Result<ExistingFiles> {
        self.target.in_the_way()
    }

    /// The operator token's ID.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The operator token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Writes both files beside their targets, verifies them, and moves them into place. Returns
    /// the names under which the previous files were saved.
    ///
    /// # Errors
    /// As [`PreparedFiles::place`]. If writing fails before that, no existing file was changed.
    pub fn apply(
        &mut self,
        held: Option<Held>,
        date: &str,
        disk: &dyn Disk,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<PathBuf>> {
        self.apply_if(held, date, disk, progress, &|| Ok(()))
    }

    /// Like [`Plan::apply`]. `may_commit` is called when the new files are complete; its error ends
    /// the restore.
    ///
    /// # Errors
    /// As [`Plan::apply`], and that of `may_commit`.
    pub fn apply_if(
        &mut self,
        held: Option<Held>,
        date: &str,
        disk: &dyn Disk,
        progress: &(dyn Fn(u64) + Sync),
        may_commit: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<PathBuf>> {
        let ready = self.write(disk, progress)?;
        may_commit()?;
        ready.place(&self.target, date, held, disk)
    }

    fn write(&mut self, disk: &dyn Disk, progress: &(dyn Fn(u64) + Sync)) -> Result<PreparedFiles> {
        let path = &self.target.database;
        let Some(content) = self.content.take() else {
            return Err(Error::new(
                ErrorKind::Refused,
                "the backup was already restored",
            ));
        };
        let placed = content.into_file(&self.changes, self.engine, path, disk, progress)?;
        let (database, mut new) = placed;
        if let Some((how, now)) = &self.hash {
            let hashing = hash::plan(&new, new.inspect(), *how, now)?;
            let hashed = hashing.apply(&mut new, &SideFiles::default(), None)?;
            hashed.committed.in_new_file()?;
            self.hashed = hashing.numbers.to_hash;
        }
        if find(&new, &self.token)? != Some(self.id) {
            return Err(Error::new(
                ErrorKind::Io,
                format!(
                    "{} does not contain the operator token as expected when it is read back",
                    path.display()
                ),
            ));
        }
        drop(new);
        let sqlite = match (&mut self.sqlite, &self.target.sqlite) {
            (Some(content), Some(path)) => Some(write_sqlite(content, path, disk)?),
            _ => None,
        };
        Ok(PreparedFiles { database, sqlite })
    }
}

fn write_sqlite(content: &mut File, path: &Path, disk: &dyn Disk) -> Result<NewTargetFile> {
    let new = NewTargetFile::beside(path)?;
    let mut file = SequentialFile::new(disk.device(new.file().at("write", path)?));
    content.rewind().at("read", path)?;
    copy(content, &mut file, &mut |_| {}).at("write", path)?;
    file.sync().at("write", path)?;
    content.rewind().at("read", path)?;
    let sum: Checksum = checksum_of(content).at("read", path)?;
    reads_back(&mut file, &sum).at("verify", path)?;
    Ok(new)
}
