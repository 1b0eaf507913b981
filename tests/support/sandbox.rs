//! A folder with a home and a working directory, in which the program runs without the environment
//! of this host. After each run nothing in it may have changed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::fixtures::fixture;
use super::program::{BOLTKEY, ended, program};

/// See the module.
pub struct Sandbox {
    folder: TempDir,
    runs: Cell<usize>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// What must not change of a file or folder.
#[derive(Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    mode: u32,
    links: u64,
    length: u64,
    modified: (i64, i64),
    content: Option<[u8; 32]>,
}

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self {
            folder: TempDir::new().unwrap(),
            runs: Cell::new(0),
        };
        // Open to all, for the test that runs the program as another user.
        fs::set_permissions(sandbox.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["home", "work"] {
            fs::create_dir(sandbox.path(folder)).unwrap();
        }
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Writes a file, with the folders it needs.
    pub fn file(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A copy of the program that any user may run. Another process makes it: one that this
    /// process held open for writing could not be run while another test starts a program.
    pub fn program(&self) -> PathBuf {
        let path = self.path("boltkey");
        let mut copy = Command::new("cp");
        assert!(copy.arg(BOLTKEY).arg(&path).status().unwrap().success());
        path
    }

    /// A copy of a store that a real server wrote, unpacked.
    pub fn store(&self, name: &str) -> PathBuf {
        self.file(&format!("work/{name}.bolt"), fixture(name))
    }

    /// The program with these arguments, ready to be changed before it runs. The working
    /// directory is `work`, standard input is empty.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = program(&self.path("work"), &self.path("home"));
        command.args(arguments);
        command
    }

    /// Runs the program with these arguments.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        self.finish(self.command(arguments))
    }

    /// Runs the program with these arguments and this standard input.
    #[track_caller]
    pub fn run_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Ran {
        // From a file: a pipe that is not read to its end would be an error of ours.
        let mut stdin = tempfile::tempfile().unwrap();
        stdin.write_all(input).unwrap();
        std::io::Seek::rewind(&mut stdin).unwrap();
        let mut command = self.command(arguments);
        command.stdin(stdin);
        self.finish(command)
    }

    /// Runs a prepared command to its end. Nothing in the sandbox may have changed then, and what it
    /// printed as JSON must be as documented.
    #[track_caller]
    pub fn finish(&self, mut command: Command) -> Ran {
        let before = self.state();
        let output = ended(&mut command);
        assert_eq!(before, self.state(), "{command:?} changed something");
        self.runs.set(self.runs.get() + 1);
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn state(&self) -> BTreeMap<PathBuf, State> {
        let mut state = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let content = metadata
                    .is_file()
                    .then(|| Sha256::digest(fs::read(&path).unwrap()).into());
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                state.insert(
                    path,
                    State {
                        inode: metadata.ino(),
                        mode: metadata.mode(),
                        links: metadata.nlink(),
                        length: metadata.len(),
                        modified: (metadata.mtime(), metadata.mtime_nsec()),
                        content,
                    },
                );
            }
        }
        state
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        println!("cases: cli {}", self.runs.get());
    }
}

impl Ran {
    /// The run must have ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Done, and nothing on standard error.
    #[track_caller]
    pub fn ok(self) -> Self {
        let ran = self.code(0);
        assert_eq!(ran.stderr, "");
        ran
    }

    /// The answer is yes or no, and nothing on standard error.
    #[track_caller]
    pub fn answered(self) -> Self {
        assert!([0, 3].contains(&self.code), "{self:?}");
        assert_eq!(self.stderr, "");
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }

    /// The failure in the last line of standard error. Standard output must be empty.
    #[track_caller]
    pub fn failure(&self) -> Value {
        assert_eq!(self.stdout, "");
        let line = self.stderr.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {self:?}"));
        let error = value["error"].clone();
        assert!(error["message"].is_string(), "{value}");
        assert!(error["hint"].is_string() || error["hint"].is_null());
        error
    }

    /// Standard error must hold each of these texts.
    #[track_caller]
    pub fn tells(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing: {self:?}");
        }
        self
    }
}

/// Every command that reads a database, without options of its own.
pub const READERS: &[&[&str]] = &[
    &["status"],
    &["auth", "list"],
    &["auth", "list", "--v1"],
    &["user", "list"],
    &["org", "list"],
    &["bucket", "list"],
    &["v1", "auth", "list"],
    &["v1", "dbrp", "list"],
    &["check"],
    &["check", "--structure-only"],
    &["residue", "scan"],
    &["downgrade", "check", "--to", "2.9"],
];

/// A reader's arguments, on this database.
pub fn on(reader: &[&str], database: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = reader.iter().map(ToString::to_string).collect();
    arguments.push("--db".into());
    arguments.push(database.to_str().unwrap().into());
    arguments
}
