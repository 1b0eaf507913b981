//! Every file below `tests/` belongs to a test program. A file that no `mod` line names is never
//! compiled, and its tests never run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All files of Rust below a folder.
fn sources(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path);
        }
    }
}

/// The modules that a text declares in files of their own: name, and path where it has one.
fn declared(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut declared = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.strip_suffix("\"]");
        } else if let Some(rest) = line
            .strip_prefix("pub mod ")
            .or_else(|| line.strip_prefix("mod "))
        {
            if let Some(name) = rest.strip_suffix(';') {
                declared.push((name, path));
            }
            path = None;
        } else if !line.starts_with("#[") {
            path = None;
        }
    }
    declared
}

/// Follows the modules of a file.
fn follow(file: &Path, listed: &mut BTreeSet<PathBuf>) {
    if !listed.insert(file.to_path_buf()) {
        return;
    }
    let text = fs::read_to_string(file).unwrap();
    let folder = file.parent().unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let below = match stem {
        "main" | "mod" => folder.to_path_buf(),
        _ => folder.join(stem),
    };
    for (name, path) in declared(&text) {
        let file = match path {
            Some(path) => fs::canonicalize(folder.join(path)).unwrap(),
            None => [format!("{name}.rs"), format!("{name}/mod.rs")]
                .map(|file| below.join(file))
                .into_iter()
                .find(|file| file.exists())
                .unwrap_or_else(|| panic!("{}: mod {name} has no file", file.display())),
        };
        follow(&file, listed);
    }
}

#[test]
fn every_file_is_part_of_a_test_program() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let tests = fs::canonicalize(tests).unwrap();
    let mut there = BTreeSet::new();
    sources(&tests, &mut there);
    // As cargo finds the programs.
    let mut listed = BTreeSet::new();
    for entry in fs::read_dir(&tests).unwrap() {
        let path = entry.unwrap().path();
        let main = path.join("main.rs");
        if main.exists() {
            follow(&main, &mut listed);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            panic!(
                "{}: a program of its own; make it a module of one that there is, see CONTRIBUTING.md",
                path.display()
            );
        }
    }
    let unlisted: Vec<_> = there.difference(&listed).collect();
    assert!(unlisted.is_empty(), "no test program has {unlisted:?}");
    assert!(there.len() > 50, "{}", there.len());
}

#[test]
fn the_map_of_the_tests_names_every_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    for entry in fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.join("main.rs").exists() {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(map.contains(&format!("| `{name}` |")), "{name}");
        }
    }
}

#[test]
fn declared_modules_are_found() {
    let text = "#[path = \"../support/mod.rs\"]\nmod support;\n\nmod one;\n#[cfg(unix)]\npub mod two;\nmod inline {\n}\n";
    let expected = [
        ("support", Some("../support/mod.rs")),
        ("one", None),
        ("two", None),
    ];
    assert_eq!(declared(text), expected);
}
