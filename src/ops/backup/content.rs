//! The store of a backup that is restored: read where it lies, or unpacked beside where it belongs.

use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::disk::Disk;
use super::place::New;
use super::restore::Means;
use super::sound::sound;
use super::source::Backup;
use super::summary::{Looked, look};
use crate::error::{Error, IoContext, Result};
use crate::finding::Finding;
use crate::ops::commit::sound_structure;
use crate::ops::new_file::NewFile;
use crate::ops::output::new_beside;
use crate::store::{
    ChangeSet, Commit, Engine, Inspect, Progress, Snapshot, Stays, Store, Unpacked, WritableStore,
};

/// A sound store of a backup.
pub struct Content(From);

enum From {
    Read(Store),
    Unpacked {
        store: Unpacked,
        file: NewFile,
        /// Whether nothing would be gained by a copy of it.
        stays: bool,
    },
}

impl Content {
    /// Opens the store of a backup that belongs `to` somewhere, looks at it, and sees whether its
    /// structure is sound. What is packed is unpacked into a private file without a name.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] and [`crate::ErrorKind::Corrupt`] when it is damaged;
    /// [`crate::ErrorKind::Io`] when it can't be unpacked.
    pub fn open(backup: &Backup, to: &Path, means: &Means<'_>) -> Result<(Self, Looked)> {
        let mut from = sound(backup, || {
            let Some((packed, path)) = backup.packed()? else {
                return backup.store(means.open).map(From::Read);
            };
            let file = new_beside(to)?;
            let device = |stays| {
                let file = file.file().try_clone().at("write", to)?;
                Ok(match stays {
                    Stays::Perhaps => means.disk.device(file),
                    Stays::No => means.disk.private(file),
                })
            };
            let store = Unpacked::new(packed, &path, to, device, means.progress)?;
            Ok(From::Unpacked {
                store,
                file,
                stays: false,
            })
        })?;
        // All three read the whole file.
        let looked = thread::scope(|scope| {
            let (inspect, snapshot) = (from.inspect(), from.snapshot());
            let checking = scope.spawn(|| {
                sound_structure(inspect)?;
                match &from {
                    From::Unpacked { store, .. } => store.may_stay(),
                    From::Read(_) => Ok(false),
                }
            });
            let reading = match &from {
                From::Unpacked { store, .. } => Some(scope.spawn(|| store.reads_back(to))),
                From::Read(_) => None,
            };
            let looked = look(snapshot);
            let read_back =
                reading.map(|thread| thread.join().unwrap_or_else(|p| resume_unwind(p)));
            let checked = checking.join().unwrap_or_else(|panic| resume_unwind(panic));
            read_back.transpose()?;
            Ok::<_, Error>((checked?, looked?))
        });
        let (may_stay, looked) = looked?;
        if let From::Unpacked { stays, .. } = &mut from {
            *stays = may_stay;
        }
        Ok((Self(from), looked))
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
    pub fn into_file(
        self,
        changes: &ChangeSet,
        engine: Engine,
        to: &Path,
        disk: &dyn Disk,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(New, WritableStore)> {
        let progress = Progress::new(progress);
        match self.0 {
            From::Unpacked {
                store,
                file,
                stays: true,
            } if engine == Engine::Bolt => {
                let new = New::at(to, file)?;
                let mut store = store.into_store(to);
                if !changes.is_empty() {
                    store.commit(changes, &[])?.in_new_file()?;
                }
                Ok((new, store))
            }
            from => {
                let new = New::beside(to)?;
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
                sound_structure(store.inspect())?;
                Ok((new, store))
            }
        }
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
