//! The store of a backup during a restore: read in place, or unpacked beside its target.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::finding::Finding;
use crate::ops::backup::compression::temporary;
use crate::ops::backup::move_into_place::NewTargetFile;
use crate::ops::backup::open_verified::open_verified;
use crate::ops::backup::source::Backup;
use crate::ops::backup::summary::{StoreFacts, look_at_sound};
use crate::ops::commit::{can_be_copied, verify_structure};
use crate::ops::files::disk::Disk;
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::ops::files::secret_output::new_beside;
use crate::ops::timestamp::Timestamp;
use crate::store::{
    ChangeSet, Commit, Engine, Inspect, OpenOptions, Progress, Snapshot, Store, Unpacked,
    WritableStore,
};

/// What planning a restore needs.
pub struct RestoreContext<'a> {
    /// How to open a backup that is a bare database file.
    pub open: &'a OpenOptions,
    /// The current time.
    pub now: &'a Timestamp,
    /// The disk a compressed store is unpacked to.
    pub disk: &'a dyn Disk,
    /// Called from time to time with the number of bytes unpacked.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// A verified store of a backup.
pub struct BackupStore(From);

enum From {
    Read(Store),
    Unpacked {
        store: Unpacked,
        /// The file it was unpacked into, if that file can be used as it is.
        stays: Option<NewFile>,
    },
}

impl BackupStore {
    /// Opens the store of a backup that is restored `to` a path, and checks its structure, or, if
    /// that is damaged, whether every record can be read.
    /// Meanwhile `judge` evaluates its content; its result counts only if this succeeds. A
    /// compressed store is unpacked into a private file without a name.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] and [`crate::ErrorKind::Corrupt`] when it is damaged;
    /// [`crate::ErrorKind::Io`] when it can't be unpacked.
    pub fn open<J>(
        backup: &Backup,
        to: &Path,
        context: &RestoreContext<'_>,
        judge: impl FnOnce(&dyn Snapshot, &StoreFacts) -> Result<J>,
    ) -> Result<(Self, StoreFacts, Result<J>)> {
        let mut from = open_verified(backup, || {
            let Some((packed, path)) = backup.packed()? else {
                return backup.store(context.open).map(From::Read);
            };
            let (file, mut stays) = file_for(to)?;
            let device = |may_be_compact: bool| {
                stays = stays.take().filter(|_| may_be_compact);
                match &stays {
                    Some(_) => context.disk.device(file),
                    None => context.disk.private(file),
                }
            };
            let store = Unpacked::new(packed, &path, to, device, context.progress)?;
            Ok(From::Unpacked { store, stays })
        })?;
        // All three read the whole file, so they run in parallel.
        let facts = thread::scope(|scope| {
            let (inspect, snapshot) = (from.inspect(), from.snapshot());
            let checking = scope.spawn(|| {
                match verify_structure(snapshot, inspect) {
                    // The restored store is written anew, so it is enough that all can be read.
                    Err(error) if error.kind() == ErrorKind::Corrupt => {
                        return can_be_copied(snapshot, inspect, || from.could_copy())
                            .map(|()| false);
                    }
                    verified => verified?,
                }
                match &from {
                    From::Unpacked { stays: Some(_), .. } => inspect.is_compact(),
                    _ => Ok(false),
                }
            });
            let reading = match &from {
                From::Unpacked { store, .. } => Some(scope.spawn(|| store.reads_back(to))),
                From::Read(_) => None,
            };
            let facts = look_at_sound(snapshot).map(|facts| {
                let judged = judge(snapshot, &facts);
                (facts, judged)
            });
            let read_back =
                reading.map(|thread| thread.join().unwrap_or_else(|p| resume_unwind(p)));
            let checked = checking.join().unwrap_or_else(|panic| resume_unwind(panic));
            read_back.transpose()?;
            Ok::<_, Error>((checked?, facts?))
        });
        let (compact, (facts, judged)) = facts?;
        if let (From::Unpacked { stays, .. }, false) = (&mut from, compact) {
            *stays = None;
        }
        Ok((Self(from), facts, judged))
    }

    /// Its content.
    pub fn snapshot(&self) -> &dyn Snapshot {
        self.0.snapshot()
    }

    /// Access to its pages.
    pub fn inspect(&self) -> &dyn Inspect {
        self.0.inspect()
    }

    /// Findings from opening it.
    pub fn notices(&self) -> &[Finding] {
        match &self.0 {
            From::Read(store) => store.notices(),
            From::Unpacked { store, .. } => store.store().notices(),
        }
    }

    /// Turns it, with `changes`, into the file for `to`. The store is rewritten, unless the
    /// unpacked file can be used as it is. The file is complete, synced and verified when this
    /// returns.
    ///
    /// # Errors
    /// As [`Store::copy_changed_to`] and [`Commit::commit`].
    pub(super) fn into_file(
        self,
        changes: &ChangeSet,
        engine: Engine,
        to: &Path,
        disk: &dyn Disk,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(NewTargetFile, WritableStore)> {
        let progress = Progress::new(progress);
        match self.0 {
            From::Unpacked {
                store,
                stays: Some(file),
            } if engine == Engine::Bolt => {
                let new = NewTargetFile::at(to, file)?;
                let mut store = store.into_store(to);
                if !changes.is_empty() {
                    store.commit(changes, &[])?.in_new_file()?;
                }
                Ok((new, store))
            }
            from => {
                let new = NewTargetFile::beside(to)?;
                let device = || {
                    let file = new.file().at("write", to)?;
                    Ok::<_, Error>(disk.device(file))
                };
                match &from {
                    From::Read(store) => {
                        store.copy_changed_to(changes, engine, device()?, to, &progress)?;
                    }
                    From::Unpacked { store, .. } => {
                        let store = store.store();
                        store.copy_changed_to(changes, engine, device()?, to, &progress)?;
                    }
                }
                let store = WritableStore::on(device()?, to)?;
                verify_structure(&store, store.inspect())?;
                Ok((new, store))
            }
        }
    }
}

/// A private file in the folder of `to`. It is also returned as a file that can be named later,
/// unless it needs a temporary name until then: questions may follow, and a killed process would
/// leave the file behind.
fn file_for(to: &Path) -> Result<(File, Option<NewFile>)> {
    match new_beside(to)? {
        new @ NewFile::Nameless(_) => Ok((new.file().try_clone().at("write", to)?, Some(new))),
        NewFile::Named(..) => Ok((temporary(Some(folder_of(to)))?, None)),
    }
}

impl From {
    fn snapshot(&self) -> &dyn Snapshot {
        match self {
            Self::Read(store) => store.snapshot(),
            Self::Unpacked { store, .. } => store.store(),
        }
    }

    fn inspect(&self) -> &dyn Inspect {
        match self {
            Self::Read(store) => store.inspect(),
            Self::Unpacked { store, .. } => store.store(),
        }
    }

    /// Checks whether a copy of it would be complete.
    fn could_copy(&self) -> Result<()> {
        match self {
            Self::Read(store) => store.could_copy_to(store.description().engine),
            Self::Unpacked { store, .. } => {
                let store = store.store();
                store.could_copy_to(store.description().engine)
            }
        }
    }
}
