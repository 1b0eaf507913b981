//! Help and manual pages know every command.

use std::fs;

use crate::Sandbox;
use crate::fixtures::{fixture, operator_token};
use crate::support::engine_folder::shard;
use crate::support::program::BOLTKEY;
use crate::v1_dbrp::{MAPPINGS, add_mappings};

/// Every command, found by walking the help.
fn commands(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(command) = open.pop() {
        let mut arguments: Vec<String> = command.clone();
        arguments.push("--help".into());
        let help = sandbox.run(&arguments).ok().stdout;
        let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
        for line in listed.lines().take_while(|line| !line.is_empty()) {
            let Some(name) = line.strip_prefix("  ").filter(|l| !l.starts_with(' ')) else {
                continue;
            };
            let name = name.split_whitespace().next().unwrap();
            if name != "help" {
                open.push([&command[..], &[name.to_owned()]].concat());
            }
        }
        all.push(command);
    }
    all
}

#[test]
fn help_fits_a_terminal_and_is_the_same_with_help_before() {
    let sandbox = Sandbox::new();
    let all = commands(&sandbox);
    assert!(all.len() > 12, "{all:?}");
    for command in all {
        for option in ["-h", "--help"] {
            let mut arguments = command.clone();
            arguments.push(option.into());
            let help = sandbox.run(&arguments).ok().stdout;
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{command:?}: {line}");
            }
            assert!(help.contains("--json"), "{command:?}");
        }
    }
}

#[test]
fn the_long_help_teaches() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(["--help"]).ok().stdout;
    for code in 0..=7 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
    for text in [
        "EXAMPLES",
        "timeout",
        "bucket not found",
        "Missing metadata for bucket",
        "unknown migration",
        "BOLTKEY_DB",
    ] {
        assert!(help.contains(text), "{text}");
    }
    // The commands that the examples show are there.
    for line in help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("boltkey "))
    {
        let words: Vec<&str> = line
            .split_whitespace()
            .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
            .collect();
        if !["tells", "names"].iter().any(|verb| words.contains(verb)) {
            sandbox.run([&words[..], &["--help"]].concat()).ok();
        }
    }
}

#[test]
fn a_manual_page_for_every_command() {
    let sandbox = Sandbox::new();
    let mut wanted: Vec<String> = commands(&sandbox)
        .into_iter()
        .map(|command| {
            format!(
                "{}.1",
                [&["boltkey".to_owned()], &command[..]].concat().join("-")
            )
        })
        .collect();
    wanted.sort();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.1");
    fs::write(&file, "not ours").unwrap();
    let below = file.join("pages");
    let below = below.to_str().unwrap();
    sandbox.run(["man", "--out", below]).code(1).tells(&[below]);
    // A folder that does not exist is made.
    let new = folder.path().join("share/man1");
    sandbox.run(["man", "--out", new.to_str().unwrap()]).ok();
    assert_eq!(fs::read_dir(&new).unwrap().count(), wanted.len());
    fs::write(folder.path().join("boltkey.1"), "an older page").unwrap();
    fs::write(folder.path().join("other.1"), "not ours").unwrap();
    let path = folder.path().to_str().unwrap();
    let report = sandbox.run(["man", "--json", "--out", path]).ok().json();
    let mut told: Vec<&str> = report["pages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|page| page.as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, wanted);
    let mut command = sandbox.command(["man", "--out", path]);
    command.env("SOURCE_DATE_EPOCH", "86400");
    sandbox.finish(command).ok();
    let text = fs::read_to_string(folder.path().join("boltkey-auth-list.1")).unwrap();
    assert!(
        text.contains("1970-01-02") && text.contains("boltkey 0."),
        "{text}"
    );
    for page in &wanted {
        let text = fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let other = fs::read_to_string(folder.path().join("other.1")).unwrap();
    assert_eq!(other, "not ours");
    sandbox.run(["man", "--out", path]).ok();
}

/// The long help of a command.
fn help_of(sandbox: &Sandbox, command: &[String]) -> String {
    let arguments = [command, &["--help".to_owned()]].concat();
    sandbox.run(arguments).ok().stdout
}

#[test]
fn help_shows_only_options_that_the_command_uses() {
    let sandbox = Sandbox::new();
    for (command, shown, hidden) in [
        (
            "token generate",
            &["--json", "--color"][..],
            &["--db", "--wait", "--yes"][..],
        ),
        (
            "status",
            &["--db", "--wait", "--previous"],
            &["--dry-run", "--keep-copy", "--yes"],
        ),
        (
            "hash",
            &["--db", "--dry-run", "--keep-copy", "--yes"],
            &["--previous"],
        ),
        (
            "user update",
            &["--db", "--dry-run", "--yes"],
            &["--previous"],
        ),
        ("capture", &["--db", "--dry-run"], &["--yes", "--keep-copy"]),
    ] {
        let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let help = help_of(&sandbox, &words);
        let globals = help.split("Global options:").nth(1).unwrap();
        let globals = globals.split("Examples:").next().unwrap();
        for option in shown {
            assert!(globals.contains(option), "{command}: {option}");
        }
        for option in hidden {
            assert!(!globals.contains(option), "{command}: {option}");
        }
    }
    // They are accepted all the same, so that a script can give the same to all.
    sandbox.run(["token", "generate", "--wait", "1s"]).ok();
}

/// The examples of a command, each on one line.
fn examples(help: &str) -> Vec<String> {
    let text = help.split("\nExamples:\n").nth(1).unwrap_or_default();
    let text = text.replace(" \\\n", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("      "));
    lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn every_command_has_examples_and_each_works() {
    let sandbox = Sandbox::new();
    let mut tried = 0;
    for command in commands(&sandbox) {
        let help = help_of(&sandbox, &command);
        // `capture` has a subcommand and is a command itself.
        let is_group = help.contains("\nCommands:\n") && command != ["capture"];
        if command.is_empty() || is_group {
            continue;
        }
        let examples = examples(&help);
        assert!(
            (2..=4).contains(&examples.len()),
            "{command:?}: {examples:?}"
        );
        for example in examples {
            let told = format!("boltkey {}", command.join(" "));
            assert!(example.contains(&told), "{example}");
            try_example(&example);
            tried += 1;
        }
        let short = [&command[..], &["-h".to_owned()]].concat();
        let short = sandbox.run(short).ok().stdout;
        assert!(!short.contains("\nExamples:\n"), "{command:?}");
    }
    println!("cases: help-examples {tried}");
}

/// Runs an example as a shell does, in a home with the files that examples name.
fn try_example(example: &str) {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let hashed = ["downgrade", "residue"]
        .iter()
        .any(|word| example.contains(word));
    let store = if hashed {
        "upgraded-2.9.1"
    } else {
        "lived-2.7.12"
    };
    fs::write(path("influxd.bolt"), fixture(store)).unwrap();
    if example.contains("v1 dbrp") {
        add_mappings(&path("influxd.bolt"), store, &MAPPINGS);
    }
    if !example.contains("--keep-copy before.bolt") {
        fs::write(path("before.bolt"), fixture("lived-2.7.12")).unwrap();
    }
    let token = operator_token(store);
    fs::write(path("token.txt"), format!("{token}\n")).unwrap();
    fs::write(path("password.txt"), "long enough\n").unwrap();
    fs::write(path("list.toml"), "[[org]]\nname = \"lab\"\n").unwrap();
    shard(&path("engine"), "00000000000000aa", 9000, (0, 5));
    fs::create_dir(path("devices")).unwrap();
    fs::copy(path("influxd.bolt"), path("devices/influxd.bolt")).unwrap();
    for folder in [".config/fish/completions", ".local/share/man/man1"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    let binary = std::path::Path::new(BOLTKEY).parent().unwrap();
    let shell = |line: &str| {
        std::process::Command::new("bash")
            .args(["-c", line])
            .current_dir(home.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", binary.display()))
            .env("HOME", home.path())
            .env("BOLTKEY_DB", path("influxd.bolt"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    };
    if example.contains(" backups ") || example.ends_with(" backups") {
        let made = shell("boltkey backup export influxd.bolt --out backups");
        let exports = example.contains("backup export");
        assert!(exports || made.status.success(), "{made:?}");
        if exports {
            fs::remove_dir_all(path("backups")).unwrap();
        }
    }
    if example.contains("--tokens tokens.json") {
        let made = shell("boltkey capture before.bolt --out tokens.json");
        assert!(made.status.success(), "{made:?}");
    }
    if example.contains("capture verify") {
        let sealed = "--out tokens.age --passphrase-file password.txt";
        for out in ["--out tokens.json", sealed] {
            let made = shell(&format!("boltkey capture influxd.bolt {out}"));
            assert!(made.status.success(), "{made:?}");
        }
    }
    // A program that may not be installed.
    let line = example.split(" && man ").next().unwrap();
    let ran = shell(line);
    // 3: the answer is no.
    let code = ran.status.code();
    assert!(matches!(code, Some(0 | 3)), "{example}: {ran:?}");
}

#[test]
fn help_and_usage_errors_obey_color() {
    let sandbox = Sandbox::new();
    let colored = |text: &str| text.contains('\u{1b}');
    for (arguments, expected) in [
        (&["--color", "always", "status", "--wrong"][..], true),
        (&["status", "--wrong", "--color=always"], true),
        (&["status", "--wrong"], false),
        (&["status", "--wrong", "--color", "never"], false),
    ] {
        let ran = sandbox.run(arguments).code(2);
        assert_eq!(colored(&ran.stderr), expected, "{arguments:?}: {ran:?}");
    }
    for (arguments, expected) in [
        (&["status", "--help", "--color", "always"][..], true),
        (&["status", "--help"], false),
    ] {
        let ran = sandbox.run(arguments).ok();
        assert_eq!(colored(&ran.stdout), expected, "{arguments:?}");
    }
}
