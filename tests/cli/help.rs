//! Help, completions and manual pages know every command.

use crate::Sandbox;
use std::fs;

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
fn completions_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run(["completions", shell]).ok().stdout;
        for word in ["status", "verify", "generate", "--no-lock"] {
            let bare = word.trim_start_matches('-');
            assert!(script.contains(bare), "{shell}: {word}");
        }
        let json = sandbox.run(["completions", shell, "--json"]).ok().json();
        assert_eq!(json["script"], script);
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
    for page in &wanted {
        let text = fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
    let other = fs::read_to_string(folder.path().join("other.1")).unwrap();
    assert_eq!(other, "not ours");
    sandbox.run(["man", "--out", path]).ok();
}
