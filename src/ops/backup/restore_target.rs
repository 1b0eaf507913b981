//! A restored pair of files, put where it belongs: into an empty place, or in the place of an
//! older pair.
//!
//! A database and its SQLite file are two files, and no file system exchanges two at once. What
//! stood there is first kept under dated names; then the new SQLite file is renamed over the old
//! one, then the database, which is the moment from which the restore holds. A run that is
//! interrupted before that moment leaves the old database under two names, by which the next run
//! recognises it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::disk::{Disk, Step};
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::ops::files::output::{Finished, OutputFile, new_beside};
use crate::store::{FileIdentity, Held};

/// What SQLite leaves beside a file that was not closed. One that stays would roll the new file
/// back to pages of the old one.
pub const JOURNALS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Between a file's name and the date in its dated name.
const DATED: &str = ".before-restore-";

/// How long a waiting influxd tries for the lock, and a little more.
const PATIENCE: Duration = Duration::from_millis(1100);

/// Where a pair belongs.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The database.
    pub database: PathBuf,
    /// The SQLite file; none when the backup has none, and what stands there stays.
    pub sqlite: Option<PathBuf>,
}

/// What stands at the places of a pair, as far as it is in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InTheWay {
    /// Whether the database is there.
    pub database: bool,
    /// Files that have to be kept, the database among them.
    pub files: Vec<PathBuf>,
    /// What tells each of `files` from another file, and from what it holds later.
    stamps: Vec<Stamp>,
    /// Dated names that an interrupted run has left.
    pub interrupted: Vec<PathBuf>,
}

/// A path with something put behind its name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Pair {
    /// What stands where the pair belongs.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for links and what is no regular file.
    pub fn in_the_way(&self) -> Result<InTheWay> {
        let mut found = InTheWay {
            database: stands(&self.database)?,
            ..InTheWay::default()
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

/// A file at a moment: which one it is, its length in bytes, and when it was last written to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    identity: FileIdentity,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let metadata = fs::symlink_metadata(path).at("look at", path)?;
        Ok(Self {
            identity: FileIdentity::of(&metadata),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl InTheWay {
    /// Refuses what may not be overwritten.
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
                "name another path, or give --force: what stands there is kept under a dated name",
            ),
            Some(dated) => error.with_hint(format!(
                "an earlier restore --force was interrupted; what stood there is kept as {}; run \
                 it again to finish it",
                dated.display()
            )),
        })
    }
}

/// Whether a regular file stands at `path`.
fn stands(path: &Path) -> Result<bool> {
    let kind = match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        metadata => metadata.at("look at", path)?.file_type(),
    };
    if kind.is_file() {
        return Ok(true);
    }
    let what = if kind.is_symlink() {
        "a link"
    } else {
        "no regular file"
    };
    Err(Error::new(
        ErrorKind::Refused,
        format!(
            "{} is {what}, which no file is put in the place of",
            path.display()
        ),
    )
    .with_hint("name the file itself"))
}

/// A dated name of the very file that stands at `path`.
fn dated_link(path: &Path) -> Result<Option<PathBuf>> {
    let ours = fs::symlink_metadata(path).at("look at", path)?;
    for dated in dated_names(path)? {
        let metadata = fs::symlink_metadata(&dated).at("look at", &dated)?;
        if (metadata.dev(), metadata.ino()) == (ours.dev(), ours.ino()) {
            return Ok(Some(dated));
        }
    }
    Ok(None)
}

/// The names beside `path` that an earlier restore has given, ascending.
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

/// A dated name that nothing has. There may have been a run in the same second.
fn free_name(path: &Path, date: &str) -> PathBuf {
    let mut dated = with_suffix(path, &format!("{DATED}{date}"));
    let mut number = 2;
    while dated.symlink_metadata().is_ok() {
        dated = with_suffix(path, &format!("{DATED}{date}-{number}"));
        number += 1;
    }
    dated
}

/// All that stands beside `path` under the date of one of its dated names.
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

/// A new file, without its name yet.
pub(in crate::ops) enum New {
    /// For a place where nothing stands.
    Output(OutputFile),
    /// For one where something does.
    Replacing(NewFile),
}

impl New {
    /// Makes the file that is to stand at `path`: with owner and mode of what stands there, and
    /// else private, its folder's owner's.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn beside(path: &Path) -> Result<Self> {
        Self::at(path, new_beside(path)?)
    }

    /// The same of a file that was made beside it before.
    ///
    /// # Errors
    /// When owner or mode can't be set.
    pub fn at(path: &Path, new: NewFile) -> Result<Self> {
        if !stands(path)? {
            return OutputFile::database_of(path, new).map(Self::Output);
        }
        let old = fs::symlink_metadata(path).at("look at", path)?;
        let mine = new.file().metadata().at("look at", path)?;
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
    /// When the system gives no second descriptor.
    pub fn file(&self) -> io::Result<File> {
        match self {
            Self::Output(output) => output.file(),
            Self::Replacing(new) => new.file().try_clone(),
        }
    }
}

/// A pair that is complete and was read back, beside where it belongs.
pub(in crate::ops) struct Ready {
    /// The database.
    pub database: New,
    /// The SQLite file.
    pub sqlite: Option<New>,
}

impl Ready {
    /// Puts the pair where it belongs. What stands there is kept under names with this date;
    /// these names are returned. `held` is the lock on the old database.
    ///
    /// Each step is made durable before the next is done: after a power failure the disk may hold
    /// a later one of two that were not, and a new database beside the old SQLite file, or a new
    /// SQLite file beside the old one's journal, is what nobody could tell from a sound pair.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`] when it can't be known whether the new pair, or the old one, is
    /// in place; any other kind when every file is as it was.
    pub fn place(
        self,
        pair: &Pair,
        date: &str,
        held: Option<Held>,
        disk: &dyn Disk,
    ) -> Result<Vec<PathBuf>> {
        let in_the_way = pair.in_the_way()?;
        same_file(pair, &in_the_way, held.as_ref())?;
        let mut kept = Kept::link(pair, &in_the_way, date, disk)?;
        kept.move_journals(pair, &in_the_way, date, disk)?;
        let Self { database, sqlite } = self;
        let fresh = in_the_way.files.is_empty();
        let mut placed = None;
        if let (Some(new), Some(path)) = (sqlite, &pair.sqlite) {
            match put(new, path, disk) {
                Ok(finished) => placed = finished,
                // Nothing stood anywhere, and nothing stands there now.
                Err(error) if fresh => return Err(error),
                Err(error) => return Err(kept.unfinished(&error)),
            }
        }
        if let Err(error) = put(database, &pair.database, disk) {
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

/// What stood at the places of a pair, under the names by which it is kept.
struct Kept {
    /// Of this run and of one that was interrupted.
    names: Vec<PathBuf>,
    /// Journals.
    moved: Vec<PathBuf>,
}

impl Kept {
    /// Gives all that stands there, but for journals, a second name.
    ///
    /// # Errors
    /// When one can't be given; there are none then.
    fn link(pair: &Pair, found: &InTheWay, date: &str, disk: &dyn Disk) -> Result<Self> {
        let mut names = found.interrupted.clone();
        let mut linked = Vec::new();
        let mut link = || -> Result<()> {
            for path in found.files.iter().filter(|path| !is_journal(pair, path)) {
                if let Some(dated) = dated_link(path)? {
                    if !names.contains(&dated) {
                        names.push(dated);
                    }
                    continue;
                }
                let dated = free_name(path, date);
                disk.before(Step::Link(&dated))
                    .and_then(|()| fs::hard_link(path, &dated))
                    .at("keep what stands at", path)?;
                linked.push(dated);
            }
            sync(&pair.folders(), disk)
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

    /// Gives journals of the old SQLite file another name.
    ///
    /// # Errors
    /// [`ErrorKind::Incomplete`]: the old file may be without one that it needs.
    fn move_journals(
        &mut self,
        pair: &Pair,
        found: &InTheWay,
        date: &str,
        disk: &dyn Disk,
    ) -> Result<()> {
        for path in found.files.iter().filter(|path| is_journal(pair, path)) {
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
        sync(&pair.folders(), disk).map_err(|error| self.unfinished(&error))
    }

    fn names(self) -> Vec<PathBuf> {
        let Self { mut names, moved } = self;
        names.extend(moved);
        names
    }

    /// What is to be said when old and new may stand side by side.
    fn unfinished(&self, error: &Error) -> Error {
        let message = error.to_string();
        if self.names.is_empty() {
            return Error::new(ErrorKind::Incomplete, message)
                .with_hint("boltkey status tells what stands there now");
        }
        let names = self.names.iter().chain(&self.moved);
        let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
        Error::new(
            ErrorKind::Incomplete,
            format!(
                "{message}; what stood there is kept as {}",
                names.join(", ")
            ),
        )
        .with_hint("run the same command again: it finishes what was begun")
    }
}

impl Pair {
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

fn is_journal(pair: &Pair, path: &Path) -> bool {
    pair.sqlite.as_ref().is_some_and(|sqlite| {
        JOURNALS
            .iter()
            .any(|suffix| with_suffix(sqlite, suffix) == path)
    })
}

/// Whether the database that is locked still stands at its path.
fn same_file(pair: &Pair, found: &InTheWay, held: Option<&Held>) -> Result<()> {
    let same = match held {
        None => !found.database,
        Some(held) => {
            let ours = held.metadata()?;
            let there = fs::symlink_metadata(&pair.database);
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
            pair.database.display()
        ),
    )
    .with_hint("find out what replaces it, then run the command again"))
}

/// Gives a new file its name, and makes that durable. One that took the place of nothing can be
/// removed again.
fn put(new: New, path: &Path, disk: &dyn Disk) -> Result<Option<Finished>> {
    match new {
        New::Output(output) => output
            .finish_by(|_| Ok(()), &mut |naming, path| disk.before(naming.at(path)))
            .map(Some),
        New::Replacing(new) => {
            new.file().sync_all().at("write", path)?;
            disk.before(Step::Replace(path))
                .and_then(|()| new.replace(path))
                .at("replace", path)?;
            sync(&[folder_of(path).to_path_buf()], disk).map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    format!(
                        "{} is in place, but may be gone after a power failure: {}",
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
