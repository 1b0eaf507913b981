//! No text of the program names a command or an option that it does not have.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Sandbox;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The string literals' text, roughly: code without comments, its line ends in strings joined.
fn code(source: &str) -> String {
    let code: Vec<&str> = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .map(|line| line.trim_end_matches('\\').trim_end())
        .collect();
    code.join(" ")
}

/// Words after "boltkey" that are verbs of a sentence about it.
const PROSE: &[&str] = &[
    "as",
    "at",
    "creates",
    "does",
    "for",
    "never",
    "opens",
    "overwrites",
    "reads",
];

#[test]
fn every_command_that_is_named_is_there() {
    let sandbox = Sandbox::new();
    let mut named = 0;
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        // What it writes into descriptions is no advice.
        if file.ends_with("metadata/description_tags.rs") {
            continue;
        }
        let text = code(&fs::read_to_string(&file).unwrap());
        for (at, _) in text.match_indices("boltkey ") {
            if text[..at].ends_with(|c: char| c.is_alphanumeric() || "-_:/.".contains(c)) {
                continue;
            }
            let rest = &text[at + "boltkey ".len()..];
            let is_word = |word: &&str| {
                let is_letter = |b: u8| b.is_ascii_lowercase() || b == b'-' || b == b'1';
                !word.is_empty() && word.bytes().all(is_letter)
            };
            let end = rest.find(|c: char| !(c.is_ascii_lowercase() || " -1".contains(c)));
            let words: Vec<&str> = rest[..end.unwrap_or(rest.len())]
                .split(' ')
                .take_while(is_word)
                .collect();
            let [first, ..] = &words[..] else { continue };
            if PROSE.contains(first) {
                continue;
            }
            // A command of one to three words, then prose or options.
            let known = |words: &[&str]| {
                let arguments = [words, &["--help"]].concat();
                sandbox.run(&arguments).code == 0
            };
            let option = words.iter().find(|word| word.starts_with("--"));
            let command: Vec<&str> = words
                .iter()
                .copied()
                .take_while(|word| !word.starts_with('-'))
                .collect();
            let longest = [3, 2].iter().find_map(|words| {
                let words = command.get(..*words)?;
                known(words).then_some(words)
            });
            let command = longest.unwrap_or(&command[..command.len().min(1)]);
            assert!(known(command), "{}: boltkey {rest:.40}", file.display());
            if let Some(option) = option {
                let help = sandbox.run([command, &["--help"]].concat()).stdout;
                assert!(help.contains(option), "{}: {rest:.40}", file.display());
            }
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}
