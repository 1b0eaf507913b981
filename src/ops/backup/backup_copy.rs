//! A copy of a backup folder with a changed metadata store.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::authenticate::find;
use crate::ops::backup::checksum_manifest::ManifestEntry;
use crate::ops::backup::compression::{pack, temporary};
use crate::ops::backup::influx_manifest::with_size_of_kv;
use crate::ops::backup::source::Backup;
use crate::ops::backup::summary::{Summary, look_at_sound};
use crate::ops::backup::token::{Plan, refused};
use crate::ops::backup::{Compression, checksum_manifest, influx_manifest};
use crate::ops::commit::verify_structure;
use crate::ops::files::checksums::{Checksum, reads_back};
use crate::ops::files::copy::copy;
use crate::ops::files::new_file::{folder_of, temporary_name};
use crate::ops::files::secret_output::OutputFile;
use crate::store::device::on_file;
use crate::store::unfinished::{Private, gate};
use crate::store::{Engine, Progress, Store, WritableStore};

/// Checks, for a dry run, whether the copy can be written to `out`.
///
/// # Errors
/// [`ErrorKind::Refused`] when `out` already exists.
pub fn could_write(out: &Path) -> Result<()> {
    OutputFile::could_create_regular(out)
}

/// Writes the copy. It gets its final name only when it is complete. Shards are hard-linked where
/// the file system supports that, because they don't change. The given backup is never changed.
///
/// # Errors
/// When the copy can't be written. Nothing is left of it then.
pub fn write(backup: &Backup, store: &Store, plan: &Plan, out: &Path) -> Result<()> {
    could_write(out)?;
    let folder = folder_of(out);
    let copy = NewFolder::make(folder, out)?;
    copy.fill(backup, store, plan)?;
    copy.name(folder, out)
}

/// A folder under a temporary name. It is removed on drop unless it was renamed.
struct NewFolder {
    path: PathBuf,
    named: bool,
    /// A signal removes it too.
    _private: Private,
}

impl NewFolder {
    fn make(folder: &Path, out: &Path) -> Result<Self> {
        let path = folder.join(temporary_name().at("create", out)?);
        let gate = gate();
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .at("create", out)?;
        Ok(Self {
            _private: gate.private(&path),
            path,
            named: false,
        })
    }

    fn fill(&self, backup: &Backup, store: &Store, plan: &Plan) -> Result<()> {
        let kv = &backup.kv.name;
        let compression = if kv.ends_with(".gz") {
            Compression::Gzip
        } else {
            Compression::None
        };
        let (sum, summary) = self.put_store(store, plan, kv, compression)?;
        let base = backup.base.clone().unwrap_or_default();
        let manifest = format!("{base}{}", influx_manifest::SUFFIX);
        let checksums = format!("{base}{}", checksum_manifest::SUFFIX);
        let mut late = Vec::new();
        for name in crate::ops::backup::folder::names_in(&backup.path)? {
            let from = backup.path.join(&name);
            if name == *kv {
                continue;
            }
            if name == manifest {
                let text = fs::read(&from).at("read", &from)?;
                late.push((name.clone(), with_size_of_kv(&text, sum.size, &name)?));
            } else if name == checksums {
                let part = ManifestEntry::new(kv.clone(), compression, sum.clone());
                let text = fs::read(&from).at("read", &from)?;
                late.push((name, new_checksums(&text, &part, &summary)?));
            } else if fs::metadata(&from).at("access", &from)?.is_file() {
                self.link_or_copy(&from, &name)?;
            }
        }
        // The manifests come last, because they make the folder a backup: first influxd's, then
        // ours.
        late.sort_by_key(|(name, _)| name.ends_with(checksum_manifest::SUFFIX));
        for (name, text) in late {
            let path = self.path.join(&name);
            let mut out = OutputFile::create_regular(&path)?.into_part();
            out.write_all(&text).at("write", &path)?;
            out.finish()?;
        }
        Ok(())
    }

    /// Writes the store with the token in it.
    fn put_store(
        &self,
        store: &Store,
        plan: &Plan,
        name: &str,
        compression: Compression,
    ) -> Result<(Checksum, Summary)> {
        let mut content = temporary(Some(&self.path))?;
        let path = self.path.join(name);
        let device = || {
            let file = content.try_clone().at("write", &path)?;
            Ok::<_, Error>(on_file(file))
        };
        let progress = Progress::new(&|_| {});
        store.copy_changed_to(plan.changes(), Engine::Bolt, device()?, &path, &progress)?;
        let new = WritableStore::on(device()?, &path)?;
        let holds = find(&new, plan.token())? == Some(plan.id());
        verify_structure(&new, new.inspect())?;
        if !holds {
            return Err(Error::new(
                ErrorKind::Io,
                "the copy does not contain the token as expected",
            ));
        }
        let summary = look_at_sound(&new)?.summary;
        drop(new);
        let mut out = OutputFile::create_regular(&path)?.into_part();
        let sum = pack(&mut content, compression, &mut out, &path, &mut |_| {})?;
        out.finish_after(|file| reads_back(file, &sum))?;
        Ok((sum, summary))
    }

    fn link_or_copy(&self, from: &Path, name: &str) -> Result<()> {
        let to = self.path.join(name);
        // A hard link to a symbolic link could point elsewhere after a move.
        let plain = fs::symlink_metadata(from).at("access", from)?.is_file();
        if plain && fs::hard_link(from, &to).is_ok() {
            return Ok(());
        }
        let mut source = File::open(from).at("open", from)?;
        let mut out = OutputFile::create_regular(&to)?.into_part();
        copy(&mut source, &mut out, &mut |_| {}).at("write", &to)?;
        out.finish().map(drop)
    }

    fn name(mut self, folder: &Path, out: &Path) -> Result<()> {
        let sync = |path: &Path| File::open(path).and_then(|folder| folder.sync_all());
        sync(&self.path).at("sync", out)?;
        let rename = || {
            let gate = gate();
            rename_new(&self.path, out)?;
            gate.complete(out);
            Ok(())
        };
        rename().map_err(|cause: io::Error| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                refused(&format!("{} exists already", out.display()))
            } else {
                Error::new(
                    ErrorKind::Io,
                    format!("can't create {}: {cause}", out.display()),
                )
            }
        })?;
        self.named = true;
        sync(folder).at("sync", folder)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Renames a folder, never over an existing one.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            result => return result.map_err(io::Error::from),
        }
    }
    // This can only replace an empty folder.
    fs::rename(from, to)
}

/// Our own checksum manifest with the new values.
fn new_checksums(text: &[u8], kv: &ManifestEntry, summary: &Summary) -> Result<Vec<u8>> {
    let failed = |cause: serde_json::Error| {
        Error::new(ErrorKind::Io, format!("can't write the summary: {cause}"))
    };
    let mut checksums: Value = serde_json::from_slice(text).map_err(failed)?;
    let new = serde_json::to_value(summary).map_err(failed)?;
    if let (Value::Object(checksums), Value::Object(new)) = (&mut checksums, new) {
        checksums.insert("kv".into(), serde_json::to_value(kv).map_err(failed)?);
        checksums.extend(new);
    }
    let mut text = serde_json::to_vec_pretty(&checksums).map_err(failed)?;
    text.push(b'\n');
    Ok(text)
}
