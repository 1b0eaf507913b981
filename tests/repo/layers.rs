//! The layers of `docs/design.md`: which layer may use which, read from the source.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, by height. A layer uses none above its own. All layers may use those of height 0.
const ROOMS: [(&str, u8); 8] = [
    ("main", 5),
    ("cli", 4),
    ("ops", 3),
    ("metadata", 2),
    ("store", 1),
    ("error", 0),
    ("finding", 0),
    ("secret", 0),
];

/// What only `cli` may use: the terminal, the environment, the end of the process.
const ONLY_CLI: [&str; 14] = [
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "anstream::",
    "clap::",
    "clap_complete::",
    "rpassword::",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "env::",
    "process::exit",
];

/// What `metadata` must not use, because it knows no files.
const OF_FILES: [&str; 3] = ["rustix::", "flate2::", "rusqlite::"];

fn height(room: &str) -> Option<u8> {
    ROOMS
        .iter()
        .find_map(|(name, height)| (*name == room).then_some(*height))
}

/// One source file: its module path, as in `["store", "bolt", "meta"]`, and its text.
pub struct Source {
    pub path: String,
    pub module: Vec<String>,
    pub text: String,
}

impl Source {
    fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// A line of code outside comments, and the depth of modules inside the file.
pub struct Line<'a> {
    number: usize,
    pub code: &'a str,
    pub inner: usize,
    pub test: bool,
}

/// The lines of code. A module inside a file begins and ends at the left margin, as rustfmt
/// writes it.
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let mut inner = 0;
    let mut test = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if line.starts_with("#[cfg(test)]") {
            test = true;
        }
        found.push(Line {
            number: index + 1,
            code,
            inner,
            test,
        });
        let item = line.trim_start_matches("pub ");
        if item.starts_with("mod ") && line.ends_with('{') {
            inner = 1;
        } else if line == "}" || (item.starts_with("mod ") && line.ends_with(';')) {
            inner = 0;
            test = false;
        }
    }
    found
}

/// The module paths from the crate's root that a line of code names by `crate::`, `super::` or
/// `boltkey::`. A path ends where a name is no longer followed by `::`; `use crate::{a, b::c}` is
/// resolved for each part.
fn named_modules(source: &Source, line: &Line<'_>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (prefix, is_root) in [("crate::", true), ("boltkey::", true), ("super::", false)] {
        let mut rest = line.code;
        while let Some(at) = rest.find(prefix) {
            let before = rest[..at].chars().next_back();
            let mut path = &rest[at + prefix.len()..];
            rest = path;
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut base = Vec::new();
            if !is_root {
                let mut up = 1;
                while let Some(next) = path.strip_prefix("super::") {
                    path = next;
                    up += 1;
                }
                base = source.module.clone();
                // Leaving a module inside the file leads to the file's own.
                for _ in 0..usize::saturating_sub(up, line.inner) {
                    base.pop();
                }
            }
            for part in parts(path) {
                let mut module = base.clone();
                module.push(part);
                found.push(module);
            }
        }
    }
    found
}

/// The first names of a path: of `a::b` it is `a`, of `{a, b::{c, d}, e}` they are `a`, `b`, `e`.
fn parts(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(group[start..at].trim_start()));
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(name(group[start..].trim_start()));
    names
}

/// Everything in a file that breaks a rule, as `file:line: why`.
fn violations(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let room = source.room();
    let Some(own) = height(room) else {
        return if room == "lib" {
            found
        } else {
            vec![format!("{}: {room} is not a layer", source.path)]
        };
    };
    for line in lines(&join_uses(&source.text)) {
        let mut complain = |why: String| {
            found.push(format!("{}:{}: {why}", source.path, line.number));
        };
        for module in named_modules(source, &line) {
            let used = module.first().map_or("", String::as_str);
            if let Some(theirs) = height(used).filter(|theirs| *theirs > own) {
                complain(format!("{room} (layer {own}) uses {used} (layer {theirs})"));
            }
        }
        if line.test {
            continue;
        }
        for word in ONLY_CLI {
            if own < 4 && uses(line.code, word) {
                complain(format!("{room} uses {word}, which only cli may"));
            }
        }
        for word in OF_FILES {
            if room == "metadata" && uses(line.code, word) {
                complain(format!("metadata uses {word}, but knows no files"));
            }
        }
    }
    found
}

/// The text with each `use …;` on one line, so that groups are seen whole; line numbers stay.
pub fn join_uses(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let begins = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
            .iter()
            .any(|word| trimmed.starts_with(word));
        match open {
            None if begins && !line.ends_with(';') => {
                joined.push_str(line);
                open = Some(1);
            }
            None => {
                joined.push_str(line);
                joined.push('\n');
            }
            Some(lines) => {
                joined.push_str(trimmed);
                if line.ends_with(';') {
                    joined.push_str(&"\n".repeat(lines + 1));
                    open = None;
                } else {
                    open = Some(lines + 1);
                }
            }
        }
    }
    joined
}

/// Whether `code` contains `word` as a whole word, not as the end of a longer name.
fn uses(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        !code[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

pub fn source(path: &str, text: &str) -> Source {
    let mut module: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(String::from)
        .collect();
    if module
        .last()
        .is_some_and(|name| name == "mod" || name == "lib")
    {
        module.pop();
    }
    Source {
        path: format!("src/{path}"),
        module,
        text: text.to_string(),
    }
}

/// All files of `src`, with paths relative to it.
pub fn all_sources() -> Vec<Source> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                // Modules of tests in files of their own.
                && !path.file_stem().unwrap().to_str().unwrap().ends_with("tests")
            {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_str().unwrap();
            source(relative, &fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn no_layer_uses_one_above() {
    let sources = all_sources();
    let broken: Vec<String> = sources.iter().flat_map(violations).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("cases: layered-files {}", sources.len());
}

#[test]
fn the_scanner_sees_what_breaks_a_rule() {
    for (path, text) in [
        ("store/open.rs", "use crate::metadata::Id;"),
        ("store/bolt/read.rs", "use super::super::super::cli::Ui;"),
        ("metadata/id.rs", "fn f() -> crate::ops::Report {}"),
        (
            "error.rs",
            "use crate::{\n    store::Store,\n    secret::Token,\n};",
        ),
        ("ops/status.rs", "use crate::{store::{Store, Engine}, cli};"),
        (
            "ops/status.rs",
            "mod inner {\n    use super::super::super::cli::Ui;\n}",
        ),
        ("ops/status.rs", "    println!(\"{x}\");"),
        ("ops/status.rs", "    let home = std::env::var(\"HOME\");"),
        ("store/lock.rs", "std::process::exit(1)"),
        ("metadata/id.rs", "use rustix::fs::Mode;"),
        ("attic/old.rs", ""),
    ] {
        assert_ne!(violations(&source(path, text)), [""; 0], "{path}: {text}");
    }
}

#[test]
fn the_scanner_lets_pass_what_keeps_the_rules() {
    for (path, text) in [
        ("lib.rs", "pub mod cli;\npub use error::Error;"),
        ("main.rs", "fn main() { boltkey::cli::run() }"),
        (
            "cli/ui.rs",
            "use crate::ops::status;\nuse super::exit;\nprintln!();",
        ),
        (
            "ops/status.rs",
            "use crate::store::Store;\nuse crate::metadata::Id;",
        ),
        (
            "store/bolt/read.rs",
            "use super::super::Snapshot;\nuse super::meta;",
        ),
        (
            "store/open.rs",
            "// as crate::cli says\nuse crate::error::Error;",
        ),
        (
            "store/open.rs",
            "#[cfg(test)]\nmod tests {\n    use super::*;\n    println!();\n}",
        ),
        (
            "secret.rs",
            "#[cfg(test)]\nmod tests {\n    use super::*;\n}",
        ),
    ] {
        assert_eq!(violations(&source(path, text)), [""; 0], "{path}: {text}");
    }
}

#[test]
fn unsafe_code_is_forbidden_for_the_whole_package() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let lint = &manifest["lints"]["rust"]["unsafe_code"];
    assert_eq!(lint.as_str(), Some("forbid"));
}
