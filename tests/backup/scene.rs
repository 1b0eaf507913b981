//! An export or a restore by its operation, on a double of the disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use boltkey::Result;
use boltkey::ops::backup::Compression;
use boltkey::ops::backup::content::RestoreContext;
use boltkey::ops::backup::export::{Exported, Options as ExportOptions, Out, export};
use boltkey::ops::backup::old::Old;
use boltkey::ops::backup::opening::Opener;
use boltkey::ops::backup::restore::{Options, Planned, plan};
use boltkey::ops::backup::source::{Backup, From, Role};
use boltkey::ops::files::disk::{Disk, RealDisk};
use boltkey::ops::timestamp::Timestamp;
use boltkey::secret::Token;
use boltkey::store::{Engine, Held, OpenOptions, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::sqlite;
use crate::support::{content, fixtures};

/// The store that is backed up, and one that stands where it is restored.
const NEW: &str = "fresh-2.9.1-plaintext.bolt.gz";
const OLD: &str = "fresh-2.7.12.bolt.gz";

/// What a folder holds: names, inodes, contents.
pub type Standing = BTreeMap<String, (u64, Vec<u8>)>;

pub struct Scene {
    folder: TempDir,
    pub token: String,
}

/// How to restore.
#[derive(Debug, Clone, Copy)]
pub struct How {
    pub engine: Engine,
    pub hash: bool,
    /// Whether an old pair with a journal stands there.
    pub force: bool,
}

impl Scene {
    pub fn new() -> Self {
        let real = fixtures().join("real");
        let facts = fs::read(real.join("fresh-2.9.1-plaintext.json")).unwrap();
        let facts: Value = serde_json::from_slice(&facts).unwrap();
        let scene = Self {
            folder: TempDir::new().unwrap(),
            token: facts["tokens"][0]["token"].as_str().unwrap().to_owned(),
        };
        fs::create_dir(scene.path("source")).unwrap();
        let source = scene.path("source/influxd.bolt");
        fs::write(source, content(&real.join(NEW))).unwrap();
        sqlite(&scene.path("source/influxd.sqlite"), 2);
        sqlite(&scene.path("old.sqlite"), 1);
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exports to this folder, or to this stream.
    pub fn export(&self, out: Out<'_>, disk: &dyn Disk) -> Result<Exported> {
        let source = self.path("source/influxd.bolt");
        let store = Store::open(&source, &OpenOptions::default())?;
        let options = ExportOptions {
            sqlite: Some(self.path("source/influxd.sqlite")),
            compression: Compression::Gzip,
            influx_manifest: true,
            now: jiff::Timestamp::from_second(1_800_000_000).unwrap(),
        };
        export(&store, &options, out, disk, &|_| {}).map(|(exported, _)| exported)
    }

    /// Whether what was exported is whole.
    pub fn is_whole(&self, backup: &Path) -> bool {
        let Ok(backup) = Backup::open(From::Path(backup), None) else {
            return false;
        };
        let (_, findings) = backup.check(&[Role::Kv, Role::Sql], true).unwrap();
        let store = backup.store(&OpenOptions::default()).unwrap();
        let sound = store.inspect().check().unwrap().findings.is_empty();
        findings.is_empty() && sound && backup.sql.is_some()
    }

    /// The SQLite file that was exported.
    pub fn sqlite(&self) -> Vec<u8> {
        let mut entries = fs::read_dir(self.path("backup")).unwrap();
        let found = entries.find_map(|entry| {
            let path = entry.unwrap().path();
            let packed = path.to_str().unwrap().ends_with(".sqlite.gz");
            packed.then(|| content(&path))
        });
        found.unwrap()
    }

    /// Makes the folder to restore to.
    pub fn target(&self, how: How) -> PathBuf {
        let target = self.path("target");
        let _ = fs::remove_dir_all(&target);
        fs::create_dir(&target).unwrap();
        if how.force {
            let old = content(&fixtures().join("real").join(OLD));
            fs::write(target.join("influxd.bolt"), old).unwrap();
            fs::copy(self.path("old.sqlite"), target.join("influxd.sqlite")).unwrap();
            fs::write(target.join("influxd.sqlite-journal"), "hot").unwrap();
        }
        target
    }

    /// Restores to a folder.
    pub fn restore(
        &self,
        target: &Path,
        how: How,
        force: bool,
        disk: &dyn Disk,
    ) -> Result<Vec<PathBuf>> {
        let to = target.join("influxd.bolt");
        let options = Options {
            engine: how.engine,
            force,
            hash: how.hash,
            ..into_empty(&to)
        };
        let open = OpenOptions::default();
        let stands = force && to.exists();
        let old = match stands {
            true => Old::look(Store::open(&to, &open), &to)?,
            false => Old::default(),
        };
        let backup = Backup::open(From::Path(&self.path("backup")), Some(target))?;
        let opener = Opener::Token(Token::new(self.token.clone()));
        let now = Timestamp::from(&jiff::Zoned::now());
        let means = RestoreContext {
            open: &open,
            now: &now,
            disk,
            progress: &|_| {},
        };
        let Planned::Ready(mut plan) = plan(&backup, opener, &options, &old, &means)? else {
            panic!("the token does not open the backup");
        };
        let held = match stands {
            true => Some(Held::lock(&to, &open)?.0),
            false => None,
        };
        plan.apply(held, "20270115T080000Z", disk, &|_| {})
    }
}

/// Into an empty place, as a bolt store.
pub fn into_empty(to: &Path) -> Options {
    Options {
        to: to.to_path_buf(),
        engine: Engine::Bolt,
        sqlite: to.with_file_name("influxd.sqlite"),
        engine_path: to.with_file_name("engine"),
        force: false,
        keep_shards: false,
        hash: false,
        use_hashed_tokens: None,
    }
}

/// Works out a restore to where nothing stands.
pub fn planned(backup: &Backup, opener: Opener, options: &Options) -> Result<Planned> {
    let means = RestoreContext {
        open: &OpenOptions::default(),
        now: &Timestamp::from(&jiff::Zoned::now()),
        disk: &RealDisk,
        progress: &|_| {},
    };
    plan(backup, opener, options, &Old::default(), &means)
}

pub fn standing(folder: &Path) -> Standing {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let inode = fs::metadata(&path).unwrap().ino();
        (name, (inode, fs::read(&path).unwrap()))
    };
    entries.map(read).collect()
}
