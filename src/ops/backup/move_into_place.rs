//! Moves a restored database and its SQLite file into place, also over existing files.
//!
//! No file system can exchange two files at once. So the existing files are first saved under dated
//! names. Then the new SQLite file is renamed over the old one, and last the database: from then on
//! the restore counts as done. If a run is interrupted before that, the old database has two names,
//! and the next run recognises it by that.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::disk::{Disk, Step};
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::ops::files::secret_output::{Finished, OutputFile, new_beside};
use crate::store::{FileIdentity, Held};

/// Files that SQLite leaves beside a database that was not closed. If one of them stayed, SQLite
/// would roll the new file back to pages of the old one.
pub const JOURNALS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The text between a file's name and the date in its dated name.
const DATED: &str = ".before-restore-";

/// A little longer than influxd waits for the lock.
const PATIENCE: Duration = Duration::from_millis(1100);

/// The target paths of a restore.
#[derive(Debug, Clone)]
pub struct RestoreTarget {
    /// The database.
    pub database: PathBuf,
    /// The SQLite file; `None` when the backup has none: an existing file stays.
    pub sqlite: Option<PathBuf>,
}

/// Files the restore would replace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingFiles {
    /// Whether the database exists.
    pub database: bool,
    /// Files to save, including the database.
    pub files: Vec<PathBuf>,
    /// The state of each of `files`, to notice when one changes or is replaced.
    stamps: Vec<Stamp>,
    /// Dated names left by an interrupted run.
    pub interrupted: Vec<PathBuf>,
}

/// The path with `suffix` appended.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl RestoreTarget {
    /// The existing files at the target.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for links and anything else that is not a regular file.
    pub fn in_the_way(&self) -> Result<ExistingFiles> {
        let mut found = ExistingFiles {
            database: stands(&self.database)?,
            ..ExistingFiles::default()
        };
        if found.database {
            found.files.push(self.database.clone());
            if let Some(dated) = dated_link(&self.database)? {
                found.interrupted = of_the_same_date(&self.database, &dated)?;
            }
        }
        if let Some(sqlite) = &self.sqlite {
            let journals = JOURNALS.map(|suffix| with_suffix(sqlite, suffix));
            for path in [sqlite].into_iter().chain(&journals) {
                if stands(path)? {
                    found.files.push(path.clone());
                }
            }
        }
        let stamps = found.files.iter().map(|path| Stamp::of(path));
        found.stamps = stamps.collect::<Result<_>>()?;
        Ok(found)
    }
}

/// The state of a file: its identity, length in bytes and modification time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    identity: FileIdentity,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let metadata = fs::symlink_metadata(path).at("access", path)?;
        Ok(Self {
            identity: FileIdentity::of(&metadata),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl ExistingFiles {
    /// Refuses any existing file.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`], naming the first file.
    pub fn must_be_nothing(&self) -> Result<()> {
        let Some(first) = self.files.first() else {
            return Ok(());
        };
        let error = Error::new(
            ErrorKind::Refused,
            format!("{} exists already", first.display()),
        );
        Err(match self.interrupted.first() {
            None => error.with_hint(
                "name another path, or use --force: existing files are saved under a dated name",
            ),
            Some(dated) => error.with_hint(format!(
                "an earlier restore --force was interrupted; the previous files are saved as {}; \
                 run it again to finish it",
                dated.display()
            )),
        })
    }
}

/// Whether a regular file exists at `path`.
fn stands(path: &Path) -> Result<bool> {
    let kind = match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata.at("access", path)?.file_type(),
    };
    if kind.is_file() {
        return Ok(true);
    }
    let what = if kind.is_symlink() {
        "a link"
    } else {
        "not a regular file"
    };
    Err(Error::new(
        ErrorKind::Refused,
        format!("{} is {what}, so it can't be replaced", path.display()),
    )
    .with_hint("name the file itself"))
}

/// A dated name that is a hard link to the file at `path`.
fn dated_link(path: &Path) -> Result<Option<PathBuf>> {
    let ours = fs::symlink_metadata(path).at("access", path)?;
    for dated in dated_names(path)? {
        let metadata = fs::symlink_metadata(&dated).at("access", &dated)?;
        if (metadata.dev(), metadata.ino()) == (ours.dev(), ours.ino()) {
            return Ok(Some(dated));
        }
    }
    Ok(None)
}

/// The dated names beside `path` from earlier restores, ascending.
fn dated_names(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let start = format!("{name}{DATED}");
    let folder = folder_of(path);
    let names = crate::ops::backup::folder::names_in(folder)?.into_iter();
    let dated = names.filter(|name| name.starts_with(&start));
    Ok(dated.map(|name| folder.join(name)).collect())
}

/// A dated name that is free. There may have been a run in the same second.
fn free_name(path: &Path, date: &str) -> PathBuf {
    let mut dated = with_suffix(path, &format!("{DATED}{date}"));
    let mut number = 2;
    while dated.symlink_metadata().is_ok() {
        dated = with_suffix(path, &format!("{DATED}{date}-{number}"));
        number += 1;
    }
    dated
}

/// All files beside `path` with the same date as one of its dated names.
fn of_the_same_date(path: &Path, dated: &Path) -> Result<Vec<PathBuf>> {
    let Some((_, date)) = dated.to_str().and_then(|name| name.rsplit_once(DATED)) else {
        return Ok(Vec::new());
    };
    let end = format!("{DATED}{date}");
    let folder = folder_of(path);
    let names = crate::ops::backup::folder::names_in(folder)?.into_iter();
    let same = names.filter(|name| name.ends_with(&end));
    Ok(same.map(|name| folder.join(name)).collect())
}

/// A new file that does not have its name yet.
pub(in crate::ops) enum NewTargetFile {
    /// For a target that does not exist.
    Output(OutputFile),
    /// Replaces an existing file.
    Replacing(NewFile),
}

impl NewTargetFile {
    /// Creates the file for `path`: with owner and mode of an existing file there, otherwise
    /// private and owned by the folder's owner.
    ///
    /// # Errors
    /// When it can't be created.
    pub fn beside(path: &Path) -> Result<Self> {
        Self::at(path, new_beside(path)?)
    }

    /// Like [`NewTargetFile::beside`], with a file that was already created in that folder.
    ///
    /// # Errors
    /// When owner or mode can't be set.
    pub fn at(path: &Path, new: NewFile) -> Result<Self> {
        if !stands(path)? {
            return OutputFile::database_of(path, new).map(Self::Output);
        }
        let old = fs::symlink_metadata(path).at("access", path)?;
        let mine = new.file().metadata().at("access", path)?;
        if (mine.uid(), mine.gid()) != (old.uid(), old.gid()) {
            std::os::unix::fs::fchown(new.file(), Some(old.uid()), Some(old.gid()))
                .at("keep the owner of", path)?;
        }
        let mode = fs::Permissions::from_mode(old.mode() & 0o777);
        new.file()
            .set_permissions(mode)
            .at("keep the mode of", path)?;
        Ok(Self::Replacing(new))
    }

    /// The file itself.
    ///
    /// # Errors
    /// When the descriptor can't be duplicated.
    pub fn file(&self) -> io::Result<File> {
        match self {
            Self::Output(output) => output.file(),
            Self::Replacing(new) => new.file().try_clone(),
        }
    }
}

/// Files that are complete and verified, beside their targets.
pub(in crate::ops) struct PreparedFiles {
    /// The database.
    pub database: NewTargetFile,
    /// The SQLite file.
    pub sqlite: Option<NewTargetFile>,
}

impl PreparedFiles {
    /// Moves the files into place. Existing files are saved under names with this date, which are
    /// returned. `held` is the lock on the old database.
    ///
    /// Each step is synced before the next one. Otherwise a power failure could leave a new
    /// database beside the old SQLite file, or a new SQLite file beside the old journal, and nobody
    /// could tell that from a correct state.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] when it is not known whether the new or the old files are in
    /// place. With any other kind, every file is as it was.
    pub fn place(
        self,
        target: &RestoreTarget,
        date: &str,
        held: Option<Held>,
        disk: &dyn Disk,
    ) -> Result<Vec<PathBuf>> {
        let in_the_way = target.in_the_way()?;
        same_file(target, &in_the_way, held.as_ref())?;
        let mut kept = KeptFiles::link(target, &in_the_way, date, disk)?;
        kept.move_journals(target, &in_the_way, date, disk)?;
        let Self { database, sqlite } = self;
        let fresh = in_the_way.files.is_empty();
        let mut placed = None;
        if let (Some(new), Some(path)) = (sqlite, &target.sqlite) {
            match put(new, path, disk) {
                Ok(finished) => placed = finished,
                // No target existed, and none exists now.
                Err(error) if fresh => return Err(error),
                Err(error) => return Err(kept.unfinished(&error)),
            }
        }
        if let Err(error) = put(database, &target.database, disk) {
            let undone = fresh && placed.is_none_or(|sqlite| sqlite.remove().is_ok());
            return Err(if undone {
                error
            } else {
                kept.unfinished(&error)
            });
        }
        if held.is_some() {
            // An influxd that waits for the old file would get it now.
            std::thread::sleep(PATIENCE);
        }
        Ok(kept.names())
    }
}

/// The previous files under their dated names.
struct KeptFiles {
    /// Names from this run and from an interrupted one.
    names: Vec<PathBuf>,
    /// Journals.
    moved: Vec<PathBuf>,
}

impl KeptFiles {
    /// Gives every existing file except journals a second, dated name.
    ///
    /// # Errors
    /// When that fails for one file. The names already given are removed then.
    fn link(
        target: &RestoreTarget,
        found: &ExistingFiles,
        date: &str,
        disk: &dyn Disk,
    ) -> Result<Self> {
        let mut names = found.interrupted.clone();
        let mut linked = Vec::new();
        let mut link = || -> Result<()> {
            for path in found.files.iter().filter(|path| !is_journal(target, path)) {
                if let Some(dated) = dated_link(path)? {
                    if !names.contains(&dated) {
                        names.push(dated);
                    }
                    continue;
                }
                let dated = free_name(path, date);
                disk.before(Step::Link(&dated))
                    .and_then(|()| fs::hard_link(path, &dated))
                    .at("save the previous file of", path)?;
                linked.push(dated);
            }
            sync(&target.folders(), disk)
        };
        if let Err(error) = link() {
            for link in &linked {
                let _ = fs::remove_file(link);
            }
            return Err(error);
        }
        names.extend(linked);
        let moved = Vec::new();
        Ok(Self { names, moved })
    }

    /// Renames the journals of the old SQLite file.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`]: the old file may have lost a journal it needs.
    fn move_journals(
        &mut self,
        target: &RestoreTarget,
        found: &ExistingFiles,
        date: &str,
        disk: &dyn Disk,
    ) -> Result<()> {
        for path in found.files.iter().filter(|path| is_journal(target, path)) {
            let dated = free_name(path, date);
            disk.before(Step::MoveAway(path))
                .and_then(|()| fs::rename(path, &dated))
                .at("move away", path)
                .map_err(|error| self.unfinished(&error))?;
            self.moved.push(dated);
        }
        if self.moved.is_empty() {
            return Ok(());
        }
        sync(&target.folders(), disk).map_err(|error| self.unfinished(&error))
    }

    fn names(self) -> Vec<PathBuf> {
        let Self { mut names, moved } = self;
        names.extend(moved);
        names
    }

    /// The error when old and new files may be mixed.
    fn unfinished(&self, error: &Error) -> Error {
        let message = error.to_string();
        if self.names.is_empty() {
            return Error::new(ErrorKind::Incomplete, message)
                .with_hint("run boltkey status to see which files are there now");
        }
        let names = self.names.iter().chain(&self.moved);
        let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
        Error::new(
            ErrorKind::Incomplete,
            format!(
                "{message}; the previous files are saved as {}",
                names.join(", ")
            ),
        )
        .with_hint("run the same command again to finish the restore")
    }
}

impl RestoreTarget {
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![folder_of(&self.database).to_path_buf()];
        if let Some(sqlite) = &self.sqlite {
            let folder = folder_of(sqlite).to_path_buf();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders
    }
}

fn is_journal(target: &RestoreTarget, path: &Path) -> bool {
    target.sqlite.as_ref().is_some_and(|sqlite| {
        JOURNALS
            .iter()
            .any(|suffix| with_suffix(sqlite, suffix) == path)
    })
}

/// Checks that the locked database is still the file at its path.
fn same_file(target: &RestoreTarget, found: &ExistingFiles, held: Option<&Held>) -> Result<()> {
    let same = match held {
        None => !found.database,
        Some(held) => {
            let ours = held.metadata()?;
            let there = fs::symlink_metadata(&target.database);
            there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        }
    };
    if same {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "{} was replaced while the backup was unpacked",
            target.database.display()
        ),
    )
    .with_hint("find out which program replaced it, then run the command again"))
}

/// Gives a new file its name and syncs the folder. Returns a new file that replaced nothing, so
/// that it can be removed again.
fn put(new: NewTargetFile, path: &Path, disk: &dyn Disk) -> Result<Option<Finished>> {
    match new {
        NewTargetFile::Output(output) => output
            .finish_by(|_| Ok(()), &mut |naming, path| disk.before(naming.at(path)))
            .map(Some),
        NewTargetFile::Replacing(new) => {
            new.file().sync_all().at("write", path)?;
            disk.before(Step::Replace(path))
                .and_then(|()| new.replace(path))
                .at("replace", path)?;
            sync(&[folder_of(path).to_path_buf()], disk).map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} is in place, but may be lost after a power failure: {}",
                        path.display(),
                        error
                    ),
                )
            })?;
            Ok(None)
        }
    }
}

fn sync(folders: &[PathBuf], disk: &dyn Disk) -> Result<()> {
    folders.iter().try_for_each(|folder| {
        disk.before(Step::Sync(folder))
            .and_then(|()| File::open(folder)?.sync_all())
            .at("sync", folder)
    })
}
