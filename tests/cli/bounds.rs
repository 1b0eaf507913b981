//! Every command, with what somebody made to do harm in the place of each of its files: memory and time
//! stay within bounds, the answer names the file, and the file stays as it is.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;

use clap::ValueHint;

use crate::bounds_inputs::{Input, OUTPUTS};
use crate::every_command::{Run, is_only_group, runs};
use crate::fixtures::{fixture, sealed_with_passphrase};
use crate::scene::{LIVED, PLAIN, SEVERAL, Scene, text};
use crate::support::bounded::{MEMORY, finish, with_memory};
use crate::support::program::names_in;
use crate::support::things::{THINGS, Thing};
use crate::support::threads::side_by_side;

/// The files and folders that commands may be given, of every kind that is none of [`OUTPUTS`].
fn arguments_to_read(command: &clap::Command, above: &str, found: &mut BTreeSet<(String, String)>) {
    for one in command.get_subcommands() {
        let name = format!("{above}{}", one.get_name());
        if one.has_subcommands() {
            arguments_to_read(one, &format!("{name} "), found);
            if is_only_group(one) {
                continue;
            }
        }
        for argument in one.get_arguments() {
            let hint = argument.get_value_hint();
            let names_path = [ValueHint::FilePath, ValueHint::DirPath, ValueHint::AnyPath];
            if !names_path.contains(&hint) || argument.is_hide_set() {
                continue;
            }
            let option = match argument.get_long() {
                Some(long) => format!("--{long}"),
                None => argument.get_value_names().unwrap()[0].to_string(),
            };
            if !OUTPUTS.contains(&&*option) {
                found.insert((name.clone(), option));
            }
        }
    }
}

/// The tree as the program builds it, global options in every command.
fn tree() -> clap::Command {
    let mut tree = boltkey::cli::command();
    tree.build();
    tree
}

#[test]
fn every_file_that_a_command_reads_is_tried() {
    let mut found = BTreeSet::new();
    arguments_to_read(&tree(), "", &mut found);
    let inputs = Input::all();
    let listed: BTreeSet<(String, String)> = inputs
        .iter()
        .map(|input| (input.command.to_owned(), input.argument.to_owned()))
        .collect();
    assert_eq!(found, listed);
    assert_eq!(listed.len(), inputs.len(), "an argument is listed twice");
}

/// What must not change of a thing, whatever name it has then.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    length: u64,
    blocks: u64,
    modified: (i64, i64),
    start: Vec<u8>,
}

pub fn state(path: &Path) -> State {
    let there = fs::symlink_metadata(path).unwrap();
    let mut start = Vec::new();
    if there.is_file() {
        let file = fs::File::open(path).unwrap();
        file.take(1 << 20).read_to_end(&mut start).unwrap();
    }
    State {
        inode: there.ino(),
        mode: there.mode(),
        owner: (there.uid(), there.gid()),
        length: there.len(),
        blocks: there.blocks(),
        modified: (there.mtime(), there.mtime_nsec()),
        start,
    }
}

/// A folder with what the runs need.
fn prepare() -> Scene {
    let scene = Scene::new();
    for (name, store) in [("several", SEVERAL), ("plain", PLAIN), ("lived", LIVED)] {
        fs::write(scene.path(&format!("{name}.bolt")), fixture(store)).unwrap();
    }
    let list = "[[user]]\nname = \"new\"\n";
    fs::write(scene.path("list.toml"), list).unwrap();
    fs::write(scene.path("token"), "a-token-of-nobody\n").unwrap();
    fs::write(scene.path("password"), "a long password\n").unwrap();
    let sealed = sealed_with_passphrase(b"{}", "passphrase");
    fs::write(scene.path("sealed.age"), sealed).unwrap();
    for folder in ["engine", "backup"] {
        fs::create_dir(scene.path(folder)).unwrap();
    }
    for (name, content) in &*BACKUP {
        fs::write(scene.path("backup").join(name), content).unwrap();
    }
    scene
}

/// A backup with an SQLite file.
static BACKUP: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let scene = Scene::new();
    rusqlite::Connection::open(scene.path("influxd.sqlite"))
        .and_then(|made| {
            made.execute_batch(
                "CREATE TABLE migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)",
            )
        })
        .unwrap();
    let database = scene.store(SEVERAL);
    let out = scene.path("backup");
    scene
        .run(&["backup", "export"], &database, &["--out", text(&out)])
        .ok();
    let files = names_in(&out).into_iter();
    files
        .map(|name| {
            let content = fs::read(out.join(&name)).unwrap();
            (name, content)
        })
        .collect()
});

/// The program in the folder of the scene and in the limited address space.
fn limited(scene: &Scene, arguments: &[impl AsRef<std::ffi::OsStr>]) -> Command {
    with_memory(MEMORY, &scene.command_here(arguments))
}

/// All files of the folder, with those of its folders.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        }
        found.push(entry.path());
    }
}

/// Whether a file with this state is in the folder of the scene.
fn is_kept(scene: &Scene, was: &State) -> bool {
    let mut found = Vec::new();
    files(scene.folder.path(), &mut found);
    found.iter().any(|path| state(path) == *was)
}

/// A thing that this argument may be: an empty folder of the engine, an SQLite file of which this
/// command reads only what is no bomb, or whatever `restore --force` moves aside.
fn is_fine(input: &Input, name: &str) -> bool {
    match input.argument {
        "--to" => true,
        "--sqlite-path" if input.command == "backup restore" => true,
        "--engine-path" => name == "folder",
        "--sqlite-path" | "--files" => name == "bomb.sqlite",
        _ => false,
    }
}

/// What is wrong with the run of a command whose input is this thing.
fn wrong_with(input: &Input, (name, make): &Thing) -> Option<String> {
    let scene = prepare();
    let path = scene.path(name);
    make(&path);
    let was = state(&path);
    let ended = finish(limited(&scene, &input.words(text(&path))));
    let tidy = names_in(&scene.path("tmp")).is_empty();
    let refused = [Some(1), Some(3), Some(5)].contains(&ended.code);
    // It lists what it could not read.
    let listed = input.command == "locate" && ended.code == Some(0);
    let told = (refused || listed) && ended.said.contains(name);
    if ended.is_orderly() && (told || is_fine(input, name)) && is_kept(&scene, &was) && tidy {
        return None;
    }
    Some(format!(
        "{} {} {name}: {ended:?}",
        input.command, input.argument
    ))
}

#[test]
fn every_input_of_every_command_is_bounded() {
    let inputs = Input::all();
    let cases = inputs
        .iter()
        .flat_map(|input| THINGS.iter().map(move |thing| (input, thing)));
    let cases = cases.filter(|(_, thing)| thing.0 != "pipe");
    let ended = side_by_side(cases, |_, (input, thing)| wrong_with(input, thing));
    println!("cases: bounded-inputs {}", ended.len());
    let wrong: Vec<String> = ended.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A secret may come from a pipe, and its writer may be slow: it is waited for, for 30 seconds. All
/// commands wait at once.
#[test]
fn a_pipe_to_which_nobody_writes_ends_every_command() {
    let inputs = Input::all();
    let pipe = THINGS.iter().find(|thing| thing.0 == "pipe").unwrap();
    let wrong: Vec<String> = thread::scope(|scope| {
        let tried = inputs
            .iter()
            .map(|input| scope.spawn(move || wrong_with(input, pipe)));
        let tried: Vec<_> = tried.collect();
        let ended = tried.into_iter().map(|run| run.join().unwrap());
        ended.flatten().collect()
    });
    println!("cases: bounded-pipes {}", inputs.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A command on a sound store, in a folder of its own.
enum Sound {
    Changes(Run),
    Reads(Input),
}

impl Sound {
    /// Every command that uses a database or a backup.
    fn all() -> Vec<Self> {
        let runs = runs();
        let changed: BTreeSet<&str> = runs.iter().map(|run| run.command).collect();
        let reads = Input::all().into_iter().filter(|input| {
            let is_store = ["--db", "BACKUP"].contains(&input.argument);
            is_store && !changed.contains(input.command)
        });
        let reads: Vec<Self> = reads.map(Self::Reads).collect();
        runs.into_iter().map(Self::Changes).chain(reads).collect()
    }

    fn prepare(&self) -> (&'static str, Scene, Vec<String>) {
        match self {
            Self::Changes(run) => {
                let (scene, arguments) = run.prepare();
                (run.command, scene, arguments)
            }
            Self::Reads(input) => {
                let scene = prepare();
                let database = scene.store(SEVERAL);
                let words = input.words(text(&database)).into_iter();
                let words = words.map(str::to_owned).collect();
                (input.command, scene, words)
            }
        }
    }
}

/// What is wrong with a command on a sound store that has these things beside it: all of them under
/// their own names, and three as the SQLite file, the engine folder and the configuration.
fn wrong_beside(sound: &Sound, turn: usize) -> Option<String> {
    let (command, scene, arguments) = sound.prepare();
    let mut things = Vec::new();
    let mut put = |name: &str, (_, make): &Thing| {
        let path = scene.path(name);
        let _ = fs::remove_file(&path);
        let _ = fs::remove_dir_all(&path);
        make(&path);
        things.push((name.to_owned(), state(&path)));
    };
    for thing in &THINGS {
        put(thing.0, thing);
    }
    let of_turn = |more| &THINGS[(turn + more) % THINGS.len()];
    for (more, name) in ["influxd.sqlite", "engine", "config.toml"]
        .into_iter()
        .enumerate()
    {
        put(name, of_turn(more));
    }
    let mut program = scene.command_here(&arguments);
    program.env("INFLUXD_CONFIG_PATH", scene.path("config.toml"));
    let ended = finish(with_memory(MEMORY, &program));
    let done = [Some(0), Some(3)].contains(&ended.code);
    let told = things.iter().any(|(name, _)| ended.said.contains(name));
    let kept = things.iter().all(|(_, was)| is_kept(&scene, was));
    let tidy = names_in(&scene.path("tmp")).is_empty();
    if ended.is_orderly() && (done || told) && kept && tidy {
        return None;
    }
    let names = [0, 1, 2].map(|more| of_turn(more).0);
    Some(format!("{command} beside {names:?}: {ended:?}"))
}

#[test]
fn every_command_is_bounded_beside_them() {
    let sound = Sound::all();
    let cases = sound
        .iter()
        .flat_map(|sound| (0..THINGS.len()).map(move |turn| (sound, turn)));
    let ended = side_by_side(cases, |_, (sound, turn)| wrong_beside(sound, turn));
    println!("cases: bounded-beside {}", ended.len());
    let wrong: Vec<String> = ended.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
