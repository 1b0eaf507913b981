//! Backups where something fails: the disk is full at any write, or the program is killed. What
//! is left is nothing, or whole; and what stood there stays.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing
)] // test code

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use boltkey::store::{OpenOptions, Store};
use serde_json::Value;
use support::program::{BOLTKEY, limited, said};
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

/// All that a store holds, but for some buckets.
fn records(path: &Path, without: &[&str]) -> BTreeMap<(String, Vec<u8>), Vec<u8>> {
    let store = Store::open(path, &OpenOptions::default()).unwrap();
    let snapshot = store.snapshot();
    let mut all = BTreeMap::new();
    for bucket in snapshot.buckets().unwrap().0 {
        let name = String::from_utf8(bucket.name.clone()).unwrap();
        if without.contains(&name.as_str()) {
            continue;
        }
        all.insert(
            (name.clone(), Vec::new()),
            bucket.sequence.to_le_bytes().to_vec(),
        );
        let findings = snapshot.scan(&bucket.name, &mut |key, value| {
            all.insert((name.clone(), key.to_vec()), value.to_vec());
            ControlFlow::Continue(())
        });
        assert!(findings.unwrap().is_empty());
    }
    all
}

/// What was exported and restored equals its source in every bucket, key, value and sequence;
/// with hashing in all but the tokens.
#[test]
fn there_and_back_nothing_changes() {
    const TOKENS: [&str; 4] = [
        "authorizationsv1",
        "authorizationindexv1",
        "authorizationhashedindexv1",
        "migrationsv1",
    ];
    let mut tried = 0;
    for entry in fs::read_dir(fixtures().join("real")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some((name, _)) = name.split_once(".bolt") else {
            continue;
        };
        let place = Place::new();
        fs::write(place.path("source/influxd.bolt"), content(&path)).unwrap();
        ran(&mut place.export("whole"));
        let old = place.path("source/influxd.bolt");
        for to in ["new.bolt", "new.redb"] {
            for hash in [&[][..], &["--hash"]] {
                let _ = fs::remove_dir_all(place.path("target"));
                fs::create_dir(place.path("target")).unwrap();
                let to = format!("target/{to}");
                let restore = ["backup", "restore", "whole", "--to", &to, "--new-operator"];
                let output = place
                    .command(&[&restore[..], hash].concat())
                    .output()
                    .unwrap();
                if !output.status.success() {
                    // Hashes need a schema that these releases do not have.
                    assert!(
                        hash.len() == 1 && name.starts_with("downgraded-1"),
                        "{output:?}"
                    );
                    continue;
                }
                let without: &[&str] = if hash.is_empty() { &[] } else { &TOKENS };
                let mut new = records(&place.path(&to), without);
                let mut old = records(&old, without);
                if hash.is_empty() {
                    // One more token: a record and an entry in one of the indexes.
                    old.retain(|pair, value| new.remove(pair).as_ref() != Some(value));
                    assert_eq!((old.len(), new.len()), (0, 2), "{name}: {:?}", new.keys());
                } else {
                    assert!(new == old, "{name}");
                }
                tried += 1;
            }
        }
    }
    println!("cases: backups-there-and-back {tried}");
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Every file may be so long and no longer: the first, a middle, the last write of each fails.
#[test]
fn the_disk_is_full_at_every_write() {
    let place = Place::new();
    ran(&mut place.export("whole"));
    let longest = place.state("").values().map(Vec::len).max().unwrap() / 512 + 2;
    let mut tried = 0;
    let steps = (0..20).chain((20..longest).step_by(13));
    for blocks in steps {
        let output = limited(blocks, &place.export("out")).output().unwrap();
        if output.status.success() {
            fs::remove_dir_all(place.path("out")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(said(&output).contains("nothing was changed"), "{output:?}");
            assert!(!place.path("out").exists(), "{blocks}");
        }
        fs::create_dir_all(place.path("target")).unwrap();
        fs::write(place.path("target/influxd.bolt"), "what stands there").unwrap();
        fs::write(place.path("target/influxd.sqlite"), "this too").unwrap();
        let before = place.state("");
        let restore = place.restore("whole", "target/influxd.bolt");
        let output = limited(blocks, &restore).output().unwrap();
        if output.status.success() {
            place.is_restored("target/influxd.bolt");
            fs::remove_dir_all(place.path("target")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(said(&output).contains("nothing was changed"), "{output:?}");
            assert!(place.state("") == before, "{blocks}: {output:?}");
        }
        let token = place.command(&["backup", "token", "whole", "--out", "out", "--generate"]);
        let before = place.state("");
        let output = limited(blocks, &token).output().unwrap();
        if output.status.success() {
            fs::remove_dir_all(place.path("out")).unwrap();
        } else {
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(place.state("") == before, "{blocks}: {output:?}");
        }
        tried += 3;
    }
    println!("cases: backups-on-full-disks {tried}");
}

/// Runs a command again and again and kills it a little later each time.
fn killed(rounds: u32, start: &mut dyn FnMut() -> Command, look: &mut dyn FnMut(Output)) -> u32 {
    let started = Instant::now();
    ran(&mut start());
    let usual = started.elapsed().max(Duration::from_millis(1));
    for round in 0..rounds {
        let mut child = start().spawn().unwrap();
        sleep(usual * round / rounds);
        child.kill().unwrap();
        look(child.wait_with_output().unwrap());
    }
    rounds
}

#[test]
fn an_export_that_is_killed_leaves_nothing_that_looks_complete() {
    let place = Place::new();
    let mut number = 0;
    let (mut none, mut whole) = (0, 0);
    let tried = killed(
        24,
        &mut || {
            number += 1;
            place.export(&format!("out-{number}"))
        },
        &mut |output| {
            let newest = (0..100).rev().map(|n| format!("out-{n}"));
            let Some(out) = newest.into_iter().find(|out| place.path(out).exists()) else {
                return;
            };
            let inspected = place
                .command(&["backup", "inspect", &out])
                .output()
                .unwrap();
            let sheet = place.state(&out).into_keys();
            let complete = sheet
                .into_iter()
                .any(|path| path.extension().is_some_and(|e| e == "json"));
            if complete {
                assert!(inspected.status.success(), "{inspected:?}");
                whole += 1;
            } else {
                assert!(!output.status.success());
                // The manifest comes right before the last file, and what it names is whole.
                assert!(
                    [Some(0), Some(5)].contains(&inspected.status.code()),
                    "{inspected:?}"
                );
                none += 1;
            }
            fs::remove_dir_all(place.path(&out)).unwrap();
        },
    );
    println!("cases: exports-killed {tried}");
    println!("{none} left incomplete, {whole} complete");
}

#[test]
fn a_restore_that_is_killed_is_finished_by_the_next() {
    let place = Place::new();
    ran(&mut place.export("whole"));
    let target = place.path("target");
    let fresh = || {
        let _ = fs::remove_dir_all(&target);
        fs::create_dir(&target).unwrap();
        let source = place.path("source/influxd.bolt");
        fs::copy(source, target.join("influxd.bolt")).unwrap();
        sqlite(&target.join("influxd.sqlite"), 3);
    };
    let old = {
        fresh();
        place.state("target")
    };
    let tried = killed(
        24,
        &mut || {
            fresh();
            place.restore("whole", "target/influxd.bolt")
        },
        &mut |_| {
            ran(&mut place.restore("whole", "target/influxd.bolt"));
            place.is_restored("target/influxd.bolt");
            let state = place.state("target");
            let database = old.get(&target.join("influxd.bolt")).unwrap();
            assert!(
                state.values().any(|bytes| bytes == database),
                "what stood there is gone: {:?}",
                state.keys()
            );
        },
    );
    println!("cases: restores-killed {tried}");
}
