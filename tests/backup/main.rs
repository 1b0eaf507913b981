//! Backups there and back, and where something fails: the disk is full at any write, the program
//! is killed, a backup is damaged. What is left is nothing, or whole; and what stood there stays.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

#[path = "../support/mod.rs"]
mod support;

mod compact;
mod damage;
mod double;
mod faults;
mod full_disks;
mod killed;
mod scene;
mod steps;
mod there_and_back;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::program::BOLTKEY;
use support::{content, fixtures};
use tempfile::TempDir;

const STORE: &str = "lived-2.9.1";

/// A folder with a database, an SQLite file and an operator token.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
        };
        let real = fixtures().join("real");
        let bytes = content(&real.join(format!("{STORE}.bolt.gz")));
        fs::create_dir(place.path("source")).unwrap();
        fs::write(place.path("source/influxd.bolt"), bytes).unwrap();
        sqlite(&place.path("source/influxd.sqlite"), 40);
        let facts = fs::read(real.join(format!("{STORE}.json"))).unwrap();
        let facts: Value = serde_json::from_slice(&facts).unwrap();
        let token = facts["tokens"][0]["token"].as_str().unwrap();
        fs::write(place.path("token"), token).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BOLTKEY);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn export(&self, out: &str) -> Command {
        let source = ["--db", "source/influxd.bolt", "--influx-manifest"];
        self.command(&[&["backup", "export", "--out", out], &source[..]].concat())
    }

    fn restore(&self, from: &str, to: &str) -> Command {
        let token = ["--operator-token-file", "token", "--force", "--yes"];
        self.command(&[&["backup", "restore", from, "--to", to], &token[..]].concat())
    }

    /// Names and contents of all files below a folder.
    fn state(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut state = BTreeMap::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    state.insert(path, bytes);
                }
            }
        }
        state
    }

    fn is_restored(&self, to: &str) {
        let verify = ["auth", "verify", "--token-file", "token", "--db", to];
        let ran = self.command(&verify).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let ran = self.command(&["check", "--db", to]).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
}

fn sqlite(path: &Path, rows: usize) {
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

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}
