//! The store of a backup that is restored: read where it lies, or unpacked beside where it belongs.

use std::fs::File;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use crate::error::{Error, IoContext, Result};
use crate::finding::Finding;
use crate::ops::backup::pack::temporary;
use crate::ops::backup::restore_target::NewTargetFile;
use crate::ops::backup::source::Backup;
use crate::ops::backup::summary::{Looked, look};
use crate::ops::backup::verify::open_verified;
use crate::ops::commit::verify_structure;
use crate::ops::files::disk::Disk;
use crate::ops::files::new_file::{NewFile, folder_of};
use crate::ops::files::output::new_beside;
use crate::ops::timestamp::Timestamp;
use crate::store::{
    ChangeSet, Commit, Engine, Inspect, OpenOptions, Progress, Snapshot, Store, Unpacked,
    WritableStore,
};

/// What a restore is worked out with.
pub struct RestoreContext<'a> {
    /// How a backup is opened that is one database file.
    pub open: &'a OpenOptions,
    /// When it is.
    pub now: &'a Timestamp,
    /// Where a packed store is unpacked to.
    pub disk: &'a dyn Disk,
    /// Told how many bytes have been unpacked, now and then.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// A sound store of a backup.
pub struct BackupStore(From);

enum From {
    Read(Store),
    Unpacked {
        store: Unpacked,
        /// The file that it was unpacked into, if nothing would be gained by a copy of it.
        stays: Option<NewFile>,
    },
}

impl BackupStore {
    /// Opens the store of a backup that belongs `to` somewhere, looks at it, and sees whether its
    /// structure is sound. Meanwhile `judge` says what follows from what it holds; that counts only
    /// if this succeeds. What is packed is unpacked into a private file without a name.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] and [`crate::ErrorKind::Corrupt`] when it is damaged;
    /// [`crate::ErrorKind::Io`] when it can't be unpacked.
    pub fn open<J>(
        backup: &Backup,
        to: &Path,
        means: &RestoreContext<'_>,
        judge: impl FnOnce(&dyn Snapshot, &Looked) -> Result<J>,
    ) -> Result<(Self, Looked, Result<J>)> {
        let mut from = open_verified(backup, || {
            let Some((packed, path)) = backup.packed()? else {
                return backup.store(means.open).map(From::Read);
            };
            let (file, mut stays) = file_for(to)?;
            let device = |may_be_compact: bool| {
                stays = stays.take().filter(|_| may_be_compact);
                match &stays {
                    Some(_) => means.disk.device(file),
                    None => means.disk.private(file),
                }
            };
            let store = Unpacked::new(packed, &path, to, device, means.progress)?;
            Ok(From::Unpacked { store, stays })
        })?;
        // All three read the whole file.
        let looked = thread::scope(|scope| {
            let (inspect, snapshot) = (from.inspect(), from.snapshot());
            let checking = scope.spawn(|| {
                verify_structure(snapshot, inspect)?;
                match &from {
                    From::Unpacked { stays: Some(_), .. } => inspect.is_compact(),
                    _ => Ok(false),
                }
            });
            let reading = match &from {
                From::Unpacked { store, .. } => Some(scope.spawn(|| store.reads_back(to))),
                From::Read(_) => None,
            };
            let looked = look(snapshot).map(|looked| {
                let judged = judge(snapshot, &looked);
                (looked, judged)
            });
            let read_back =
                reading.map(|thread| thread.join().unwrap_or_else(|p| resume_unwind(p)));
            let checked = checking.join().unwrap_or_else(|panic| resume_unwind(panic));
            read_back.transpose()?;
            Ok::<_, Error>((checked?, looked?))
        });
        let (compact, (looked, judged)) = looked?;
        if let (From::Unpacked { stays, .. }, false) = (&mut from, compact) {
            *stays = None;
        }
        Ok((Self(from), looked, judged))
    }

    /// What it holds.
    pub fn snapshot(&self) -> &dyn Snapshot {
        self.0.snapshot()
    }

    /// What only its pages can tell.
    pub fn inspect(&self) -> &dyn Inspect {
        self.0.inspect()
    }

    /// What opening it found worth saying.
    pub fn notices(&self) -> &[Finding] {
        match &self.0 {
            From::Read(store) => store.notices(),
            From::Unpacked { store, .. } => store.store().notices(),
        }
    }

    /// Makes it, with `changes`, the file that is to stand at `to`: laid out anew, unless what was
    /// unpacked is as that would be. The file is complete, on disk, and was read back.
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

/// A private file in the folder of `to`; also as one that can be named later, unless it would have
/// a temporary name until then: questions may follow, and a kill would leave it behind.
fn file_for(to: &Path) -> Result<(File, Option<NewFile>)> {
    match new_beside(to)? {
        new @ NewFile::Nameless(_) => Ok((new.file().try_clone().at("write", to)?, Some(new))),
        NewFile::Named(_) => Ok((temporary(Some(folder_of(to)))?, None)),
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
}
