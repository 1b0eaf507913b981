//! `docs/findings.md` is made from the table of codes, and a test causes every code.

use std::fs;
use std::path::{Path, PathBuf};

use boltkey::finding::Code;

/// The page, from the table.
fn page() -> String {
    let mut page = String::from(
        "# Findings\n\n\
         Every finding that `check`, `status`, `backup inspect` and other commands can report, with\n\
         its meaning and what helps. `boltkey explain CODE` prints an entry. This page is made from\n\
         the table in `src/finding/codes.rs`: `BOLTKEY_WRITE_FINDINGS=1 cargo test --test repo\n\
         findings` writes it again.\n\n\
         An `error` means that influxd does not start, that a token or login that should work does\n\
         not, or that the structure of the file is damaged. `check` then ends with exit code 3.\n",
    );
    for (prefix, title) in [
        ("structure.", "Structure of the file"),
        ("metadata.", "Records"),
        ("backup.", "Backups"),
    ] {
        page.push_str(&format!("\n## {title}\n"));
        for code in Code::ALL
            .iter()
            .filter(|code| code.name().starts_with(prefix))
        {
            page.push_str(&format!(
                "\n### {code}\n\n{}: {}\n\n{}\n",
                code.severity().name(),
                code.meaning(),
                code.cure(),
            ));
            let repair = code.repair().text();
            if let Some(rest) = repair.strip_prefix("repair ") {
                page.push_str(&format!("\n`repair` {rest}\n"));
            }
            if code.needs_all() {
                page.push_str("\nReported only if no damage hides records.\n");
            }
        }
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    if std::env::var_os("BOLTKEY_WRITE_FINDINGS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == page(),
        "docs/findings.md differs; BOLTKEY_WRITE_FINDINGS=1 writes it again"
    );
}

/// Tests that hold whole groups of codes: a mutator for each.
const MUTATORS: [&str; 3] = [
    "tests/engine/damaged_files.rs",
    "tests/support/record_changes.rs",
    "tests/cli/cures/mod.rs",
];

#[test]
fn every_code_is_produced_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<String> = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("repo/findings.rs") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    for path in MUTATORS {
        assert!(root.join(path).is_file(), "{path}");
    }
    let mut produced = 0;
    for code in Code::ALL {
        let (variant, name) = (format!("Code::{code:?}"), format!("\"{code}\""));
        let named = texts
            .iter()
            .any(|text| is_named(text, &variant) || text.contains(&name));
        assert!(named, "no test produces {code}");
        produced += 1;
    }
    println!("cases: finding-codes {produced}");
}

/// Whether a text has this word, and not only as the beginning of a longer one.
fn is_named(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let after = text[at + word.len()..].chars().next();
        after.is_none_or(|c| !c.is_alphanumeric())
    })
}
