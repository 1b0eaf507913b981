//! `backup restore`: a backup becomes the store of a stopped server, once it is known who can get
//! in.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::{Code, Finding, Severity, counted};
use crate::metadata::authenticate::find;
use crate::metadata::{Id, Storage, Variant, names};
use crate::ops::backup::content::{BackupStore, RestoreContext};
use crate::ops::backup::operator::Supplied;
use crate::ops::backup::operator_access::{Judged, Opener, Opening, opening};
use crate::ops::backup::replaced_store::Old;
use crate::ops::backup::restore_target::{InTheWay, New, Pair, Ready};
use crate::ops::backup::source::Backup;
use crate::ops::backup::summary::NamedShard;
use crate::ops::backup::{shards, sql};
use crate::ops::commit::SideFiles;
use crate::ops::files::checksums::{Checksum, checksum_of, reads_back};
use crate::ops::files::copy::copy;
use crate::ops::files::disk::{Disk, Front};
use crate::ops::files::engine_folder;
use crate::ops::files::new_file::folder_of;
use crate::ops::timestamp::Timestamp;
use crate::ops::{hash, token_plan};
use crate::secret::Token;
use crate::store::{ChangeSet, Engine, Held, Snapshot};

/// What to restore, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the database belongs.
    pub to: PathBuf,
    /// The engine it is to have.
    pub engine: Engine,
    /// Where the SQLite file belongs.
    pub sqlite: PathBuf,
    /// Where points lie.
    pub engine_path: PathBuf,
    /// Whether what stands there may be replaced.
    pub force: bool,
    /// Whether buckets that old and new metadata have keep their old shards.
    pub keep_shards: bool,
    /// Whether tokens in plaintext are hashed on the way.
    pub hash: bool,
    /// What an explicit `use-hashed-tokens` of influxd says.
    pub use_hashed_tokens: Option<bool>,
}

/// A restore that may be made.
pub struct Plan {
    pair: Pair,
    engine: Engine,
    /// Until it is put where it belongs.
    content: Option<BackupStore>,
    sqlite: Option<File>,
    changes: ChangeSet,
    /// The operator token that opens the result.
    token: Token,
    id: Id,
    storage: Storage,
    /// The one that was made, if it was.
    pub made: Option<token_plan::Plan>,
    /// What stands in the way.
    pub in_the_way: InTheWay,
    /// Shards of the old metadata that the new ones do not know.
    pub lost: Vec<NamedShard>,
    shards: BackupShards,
    /// How tokens are hashed, if they are, and at what time.
    hash: Option<(hash::Options, Timestamp)>,
    /// How many are.
    hashed: u64,
    /// What is worth saying.
    pub findings: Vec<Finding>,
}

/// What became of the question who gets in.
pub enum Planned {
    /// The restore may be made.
    Ready(Box<Plan>),
    /// The operator token does not open the backup.
    Refused(Supplied),
}

/// Numbers of the backup's shards, none of which is restored.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupShards {
    /// In the backup.
    pub in_backup: usize,
    /// Not restored: all of them.
    pub not_restored: usize,
    /// Their files' bytes.
    pub bytes: u64,
}

/// Checks everything that can be checked before a byte is written where the restore belongs.
///
/// # Errors
/// * [`ErrorKind::NotAStore`], [`ErrorKind::Corrupt`] for a damaged backup
/// * [`ErrorKind::Refused`] when something stands there, or shards would have the same number
/// * with a new operator token as [`crate::ops::recover::operator::plan`]
pub fn plan(
    backup: &Backup,
    opener: Opener,
    options: &Options,
    old: &Old,
    means: &RestoreContext<'_>,
) -> Result<Planned> {
    let (content, looked, judged) =
        BackupStore::open(backup, &options.to, means, |snapshot, looked| {
            opening(
                snapshot,
                looked,
                opener,
                options.use_hashed_tokens,
                means.now,
            )
        })?;
    let snapshot = content.snapshot();
    if looked.summary.tokens.total == 0 && looked.catalog.users.is_empty() {
        is_metadata(snapshot, backup)?;
    }
    let Opening {
        token,
        id,
        storage,
        made,
        mut changes,
    } = match judged? {
        Judged::Opens(opening) => *opening,
        Judged::OpensNot(supplied) => return Ok(Planned::Refused(supplied)),
    };
    // Not before: whether the token is the right one is the first question.
    let pair = Pair {
        database: options.to.clone(),
        sqlite: backup.sql.as_ref().map(|_| options.sqlite.clone()),
    };
    let in_the_way = pair.in_the_way()?;
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
    shards.put(&mut changes);
    let mut findings: Vec<Finding> = content.notices().to_vec();
    let (hash, hashed, storage) = if options.hash {
        let how = hash::Options {
            variant: Variant::Sha256,
            keep_residue: false,
        };
        let hashing = hash::plan(snapshot, content.inspect(), how, means.now)?;
        findings.extend(of_hashing(backup, &hashing));
        let fresh = u64::from(made.is_some() && storage == Storage::Plaintext);
        let hashed = hashing.numbers.to_hash + fresh;
        (Some((how, means.now.clone())), hashed, Storage::Hashed)
    } else {
        (None, 0, storage)
    };
    if sqlite.is_none() {
        findings.push(no_sqlite(backup, &options.sqlite));
    }
    let of_backup = backup.shards.iter();
    Ok(Planned::Ready(Box::new(Plan {
        pair,
        engine: options.engine,
        sqlite,
        changes,
        token,
        id,
        storage,
        made,
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

/// What hashing does beside hashing.
fn of_hashing(backup: &Backup, hashing: &hash::Plan) -> Vec<Finding> {
    let place = backup.path.display().to_string();
    let mut findings = Vec::new();
    if hashing.numbers.migrates {
        findings.push(Finding::new(
            Code::HashMigrates,
            place.clone(),
            "hashed tokens need schema 21, to which the restored store goes: InfluxDB 2.7 and \
             older do not start on it",
        ));
    }
    let embedded = hashing.embedded.len() as u64;
    if embedded > 0 {
        findings.push(Finding::new(
            Code::HashEmbedded,
            place,
            format!(
                "{} in which tokens stand in plaintext, such as telegraf configurations, stay as \
                 they are",
                counted(embedded, "live record")
            ),
        ));
    }
    findings
}

/// Refuses what is a database but none of InfluxDB's.
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
        format!("{} holds none of InfluxDB's buckets", backup.path.display()),
    ))
}

fn no_sqlite(backup: &Backup, path: &Path) -> Finding {
    let there = path.symlink_metadata().is_ok();
    let what = if there {
        format!(
            "it has no SQLite file, and {} stays as it is: notebooks, annotations, remotes and \
             replications are not of this backup",
            path.display()
        )
    } else {
        String::from("it has no SQLite file: no notebooks, annotations, remotes and replications")
    };
    let severity = if there {
        Severity::Warning
    } else {
        Severity::Info
    };
    Finding::new(Code::NoSqlite, backup.path.display().to_string(), what).with_severity(severity)
}

/// What was restored, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Whether it was.
    pub changed: bool,
    /// The database.
    pub database: Database,
    /// The SQLite file, if the backup has one.
    pub sqlite: Option<PathBuf>,
    /// The operator token that opens it.
    pub operator_token: OperatorToken,
    /// Tokens that were hashed on the way.
    pub hashed: u64,
    /// The backup's shards.
    pub shards: BackupShards,
    /// Shards of the old metadata that the new ones do not know.
    pub lost_shards: Vec<NamedShard>,
    /// What stood there, under these names.
    pub kept: Vec<PathBuf>,
}

/// A restored database.
#[derive(Debug, Serialize)]
pub struct Database {
    /// Where it is.
    pub path: PathBuf,
    /// Its engine.
    pub engine: Engine,
}

/// The operator token that opens a restored store.
#[derive(Debug, Serialize)]
pub struct OperatorToken {
    /// Its authorization.
    pub id: Id,
    /// How it is kept.
    pub storage: Storage,
}

impl Plan {
    /// What is to be said before, or after.
    #[must_use]
    pub fn told(&self, changed: bool, kept: Vec<PathBuf>) -> Restored {
        Restored {
            changed,
            database: Database {
                path: self.pair.database.clone(),
                engine: self.engine,
            },
            sqlite: self.pair.sqlite.clone(),
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

    /// What is in the way now, to be compared with [`Plan::in_the_way`] once the lock is held.
    ///
    /// # Errors
    /// As [`Pair::in_the_way`].
    pub fn in_the_way_now(&self) -> Result<InTheWay> {
        self.pair.in_the_way()
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

    /// Writes both files beside where they belong, reads them again, and puts them there. The
    /// names under which what stood there is kept are returned.
    ///
    /// # Errors
    /// As [`Ready::place`]; before that, every file is as it was.
    pub fn apply(
        &mut self,
        held: Option<Held>,
        date: &str,
        disk: &dyn Disk,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<PathBuf>> {
        let ready = self.write(disk, progress)?;
        ready.place(&self.pair, date, held, disk)
    }

    fn write(&mut self, disk: &dyn Disk, progress: &(dyn Fn(u64) + Sync)) -> Result<Ready> {
        let path = &self.pair.database;
        let Some(content) = self.content.take() else {
            return Err(Error::new(ErrorKind::Refused, "it was restored already"));
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
                    "{} does not show the operator token as it should when it is read back",
                    path.display()
                ),
            ));
        }
        drop(new);
        let sqlite = match (&mut self.sqlite, &self.pair.sqlite) {
            (Some(content), Some(path)) => Some(write_sqlite(content, path, disk)?),
            _ => None,
        };
        Ok(Ready { database, sqlite })
    }
}

fn write_sqlite(content: &mut File, path: &Path, disk: &dyn Disk) -> Result<New> {
    let new = New::beside(path)?;
    let mut file = Front::new(disk.device(new.file().at("write", path)?));
    content.rewind().at("read", path)?;
    copy(content, &mut file, &mut |_| {}).at("write", path)?;
    file.sync().at("write", path)?;
    content.rewind().at("read", path)?;
    let sum: Checksum = checksum_of(content).at("read", path)?;
    reads_back(&mut file, &sum).at("verify", path)?;
    Ok(new)
}
