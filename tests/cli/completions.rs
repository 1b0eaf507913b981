//! Completions: what the scripts are told, and what real shells make of it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::fixtures::{content, fixture, fixtures, tokens};
use crate::scene::{SEVERAL, Scene};
use crate::support::program::BOLTKEY;
use crate::terminal::{Terminal, controlling};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// The answer to the script of bash: what is wanted, and the candidates without descriptions.
fn ask(scene: &Scene, line: &str, replaced: &str) -> (String, Vec<String>) {
    let answer = answer(scene, "bash", &[line.into(), replaced.into()]);
    let mut lines = answer
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned());
    (lines.next().unwrap_or_default(), lines.collect())
}

fn answer(scene: &Scene, shell: &str, given: &[String]) -> String {
    let index = given.len().saturating_sub(1).to_string();
    let given = ["--".to_owned()].into_iter().chain(given.iter().cloned());
    let mut command = scene.command_here(given);
    command.env("_BOLTKEY_COMPLETE", shell);
    // As the scripts of the library say it.
    command
        .env("_CLAP_COMPLETE_INDEX", index)
        .env("_CLAP_IFS", "\n");
    println!("cases: completions 1");
    scene.sandbox.finish(command).ok().stdout
}

/// The candidates for the last word of a line.
fn candidates(scene: &Scene, line: &str) -> Vec<String> {
    let replaced = line.rsplit([' ', '=', ':']).next().unwrap();
    let (kind, found) = ask(scene, line, replaced);
    assert_eq!(kind, "values", "{line}");
    found
}

#[test]
fn names_and_ids_are_those_of_the_given_database() {
    let scene = Scene::new();
    scene.store(SEVERAL);
    for line in [
        "boltkey auth list --db influxd.bolt --user ",
        "boltkey auth list --db=influxd.bolt -u ",
        "boltkey auth list -d influxd.bolt --user=",
        "boltkey auth list influxd.bolt --user ",
        "boltkey --db influxd.bolt user password --name ",
        "boltkey recover operator --bolt-path influxd.bolt --user ",
        "boltkey backup restore influxd.bolt --to x --new-operator --user ",
        "/usr/bin/boltkey user delete -d './influxd.bolt' --name ",
    ] {
        assert_eq!(
            candidates(&scene, line),
            ["alice", "bob", "sleeper"],
            "{line}"
        );
    }
    for (line, expected) in [
        ("auth list --org ", r"acme beta\ \&\ co"),
        ("auth list --org b", r"beta\ \&\ co"),
        ("auth list --org-id b", "b5d21adac0dd4e3c"),
        ("user password --id 11af8a50ff", "11af8a50ff448000"),
        ("auth list --user-id 11af8a50e", "11af8a50e3848000"),
        ("auth show 11af8a512384", "11af8a5123848000"),
        ("auth rotate 11af8a512384", "11af8a5123848000"),
        (
            "auth delete 11af8a5123848000 11af8a50f6",
            "11af8a50f6848000",
        ),
        ("auth list --id 11af8a512384", "11af8a5123848000"),
        ("auth verify --can rea", "read read:"),
        ("auth verify --can read:buck", "buckets"),
        ("auth verify --can read:buckets/met", "buckets/metrics"),
        ("auth verify --can write:users/b", "users/bob"),
        ("auth list --status in", "inactive"),
        // New names are not completed.
        ("user create --name ", ""),
        ("org create --name ", ""),
    ] {
        let line = format!("boltkey -d influxd.bolt {line}");
        let found = candidates(&scene, &line).join(" ");
        assert_eq!(found, expected, "{line}");
    }
    let buckets = candidates(&scene, "boltkey auth create -d influxd.bolt --read-bucket ");
    assert!(buckets.len() > 4 && buckets.iter().all(|id| id.len() == 16));
    let mut by_variable = scene.command_here(["--", "boltkey auth list --user al", "al"]);
    by_variable
        .env("_BOLTKEY_COMPLETE", "bash")
        .env("BOLTKEY_DB", "influxd.bolt");
    assert_eq!(
        scene.sandbox.finish(by_variable).ok().stdout,
        "values\nalice\tactive\n"
    );
}

#[test]
fn both_engines_and_copies_are_read() {
    let scene = Scene::new();
    scene.redb(SEVERAL);
    let packed = fixtures().join("real/mixed-2.9.1.bolt.gz");
    fs::write(scene.path("packed"), fs::read(packed).unwrap()).unwrap();
    for store in ["store.redb", "packed"] {
        let found = candidates(&scene, &format!("boltkey auth list {store} --user al"));
        assert_eq!(found, ["alice"], "{store}");
    }
}

#[test]
fn commands_options_codes_and_paths_are_completed() {
    let scene = Scene::new();
    for (line, first) in [
        ("boltkey ", "status"),
        ("boltkey sta", "status"),
        ("boltkey auth ver", "verify"),
        ("boltkey status --js", "--json"),
        (
            "boltkey explain structure.excess-s",
            "structure.excess-shared",
        ),
        ("boltkey completions ba", "bash"),
    ] {
        assert_eq!(candidates(&scene, line)[0], first, "{line}");
    }
    for (line, kind) in [
        ("boltkey status ", "files"),
        ("boltkey status --db ", "files"),
        ("boltkey status --db=x", "files"),
        ("boltkey apply ", "files"),
        ("boltkey convert --out ", "files"),
        ("boltkey man --out ", "folders"),
        ("boltkey backup export --out ", "folders"),
    ] {
        assert_eq!(
            ask(&scene, line, ""),
            (kind.to_owned(), Vec::new()),
            "{line}"
        );
    }
    // Hidden options and global ones that a command does not use.
    let found = candidates(&scene, "boltkey explain --");
    assert!(!found.contains(&"--db".to_owned()), "{found:?}");
}

#[test]
fn nothing_is_said_on_any_trouble() {
    let scene = Scene::new();
    let at = |name: &str| scene.path(name);
    fs::write(at("text"), "hello").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("folder")).unwrap();
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    File::create(at("sparse"))
        .unwrap()
        .set_len(1 << 43)
        .unwrap();
    let damaged = fixtures().join("field/bolt-hotnone-25.bolt.gz");
    fs::write(at("damaged"), content(&damaged)).unwrap();
    let mut half = fixture(SEVERAL);
    half.truncate(half.len() / 2);
    fs::write(at("half"), half).unwrap();
    let locked = scene.store(SEVERAL);
    let holder = File::open(&locked).unwrap();
    holder.lock().unwrap();
    for name in [
        "text",
        "empty",
        "folder",
        "pipe",
        "sparse",
        "damaged",
        "half",
        "influxd.bolt",
        "missing",
    ] {
        for line in [
            "auth list --user ",
            "auth show ",
            "auth verify --can read:buckets/",
        ] {
            let line = format!("boltkey -d {name} {line}");
            let started = Instant::now();
            let (kind, found) = ask(&scene, &line, "");
            assert_eq!(kind, "values", "{line}");
            // What a damaged file still shows.
            let is_damaged = ["damaged", "half"].contains(&name);
            let without_options = found.iter().all(|one| one.starts_with('-'));
            assert!(is_damaged || without_options, "{line}: {found:?}");
            assert!(started.elapsed() < Duration::from_secs(20), "{line}");
        }
    }
    holder.unlock().unwrap();
    for given in [
        &[][..],
        &["".into()],
        &["boltkey 'open".into(), "'open".into()],
    ] {
        for shell in SHELLS {
            answer(&scene, shell, given);
        }
    }
    assert_eq!(answer(&scene, "csh", &["boltkey ".into()]), "");
}

#[test]
fn no_token_is_shown() {
    let scene = Scene::new();
    let name = "lived-2.9.1-plaintext";
    let database = scene.store(name);
    let (_, token) = &tokens(name)[0];
    let described = [
        "auth",
        "create",
        "--operator",
        "--user",
        "alice",
        "--org",
        "acme",
    ];
    scene
        .run(&described, &database, &["--description", token])
        .ok();
    for shell in SHELLS {
        for line in [
            "auth show ",
            "auth list --id ",
            "auth list --user ",
            "auth list --org ",
        ] {
            let line = format!("boltkey -d influxd.bolt {line}");
            let given: Vec<String> = match shell {
                "bash" => vec![line, String::new()],
                _ => line.split(' ').map(str::to_owned).collect(),
            };
            let said = answer(&scene, shell, &given);
            assert!(said.len() > 10, "{shell}: {said}");
            for (_, token) in tokens(name) {
                assert!(!said.contains(&token), "{shell}: {said}");
            }
        }
    }
}

#[test]
fn a_script_for_every_shell() {
    let scene = Scene::new();
    for shell in SHELLS {
        let script = scene.sandbox.run(["completions", shell]).ok().stdout;
        assert!(
            script.contains("_BOLTKEY_COMPLETE") && script.contains(shell),
            "{script}"
        );
        let json = scene
            .sandbox
            .run(["completions", shell, "--json"])
            .ok()
            .json();
        assert_eq!(json["script"], script);
        assert_eq!(json["shell"], shell);
    }
}

/// Names that a shell would take for something else.
const HOSTILE: &[&str] = &[
    "q$(touch pwned)",
    "w`touch pwned`",
    "e;b|c>d<e&f",
    "r'single",
    "t\"double",
    "y\\back\\slash",
    "u!bang",
    "i*star?[x]",
    "özähler 日本",
    "p  two spaces",
    "s:colon=eq@at",
    "d#hash~tilde",
    "f{a,b}",
    "g$HOME",
];

/// Where a line is completed, with what follows the name of the program and what the shell should
/// make of it. HOSTILE names are added.
const LINES: &[(&str, &str)] = &[
    ("auth list --db influxd.bolt --user ali", "alice"),
    ("auth list --db=influxd.bolt --user=ali", "--user=alice"),
    ("auth list -d 'my store.bolt' --user ali", "alice"),
    (r"auth list my\ store.bolt --user ali", "alice"),
    ("auth show -d influxd.bolt 11af8a4fef", "11af8a4fef6f0000"),
    ("auth list --db my", "my store.bolt"),
    ("auth list --db=my", "--db=my store.bolt"),
    ("status my", "my store.bolt"),
    ("man --out fol", "folder one/"),
    ("status --js", "--json"),
    ("hash --variant sha5", "sha512"),
];

/// A store with organizations of these names, a file and a folder with a space.
fn hostile() -> Scene {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    for name in HOSTILE {
        let create = ["org", "create", "--name", name];
        scene.run(&create, &database, &[]).code(0);
    }
    fs::copy(&database, scene.path("my store.bolt")).unwrap();
    fs::create_dir(scene.path("folder one")).unwrap();
    scene
}

/// Where the shells find the program under this name.
fn path() -> String {
    let folder = Path::new(BOLTKEY).parent().unwrap();
    format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display())
}

/// A shell in the folder of the scene.
fn shell(scene: &Scene, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&scene.folder)
        .env_clear();
    command
        .env("PATH", path())
        .env("HOME", scene.sandbox.path("home"));
    command.env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    command
}

fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("not run: {program} is not installed");
    }
    there
}

/// Presses TAB after each line at a terminal, and looks at the words that the shell then has.
fn at_a_terminal(program: &str, arguments: &[&str], start: &str) {
    let scene = hostile();
    let Some(command) = controlling(&shell(&scene, program, arguments)) else {
        println!("not run: no setsid");
        return;
    };
    let mut terminal = Terminal::start_with_stdout(command);
    terminal.answer(start);
    terminal.answer("printf '<%s>\\n' ready");
    terminal.wait_for("<ready>");
    let folder = if program == "zsh" {
        "folder one"
    } else {
        "folder one/"
    };
    let lines = LINES.iter().map(|(line, word)| {
        let word = if *word == "folder one/" { folder } else { word };
        ((*line).to_owned(), word.to_owned())
    });
    let names = HOSTILE.iter().flat_map(|name| {
        let first = name.chars().next().unwrap();
        let line = format!("auth list --db influxd.bolt --org {first}");
        [(line, (*name).to_owned())]
    });
    for (line, word) in lines.chain(names) {
        terminal.keys(&format!("boltkey {line}\t"));
        // Words instead of a run: C-a, C-e.
        terminal.keys("\u{1}printf '<%s>' \u{5}");
        terminal.answer("");
        terminal.wait_for("<boltkey>");
        terminal.wait_for(&format!("<{word}>"));
        println!("cases: completions 1");
    }
    terminal.send(Signal::KILL);
    terminal.killed();
    assert!(!scene.path("pwned").exists());
}

#[test]
fn bash_completes_names_and_paths() {
    if is_there("bash") {
        let start = "PS1=; bind 'set bell-style none'; source <(boltkey completions bash)";
        at_a_terminal("bash", &["--norc", "--noprofile", "-i"], start);
    }
}

#[test]
fn zsh_completes_names_and_paths() {
    if is_there("zsh") {
        let start = "PS1=; autoload -U compinit; compinit -D -u; source <(boltkey completions zsh)";
        at_a_terminal("zsh", &["-f", "-i"], start);
    }
}

#[test]
fn bash_completes_inside_quotes() {
    if !is_there("bash") {
        return;
    }
    let scene = hostile();
    let command = shell(&scene, "bash", &["--norc", "--noprofile", "-i"]);
    let mut terminal = Terminal::start_with_stdout(controlling(&command).unwrap());
    terminal.answer("PS1=; bind 'set bell-style none'; source <(boltkey completions bash)");
    for quote in ['\'', '"'] {
        for name in HOSTILE.iter().filter(|name| !name.contains('!')) {
            let first = name.chars().next().unwrap();
            terminal.keys(&format!(
                "boltkey auth list --db influxd.bolt --org {quote}{first}\t"
            ));
            terminal.keys("\u{1}printf '<%s>' \u{5}");
            terminal.answer("");
            terminal.wait_for("<boltkey>");
            terminal.wait_for(&format!("<{name}>"));
            println!("cases: completions 1");
        }
    }
    terminal.send(Signal::KILL);
    terminal.killed();
    assert!(!scene.path("pwned").exists());
}

#[test]
fn fish_completes_names_and_paths() {
    if !is_there("fish") {
        return;
    }
    let scene = hostile();
    let names = HOSTILE.iter().map(|name| {
        let first = name.chars().next().unwrap();
        (
            format!("auth list --db influxd.bolt --org {first}"),
            (*name).to_owned(),
        )
    });
    let lines = LINES
        .iter()
        .map(|(line, word)| ((*line).to_owned(), (*word).to_owned()));
    for (line, word) in lines.chain(names) {
        let script = "boltkey completions fish | source; complete -C $argv[1]";
        let mut fish = shell(&scene, "fish", &["--no-config", "-c", script]);
        let output = fish.arg(format!("boltkey {line}")).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = said
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(
            found,
            [word],
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        println!("cases: completions 1");
    }
    assert!(!scene.path("pwned").exists());
}
