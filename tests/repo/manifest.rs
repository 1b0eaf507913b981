//! `fixtures/MANIFEST` has an entry for every fixture, and no other entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::fixtures::fixtures;
use sha2::{Digest, Sha256};

/// By file: names and values of the fields of its entry.
fn entries() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(fixtures().join("MANIFEST")).unwrap();
    let mut entries = BTreeMap::new();
    for block in text.trim_end().split("\n\n").skip(1) {
        let fields = block.lines().map(|line| {
            let (name, value) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.trim().to_owned())
        });
        let mut fields: BTreeMap<String, String> = fields.collect();
        let file = fields.remove("file").unwrap_or_else(|| panic!("{block}"));
        assert!(
            entries.insert(file, fields).is_none(),
            "it stands twice: {block}"
        );
    }
    entries
}

fn files(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let name = path.strip_prefix(fixtures()).unwrap().to_str().unwrap();
            found.insert(name.to_owned());
        }
    }
}

#[test]
fn every_fixture_has_an_entry_and_nothing_else_has() {
    let mut there = BTreeSet::new();
    files(&fixtures(), &mut there);
    there.retain(|file| file != "MANIFEST" && !file.ends_with("README.md"));
    let entries = entries();
    let told: BTreeSet<String> = entries.keys().cloned().collect();
    let missing: Vec<_> = there.difference(&told).collect();
    let gone: Vec<_> = told.difference(&there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "no entry: {missing:?}; no file: {gone:?}"
    );
    for (file, fields) in &entries {
        let sum = Sha256::digest(fs::read(fixtures().join(file)).unwrap());
        let sum = hex::encode(sum);
        assert_eq!(fields["sha256"], sum, "{file}");
        for field in ["producer", "command", "content"] {
            assert!(fields.get(field).is_some_and(|f| !f.is_empty()), "{file}");
        }
        let version = fields["producer"].contains(|c: char| c.is_ascii_digit());
        assert!(
            version || fields["producer"] == "tests/engine/damaged_files.rs",
            "{file}"
        );
    }
    println!("cases: manifest {}", entries.len());
}

#[test]
fn damaged_files_are_told_with_defect_and_findings() {
    let mut damaged = 0;
    for (file, fields) in entries() {
        let Some(name) = file.strip_prefix("damaged/") else {
            continue;
        };
        let Some(name) = name.strip_suffix(".bolt.gz") else {
            continue;
        };
        let findings = fixtures().join(format!("damaged/{name}.findings"));
        let findings = fs::read_to_string(findings).unwrap();
        let findings: Vec<&str> = findings.lines().collect();
        assert_eq!(fields["findings"], findings.join(", "), "{file}");
        assert!(fields["defect"].ends_with('.'), "{file}");
        damaged += 1;
    }
    assert!(damaged > 40);
}
