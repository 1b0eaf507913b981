//! Several runs change one database at the same time.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use boltkey::store::Engine;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::fixtures::fixture;
use crate::support::program::{ended, names_in, program};

/// A folder that holds one database.
pub struct LiveStore {
    folder: TempDir,
    pub database: PathBuf,
}

impl LiveStore {
    /// A copy of a store that a real server wrote, as this engine keeps it.
    pub fn new(engine: Engine, name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let bolt = folder.path().join("influxd.bolt");
        fs::write(&bolt, fixture(name)).unwrap();
        let store = Self {
            database: bolt.clone(),
            folder,
        };
        if engine == Engine::Bolt {
            return store;
        }
        let database = store.path("influxd.redb");
        let out = database.to_str().unwrap();
        let ran = store.run(["convert", "--out", out, "--engine", "redb"]);
        assert!(ran.status.success(), "{ran:?}");
        fs::remove_file(bolt).unwrap();
        Self { database, ..store }
    }

    /// A path beside the database.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments on the database, free of this host's environment.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = program(self.folder.path(), self.folder.path());
        command
            .args(arguments)
            .arg("--db")
            .arg(&self.database)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        ended(&mut self.command(arguments))
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

    /// The names of all files in the folder, ascending.
    pub fn names(&self) -> Vec<String> {
        names_in(self.folder.path())
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

/// Whether a server would take this token.
pub fn authenticates(store: &LiveStore, token: &str) -> bool {
    let file = store.path("to-verify");
    fs::write(&file, token).unwrap();
    let ran = store.run([
        OsStr::new("auth"),
        OsStr::new("verify"),
        OsStr::new("--token-file"),
        Path::new(&file).as_os_str(),
    ]);
    fs::remove_file(file).unwrap();
    ran.status.success()
}
