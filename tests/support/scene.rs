//! A database that may change, beside a sandbox that may not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::fixtures::fixture;
use super::program::names_in;
use super::sandbox::{Ran, Sandbox, on};

/// The command that makes a new operator token.
pub const RECOVER: &[&str] = &["recover", "operator"];
/// The store with one user and one organization.
pub const ONE: &str = "fresh-2.9.1";
/// The store with several of each.
pub const SEVERAL: &str = "upgraded-2.9.1";
/// Tokens in plaintext.
pub const PLAIN: &str = "lived-2.9.1-plaintext";
/// Tokens in plaintext and hashed ones.
pub const MIXED: &str = "mixed-2.9.1";
/// Hashed tokens that unused bytes still show.
pub const LIVED: &str = "lived-2.9.1";
/// One user and one organization of the store with several.
pub const FOR_ALICE: &[&str] = &["--user", "alice", "--org", "acme"];

/// A sandbox, in which nothing may change, and a folder beside it for files that may change.
pub struct Scene {
    pub sandbox: Sandbox,
    pub folder: TempDir,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            sandbox: Sandbox::new(),
            folder: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of a server's store that may be changed.
    pub fn store(&self, name: &str) -> PathBuf {
        let path = self.path("influxd.bolt");
        fs::write(&path, fixture(name)).unwrap();
        path
    }

    /// The same in the other engine.
    pub fn redb(&self, name: &str) -> PathBuf {
        let (bolt, redb) = (self.store(name), self.path("store.redb"));
        self.run(&["convert"], &bolt, &["--out", text(&redb)]).ok();
        fs::remove_file(bolt).unwrap();
        redb
    }

    #[track_caller]
    pub fn run(&self, command: &[&str], database: &Path, extra: &[&str]) -> Ran {
        self.sandbox.run(arguments(command, database, extra))
    }

    /// The names of the files in the folder.
    pub fn names(&self) -> Vec<String> {
        names_in(self.folder.path())
    }

    /// Whether the database knows this token as one that may do anything.
    #[track_caller]
    pub fn is_operator(&self, database: &Path, token: &str) -> bool {
        let asked = ["--token-file", "-", "--can", "write:buckets", "--json"];
        let arguments = arguments(&["auth", "verify"], database, &asked);
        let ran = self.sandbox.run_with(arguments, token.as_bytes());
        ran.code == 0 && ran.json()["authorization"]["kind"] == "operator"
    }

    pub fn operators(&self, database: &Path) -> usize {
        let extra = ["--kind", "operator", "--json"];
        let listed = self.run(&["auth", "list"], database, &extra).ok().json();
        listed["authorizations"].as_array().unwrap().len()
    }
}

pub fn arguments(command: &[&str], database: &Path, extra: &[&str]) -> Vec<String> {
    let mut arguments = on(command, database);
    arguments.extend(extra.iter().map(ToString::to_string));
    arguments
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// Two stores or backups hold the same, as `diff` sees it: every record of every bucket by its
/// meaning, token values and password hashes included.
#[track_caller]
pub fn hold_the_same(scene: &Scene, one: &Path, other: &Path) {
    let ran = scene
        .sandbox
        .run(["diff", text(one), text(other), "--json"]);
    let report = ran.code(0).json();
    assert_eq!(report["equal"], true, "{report}");
    assert_eq!(report["incomplete"], serde_json::json!([]), "{report}");
}

#[track_caller]
pub fn is_sound(scene: &Scene, database: &Path) {
    let report = scene.run(&["check", "--json"], database, &[]);
    assert!([0, 3].contains(&report.code), "{report:?}");
    let report = report.json();
    assert!(
        !report["findings"].to_string().contains("structure."),
        "{report}"
    );
}
