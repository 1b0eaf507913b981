//! The program itself, run on a database in a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::store_image::Engine;
use super::{content, fixtures};

/// The binary under test.
pub const BOLTKEY: &str = env!("CARGO_BIN_EXE_boltkey");

/// A folder that holds one database.
pub struct Place {
    folder: TempDir,
    pub database: PathBuf,
}

impl Place {
    /// A copy of a store that a real server wrote, as this engine keeps it.
    pub fn new(engine: Engine, fixture: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let bolt = folder.path().join("influxd.bolt");
        fs::write(&bolt, content(&fixtures().join("real").join(fixture))).unwrap();
        let place = Self {
            database: bolt.clone(),
            folder,
        };
        if engine == Engine::Bolt {
            return place;
        }
        let database = place.path("influxd.redb");
        let out = database.to_str().unwrap();
        let ran = place.run(["convert", "--out", out, "--engine", "redb"]);
        assert!(ran.status.success(), "{ran:?}");
        fs::remove_file(bolt).unwrap();
        Self { database, ..place }
    }

    /// A path beside the database.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments on the database, free of this host's environment.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(BOLTKEY);
        command
            .args(arguments)
            .arg("--db")
            .arg(&self.database)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("INFLUXD_CONFIG_PATH", self.path("no-config"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `recover operator` for one user and organization, with more arguments.
    pub fn recovery(&self, more: &[&str]) -> Command {
        let mut arguments = vec!["recover", "operator", "--json"];
        arguments.extend(more);
        self.command(arguments)
    }

    /// The IDs of all authorizations, ascending.
    pub fn authorizations(&self) -> Vec<String> {
        let ran = self.run(["auth", "list", "--json"]);
        assert!(ran.status.success(), "{ran:?}");
        let list: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let list = list["authorizations"].as_array().unwrap();
        let mut ids: Vec<String> = list
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The name of the first user or organization.
    pub fn first(&self, what: &str) -> String {
        let ran = self.run([what, "list", "--json"]);
        let value: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let list = &value[format!("{what}s")];
        list[0]["name"].as_str().unwrap().to_owned()
    }

    /// The store is sound, inside and out.
    pub fn check(&self) {
        let ran = self.run(["check"]);
        assert!(ran.status.success(), "{ran:?}");
    }

    /// The names of all that stands in the folder, ascending.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.database).unwrap()
    }
}

/// ID and token that a command printed.
pub fn made(output: &Output) -> (String, String) {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let authorization = &report["authorization"];
    let field = |name: &str| authorization[name].as_str().unwrap().to_owned();
    (field("id"), field("token"))
}

/// What a command said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Whether a server would take this token.
pub fn authenticates(place: &Place, token: &str) -> bool {
    let file = place.path("to-verify");
    fs::write(&file, token).unwrap();
    let ran = place.run([
        OsStr::new("auth"),
        OsStr::new("verify"),
        OsStr::new("--token-file"),
        Path::new(&file).as_os_str(),
    ]);
    fs::remove_file(file).unwrap();
    ran.status.success()
}

/// With file sizes limited to so many blocks of 512 bytes; to go beyond is an error, not a signal.
pub fn limited(blocks: usize, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -f {blocks} && exec \"$0\" \"$@\""
        ))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(key, value);
        }
    }
    shell
}
