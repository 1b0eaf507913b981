//! What the tests export and restore, with the program or with its operations on a simulated disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use boltkey::Result;
use boltkey::ops::backup::Compression;
use boltkey::ops::backup::backup_store::RestoreContext;
use boltkey::ops::backup::export::{Exported, Options as ExportOptions, Out, export};
use boltkey::ops::backup::file_states::Role;
use boltkey::ops::backup::replaced_store::ReplacedStore;
use boltkey::ops::backup::restore::{Options, Planned, plan};
use boltkey::ops::backup::restored_access::OperatorSource;
use boltkey::ops::backup::source::{Backup, From};
use boltkey::ops::files::disk::{Disk, RealDisk};
use boltkey::ops::timestamp::Timestamp;
use boltkey::secret::Token;
use boltkey::store::{Engine, Held, OpenOptions, Store};
use tempfile::TempDir;

use crate::support::fixtures::{content, fixture, operator_token};
use crate::support::program::program;
use crate::support::threads::patient;

/// A store that was used for a while.
pub const LIVED: &str = "lived-2.9.1";
/// A small store.
pub const SMALL: &str = "fresh-2.9.1-plaintext";
/// A store that is replaced.
const OLD: &str = "fresh-2.7.12";

/// What a folder holds: names, inodes, contents.
pub type Standing = BTreeMap<String, (u64, Vec<u8>)>;

/// A folder with a database and an SQLite file in `source`, and its operator token in `token`.
pub struct BackupScene {
    folder: TempDir,
    pub token: String,
}

/// RestoreCase to restore.
#[derive(Debug, Clone, Copy)]
pub struct RestoreCase {
    pub engine: Engine,
    pub hash: bool,
    /// Whether there is an old pair with a journal.
    pub force: bool,
}

impl BackupScene {
    /// With this server's store, and so many rows of 1000 bytes in the SQLite file.
    pub fn new(store: &str, rows: usize) -> Self {
        let scene = Self {
            folder: TempDir::new().unwrap(),
            token: operator_token(store),
        };
        fs::create_dir(scene.path("source")).unwrap();
        fs::write(scene.path("source/influxd.bolt"), fixture(store)).unwrap();
        sqlite(&scene.path("source/influxd.sqlite"), rows);
        sqlite(&scene.path("old.sqlite"), 1);
        fs::write(scene.path("token"), &scene.token).unwrap();
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, run in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path(), self.folder.path());
        command
            .args(arguments)
            .env("TMPDIR", self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `backup export`.
    pub fn export_command(&self, out: &str) -> Command {
        let source = ["--db", "source/influxd.bolt", "--influx-manifest"];
        self.command(&[&["backup", "export", "--out", out], &source[..]].concat())
    }

    /// `backup restore`, over what there is.
    pub fn restore_command(&self, from: &str, to: &str) -> Command {
        let token = ["--operator-token-file", "token", "--force", "--yes"];
        self.command(&[&["backup", "restore", from, "--to", to], &token[..]].concat())
    }

    /// Names and contents of all files below a folder.
    pub fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    files.insert(path, bytes);
                }
            }
        }
        files
    }

    /// The program finds the database sound, and the token in it.
    pub fn is_restored(&self, to: &str) {
        let verify = ["auth", "verify", "--token-file", "token", "--db", to];
        ran(&mut self.command(&verify));
        ran(&mut self.command(&["check", "--db", to]));
    }

    /// Exports to this folder, or to this stream.
    pub fn export(&self, out: Out<'_>, disk: &dyn Disk) -> Result<Exported> {
        let source = self.path("source/influxd.bolt");
        let store = Store::open(&source, &patient())?;
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

    /// Makes the folder of this name to restore to.
    pub fn target(&self, name: &str, how: RestoreCase) -> PathBuf {
        let target = self.path(name);
        let _ = fs::remove_dir_all(&target);
        fs::create_dir(&target).unwrap();
        if how.force {
            let old = fixture(OLD);
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
        how: RestoreCase,
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
        let open = patient();
        let stands = force && to.exists();
        let old = match stands {
            true => ReplacedStore::look(Store::open(&to, &open), &to)?,
            false => ReplacedStore::default(),
        };
        let backup = Backup::open(From::Path(&self.path("backup")), Some(target))?;
        let opener = OperatorSource::Token(Token::new(self.token.clone()));
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

/// Plans a restore to an empty place.
pub fn planned(backup: &Backup, opener: OperatorSource, options: &Options) -> Result<Planned> {
    let means = RestoreContext {
        open: &OpenOptions::default(),
        now: &Timestamp::from(&jiff::Zoned::now()),
        disk: &RealDisk,
        progress: &|_| {},
    };
    plan(backup, opener, options, &ReplacedStore::default(), &means)
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

/// An SQLite file with so many rows of 1000 bytes.
pub fn sqlite(path: &Path, rows: usize) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("CREATE TABLE migrations(name TEXT); CREATE TABLE notebooks(id BLOB);")
        .unwrap();
    for _ in 0..rows {
        connection
            .execute("INSERT INTO notebooks VALUES (randomblob(1000))", [])
            .unwrap();
    }
    connection.close().unwrap();
}

/// Runs a command that must succeed.
pub fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}
