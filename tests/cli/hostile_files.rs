//! Files that somebody made to do harm, as the database and beside it: memory and time stay within
//! bounds, and a refusal names the bound.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fixtures::fixture;
use crate::support::bounded::{MEMORY, with_memory};
use crate::support::program::program;
use crate::support::things::lengthen;

/// Far more than any of these commands takes.
const LONG: Duration = Duration::from_secs(60);

/// A folder with a home, whose files are too long to be looked at as a sandbox does.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::create_dir(place.path("home")).unwrap();
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn store(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, fixture("lived-2.9.1")).unwrap();
        path
    }

    /// The same store, of the other engine.
    pub fn redb(&self, name: &str) -> PathBuf {
        self.store("influxd.bolt");
        let to_redb = [
            "convert",
            "--db",
            "influxd.bolt",
            "--engine",
            "redb",
            "--out",
            name,
        ];
        self.done(&to_redb);
        self.path(name)
    }

    /// Runs the program in the limited address space.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(MEMORY, arguments)
    }

    /// Runs the program in an address space of this many KiB.
    pub fn run_in(&self, memory: usize, arguments: &[&str]) -> Output {
        let mut inner = program(self.0.path(), &self.path("home"));
        inner.args(arguments);
        let mut shell = with_memory(memory, &inner);
        let started = Instant::now();
        let output = shell.output().unwrap();
        let took = started.elapsed();
        assert!(took < LONG, "{arguments:?} took {took:?}");
        output
    }

    pub fn refused(&self, arguments: &[&str], bound: &str) {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{arguments:?}: {said}");
        assert!(said.contains(bound), "{arguments:?}: {said}");
    }

    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap() + &said
    }
}

/// Every command that may be given such a file as its database.
const COMMANDS: [&[&str]; 14] = [
    &["status"],
    &["check"],
    &["auth", "list"],
    &["user", "list"],
    &["residue", "scan"],
    &["residue", "recover", "--out", "new"],
    &["residue", "scrub", "-y"],
    &["hash", "-y"],
    &["capture", "--out", "new"],
    &["compact", "--out", "new"],
    &["salvage", "--out", "new"],
    &["convert", "--engine", "bolt", "--out", "new"],
    &["backup", "export", "--out", "new"],
    &["downgrade", "check", "--to", "2.7"],
];

#[test]
fn false_lengths_are_refused() {
    let place = Place::new();
    place.redb("long.redb");
    let sound = place.path("influxd.bolt");
    fs::write(place.path("tok"), "a-token").unwrap();
    fs::copy(&sound, place.path("long.bolt")).unwrap();
    fs::write(place.path("long.txt"), "id,token,\"").unwrap();
    let lengths = [
        ("long.bolt", 200 << 30),
        ("long.redb", 15 << 40),
        ("long.txt", 8 << 40),
    ];
    let mut refused = 0;
    for (name, length) in lengths {
        lengthen(&place.path(name), length);
        for command in COMMANDS {
            let command = [command, &["--db", name]].concat();
            place.refused(&command, "1 GiB");
            assert!(!place.path("new").exists(), "{command:?}");
            refused += 1;
        }
        for command in [
            &["residue", "scan", "--db", "influxd.bolt", "--files", name][..],
            &["backup", "inspect", name],
            &[
                "backup",
                "restore",
                name,
                "--to",
                "new",
                "-y",
                "--operator-token-file",
                "tok",
            ],
            &[
                "downgrade",
                "prepare",
                "--db",
                "influxd.bolt",
                "-y",
                "--files",
                name,
            ],
        ] {
            place.refused(command, "1 GiB");
            assert!(!place.path("new").exists(), "{command:?}");
            refused += 1;
        }
        assert_eq!(fs::metadata(place.path(name)).unwrap().len(), length);
    }
    assert_eq!(fs::read(&sound).unwrap(), fixture("lived-2.9.1"));
    println!("cases: false-lengths {refused}");
}

#[test]
fn what_is_a_little_longer_is_read() {
    let place = Place::new();
    for (name, engine) in [("a.bolt", "bolt"), ("a.redb", "redb")] {
        place.store("source.bolt");
        place.done(&[
            "convert",
            "--db",
            "source.bolt",
            "--engine",
            engine,
            "--out",
            name,
        ]);
        lengthen(&place.path(name), 700 << 20);
        place.done(&["status", "--db", name]);
    }
}

#[test]
fn a_gzipped_copy_is_unpacked_up_to_a_bound() {
    let place = Place::new();
    let mut packer = flate2::write::GzEncoder::new(
        File::create(place.path("bomb.bolt")).unwrap(),
        flate2::Compression::fast(),
    );
    packer.write_all(&fixture("lived-2.9.1")).unwrap();
    // Long enough for the ratio alone to be no reason.
    let mut state = 1_u64;
    for _ in 0..800_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        packer.write_all(&state.to_le_bytes()).unwrap();
    }
    for _ in 0..600 {
        packer.write_all(&vec![0; 1 << 20]).unwrap();
    }
    packer.finish().unwrap();
    for command in [
        &["status", "--db", "bomb.bolt"][..],
        &["check", "--db", "bomb.bolt"],
        &["capture", "--db", "bomb.bolt", "--out", "new"],
        &["backup", "inspect", "bomb.bolt"],
    ] {
        place.refused(command, "512 MiB");
    }
    place.store("influxd.bolt");
    let said = place.done(&["status", "--db", "influxd.bolt"]);
    assert!(
        said.contains("bomb.bolt") && said.contains("512 MiB"),
        "{said}"
    );
}

/// A CHECK that would run for days, an index that would, and a column.
#[test]
fn an_sqlite_file_runs_nothing() {
    let place = Place::new();
    place.store("influxd.bolt");
    let long = "instr(printf('%.*c', 60000000, 'a'), printf('%.*c', 30000000, 'a') || 'b')";
    for (schema, said) in [
        (
            format!("CREATE TABLE t(x, CHECK(x = 0 OR {long} = 0)); INSERT INTO t VALUES (1)"),
            "instr",
        ),
        (format!("CREATE TABLE t(x, y AS ({long}))"), "never have"),
        (
            String::from("CREATE TABLE t(x); CREATE INDEX i ON t(abs(x))"),
            "never have",
        ),
    ] {
        let path = place.path("influxd.sqlite");
        let _ = fs::remove_file(&path);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA ignore_check_constraints = 1;
                 CREATE TABLE migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, \
                 name TEXT UNIQUE NOT NULL);
                 {schema};"
            ))
            .unwrap();
        connection.close().unwrap();
        place.refused(
            &["backup", "export", "--db", "influxd.bolt", "--out", "new"],
            said,
        );
        assert!(!place.path("new").exists(), "{schema}");
        // Whatever it says, it is an answer.
        place.run(&["downgrade", "check", "--db", "influxd.bolt", "--to", "2.3"]);
    }
}

#[test]
fn files_beside_the_database_end_nothing() {
    let place = Place::new();
    place.store("influxd.bolt");
    place.store("influxd.bolt.old");
    lengthen(&place.path("influxd.bolt.old"), 8 << 40);
    let copy = fixture("lived-2.9.1");
    fs::write(place.path("copy.bolt"), copy).unwrap();
    let said = place.done(&["status", "--db", "influxd.bolt", "--json"]);
    assert!(
        said.contains("influxd.bolt.old") && said.contains("limit"),
        "{said}"
    );
    let said = place.done(&["locate"]);
    assert!(said.contains("influxd.bolt"), "{said}");
    let said = place.done(&["hash", "--db", "influxd.bolt", "-y", "--no-capture"]);
    assert!(said.contains("influxd.bolt.old"), "{said}");
}
