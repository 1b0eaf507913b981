//! A run of every command that changes a store or writes files, which succeeds on the store that it
//! names. For tests that try all of them; the list is compared with the clap tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::confirmed;
use crate::scene::{FOR_ALICE, LIVED, ONE, PLAIN, Scene, text};
use crate::support::sandbox::Ran;

/// A run of a command.
#[derive(Clone, Copy)]
pub struct Run {
    /// The command in the clap tree.
    pub command: &'static str,
    /// What it leaves.
    pub leaves: Leaves,
    /// The store that it is run on.
    pub store: &'static str,
    /// Makes what the command needs and returns its arguments.
    arguments: fn(&Scene, &Path) -> Vec<String>,
    /// Further arguments that make no difference to the test that has the case.
    more: &'static [&'static str],
}

/// What a run leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// A changed or new store, and the files of its options.
    Store,
    /// New files only.
    Files,
}

/// Those that ask nothing, besides those of [`confirmed::ASK`].
const OTHERS: &[Run] = &[
    Run {
        command: "user update",
        leaves: Leaves::Store,
        store: ONE,
        arguments: |_, _| words("user update --name alice --status inactive"),
        more: &[],
    },
    Run {
        command: "setup",
        leaves: Leaves::Store,
        store: ONE,
        arguments: |scene, database| {
            fs::remove_file(database).unwrap();
            let file = password(scene);
            let command = "setup --username alice --org acme --bucket metrics --password-file";
            [words(command), vec![file]].concat()
        },
        more: &["--token-out", "new.token"],
    },
    Run {
        command: "capture",
        leaves: Leaves::Files,
        store: PLAIN,
        arguments: |_, _| words("capture --out tokens.json"),
        more: &[],
    },
    Run {
        command: "auth export",
        leaves: Leaves::Files,
        store: PLAIN,
        arguments: |_, _| words("auth export --out list.toml"),
        more: &[],
    },
    Run {
        command: "residue recover",
        leaves: Leaves::Files,
        store: LIVED,
        arguments: |_, _| words("residue recover --out tokens.json"),
        more: &[],
    },
    Run {
        command: "convert",
        leaves: Leaves::Files,
        store: ONE,
        arguments: |_, _| words("convert --out store.redb"),
        more: &[],
    },
    Run {
        command: "compact",
        leaves: Leaves::Files,
        store: ONE,
        arguments: |_, _| words("compact --out compact.bolt"),
        more: &[],
    },
    Run {
        command: "salvage",
        leaves: Leaves::Files,
        store: ONE,
        arguments: |_, _| words("salvage --out salvaged.bolt"),
        more: &[],
    },
    Run {
        command: "backup export",
        leaves: Leaves::Files,
        store: ONE,
        arguments: |scene, _| {
            sqlite(&scene.path("influxd.sqlite"));
            words("backup export --out backup")
        },
        more: &[],
    },
    Run {
        command: "backup token",
        leaves: Leaves::Files,
        store: ONE,
        arguments: |scene, database| {
            let from = scene.path("from");
            scene
                .run_here(&["backup", "export", "--out", "from"], database)
                .ok();
            [
                words("backup token"),
                vec![text(&from).to_owned()],
                words("--out with-token --generate"),
            ]
            .concat()
        },
        more: &["--token-out", "new.token"],
    },
];

/// What the commands that ask take besides: an answer to what can't be answered by `--yes`, and
/// files that are written with the commit.
fn more(command: &str) -> &'static [&'static str] {
    match command {
        "auth create" | "auth clone" => &["--token-out", "new.token"],
        "auth rotate" => &["--token-out", "new.token", "--keep-copy", "kept.bolt"],
        "recover operator" => &[
            "--user",
            "alice",
            "--org",
            "acme",
            "--token-out",
            "new.token",
        ],
        "auth create-operator" => FOR_ALICE,
        // It has the same file already, or none.
        "backup restore" => &[],
        _ => &["--keep-copy", "kept.bolt"],
    }
}

/// All of them.
pub fn runs() -> Vec<Run> {
    let ask = confirmed::ASK.iter().map(|case| Run {
        command: case.command,
        leaves: Leaves::Store,
        store: case.store,
        arguments: case.arguments,
        more: more(case.command),
    });
    ask.chain(OTHERS.iter().copied()).collect()
}

/// A command line in words without spaces.
pub fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn password(scene: &Scene) -> String {
    let file = scene.path("password");
    fs::write(&file, "another password\n").unwrap();
    text(&file).to_owned()
}

/// The SQLite file that a server has beside its store.
fn sqlite(path: &Path) {
    let made = rusqlite::Connection::open(path).unwrap();
    let schema = "CREATE TABLE migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL); \
                  CREATE TABLE notebooks(id TEXT NOT NULL PRIMARY KEY, org_id TEXT NOT NULL);";
    made.execute_batch(schema).unwrap();
}

impl Run {
    /// A scene with all that the command needs, and its arguments, with which it asks nothing.
    /// Relative paths are in the folder of the scene.
    pub fn prepare(&self) -> (Scene, Vec<String>) {
        let scene = Scene::new();
        let database = scene.store(self.store);
        let mut arguments = (self.arguments)(&scene, &database);
        arguments.push("--yes".into());
        arguments.extend(self.more.iter().map(ToString::to_string));
        if !["backup restore", "backup token"].contains(&self.command) {
            arguments.extend(["--db".to_owned(), text(&database).to_owned()]);
        }
        (scene, arguments)
    }
}

impl Scene {
    /// The program, in the folder of the scene. Its temporary files are in a folder of their own.
    pub fn command_here<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let temporary = self.path("tmp");
        fs::create_dir_all(&temporary).unwrap();
        let mut command = self.sandbox.command(arguments);
        command.current_dir(&self.folder).env("TMPDIR", temporary);
        command
    }

    /// Runs the program in the folder of the scene.
    #[track_caller]
    pub fn run_here(&self, command: &[&str], database: &Path) -> Ran {
        let arguments = crate::scene::arguments(command, database, &[]);
        self.sandbox.finish(self.command_here(arguments))
    }
}

/// The commands below this one that can be run.
pub fn leaves(command: &clap::Command, above: &str, found: &mut BTreeSet<String>) {
    for one in command.get_subcommands() {
        let name = format!("{above}{}", one.get_name());
        if one.has_subcommands() {
            leaves(one, &format!("{name} "), found);
        }
        if !is_only_group(one) {
            found.insert(name);
        }
    }
}

/// Whether a command does nothing but have subcommands. `capture` has one and is a command itself.
pub fn is_only_group(command: &clap::Command) -> bool {
    command.has_subcommands() && command.is_subcommand_required_set()
}

/// Commands that only read.
const READ: &[&str] = &[
    "status",
    "explain",
    "locate",
    "auth list",
    "auth show",
    "auth verify",
    "check",
    "diff",
    "doctor",
    "user verify",
    "v1 auth list",
    "v1 dbrp list",
    // Its page can be written again.
    "report",
    "user list",
    "org list",
    "bucket list",
    "capture verify",
    "residue scan",
    "downgrade check",
    "backup inspect",
    "token generate",
    "token hash",
    "completions",
    // Its pages can be written again.
    "man",
];

#[test]
fn every_command_reads_or_is_run() {
    let mut found = BTreeSet::new();
    leaves(&boltkey::cli::command(), "", &mut found);
    let listed: Vec<&str> = runs()
        .iter()
        .map(|run| run.command)
        .chain(READ.iter().copied())
        .collect();
    let names: BTreeSet<String> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(found, names);
    assert_eq!(names.len(), listed.len(), "a command is listed twice");
}

#[test]
fn every_run_succeeds() {
    for run in runs() {
        let (scene, arguments) = run.prepare();
        let output = scene.command_here(&arguments).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", run.command);
    }
}
